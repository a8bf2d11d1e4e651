"""How are models kept in files? As one zip of JSON and tensors, which cannot run code when read."""

import io
import json
import os
import pathlib
import textwrap
import zipfile
from collections.abc import Callable
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from agents.base.files import Path, write_atomically

MAX_HEADER_BYTES = 2**20
HEADER_NAME = "header.json"
TENSORS_NAME = "tensors.safetensors"
FOREIGN_NAME = "policy.pth"  # what every other algorithm of Stable-Baselines3 saves
Check = Callable[[dict[str, Any], dict[str, Tensor]], None]


def save_archive(
    path: Path | io.BufferedIOBase, header: dict[str, Any], tensors: dict[str, Tensor]
) -> None:
    """Write a header, what JSON can hold, and tensors by name, on any device; see `write_file`."""
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def write(file: Any) -> None:
        with zipfile.ZipFile(file, "w") as archive:  # stored: weights do not compress
            archive.writestr(HEADER_NAME, json.dumps(header, indent=2))
            archive.writestr(TENSORS_NAME, save_tensors(held))

    write_file(path, write)


def write_file(path: Path | io.BufferedIOBase, write: Callable[[Any], None]) -> None:
    """Write a file that is whole at any moment, by a function of the open binary file.

    `.zip` is added to a path without a suffix (`v1.2` has one, as in Stable-Baselines3), and its
    folder is made; a binary file object is taken too.
    """
    if not isinstance(path, str | os.PathLike):
        write(path)
        return
    file_path = pathlib.Path(path)
    if not file_path.suffix:
        file_path = pathlib.Path(f"{path}.zip")
    file_path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file_path, write)


def load_archive(
    path: Path | io.BufferedIOBase, format_name: str, version: int, check: Check | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a header and tensors, on the CPU.

    Args:
        path: File to read; `.zip` is added if only that file exists.
        format_name: What the header must say under `format`.
        version: The highest that it may say under `version`.
        check: Raises whatever it likes if header and tensors do not go together.

    Raises:
        ValueError: If the file is damaged, of another format or version, or refused by the check.
        OSError: If it cannot be opened; `FileNotFoundError` if there is none.
    """
    if not isinstance(path, str | os.PathLike):
        return _load_open(path, str(path), format_name, version, check)
    given, zipped = pathlib.Path(path), pathlib.Path(f"{path}.zip")
    path = zipped if zipped.is_file() and not given.is_file() else given
    if os.path.isdir(path):
        raise ValueError(f"`{path}` is a folder: name a file in it, such as model.zip of a run.")
    with open(path, "rb") as file:
        return _load_open(file, str(path), format_name, version, check)


def _load_open(
    file: Any, path: str, format_name: str, version: int, check: Check | None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read an archive from a file that is open; what fails from here on is its content."""
    try:
        with zipfile.ZipFile(file) as archive:
            if FOREIGN_NAME in archive.namelist():
                found = "a model of another algorithm of Stable-Baselines3"
                remedy = "by the class that saved it, such as `PPO.load(path)`"
            else:
                check_members(archive)
                header = json.loads(archive.read(HEADER_NAME))
                if header["format"] == format_name and header["version"] in range(1, version + 1):
                    tensors = load_tensors(archive.read(TENSORS_NAME))
                    if check is not None:
                        check(header, tensors)
                    return header, tensors
                found = f"{header['format']} of version {header['version']}"
                remedy = "with the release that wrote it"
    except Exception as error:  # a damaged file makes the libraries raise nearly anything
        raise damage(path, format_name, error) from error
    raise ValueError(
        f"`{path}` must be a {format_name} file of version 1 to {version}, got {found}: load it "
        f"{remedy}."
    )


def damage(path: Any, format_name: str, error: Exception) -> ValueError:
    """Return what to raise for a file that cannot be read, in one line."""
    what = textwrap.shorten(str(error), 500, placeholder="...")  # it may quote half the file
    return ValueError(
        f"`{path}` is damaged or not a {format_name} file ({what}): choose another file or save "
        "the model again."
    )


def check_members(archive: zipfile.ZipFile) -> None:
    """Raise ValueError if the members of an archive would unpack to more than the file itself.

    That is if one is compressed or claims to be larger, the header is too large, or they overlap.
    """
    total = sum(info.file_size for info in archive.infolist())
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{info.filename} is compressed")  # few bytes could become any number
        highest = archive.start_dir  # where the members end and their list begins
        if info.filename == HEADER_NAME:
            highest = min(highest, MAX_HEADER_BYTES)
        for size in (info.file_size, info.compress_size):  # of one that is stored they are equal
            if size > highest:
                raise ValueError(f"{info.filename} has {size:,} bytes, more than {highest:,}")
    if total > archive.start_dir:
        raise ValueError(f"its members have {total:,} bytes, more than {archive.start_dir:,}")


def check_tensors(
    tensors: dict[str, Tensor], expected: dict[str, Tensor], optional: dict[str, Tensor]
) -> None:
    """Raise ValueError if tensors of a file are not those that are expected, or optional.

    Names, shapes and types are compared, and all must be finite.
    """
    missing = sorted(set(expected) - set(tensors))
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    known = expected | optional
    for name, value in tensors.items():
        if name not in known:
            raise ValueError(f"{name} belongs to no such file")
        wanted = known[name]
        if (value.dtype, value.shape) != (wanted.dtype, wanted.shape):
            raise ValueError(
                f"{name} must be {wanted.dtype} {tuple(wanted.shape)}, got {value.dtype} "
                f"{tuple(value.shape)}"
            )
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(f"{name} is not finite")
