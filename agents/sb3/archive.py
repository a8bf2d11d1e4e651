"""Archives of JSON and tensors: one zip, which cannot run code when it is loaded."""

import io
import json
import math
import os
import pathlib
import textwrap
import zipfile
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from agents.files import Path, write_atomically

MAX_HEADER_BYTES = 2**20
MAX_TENSOR_BYTES = 2**32
MAX_LENGTH = 2**20  # of a dimension that may be of any length
# What reading a file can raise that was not written by `save_archive`, or not as it is now.
DAMAGES = (
    zipfile.BadZipFile, KeyError, TypeError, SafetensorError, ValueError, RuntimeError, EOFError,
    NotImplementedError, OverflowError, RecursionError, OSError,
)  # fmt: skip
HEADER_NAME = "header.json"
TENSORS_NAME = "tensors.safetensors"


def save_archive(
    path: Path | io.BufferedIOBase, header: dict[str, Any], tensors: dict[str, Tensor]
) -> None:
    """Write a header and tensors.

    Args:
        path: File to write, `.zip` is added if it has no suffix, and its folder is made; or a
            binary file object.
        header: What JSON can hold.
        tensors: By name, on any device.
    """
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def write(file: Any) -> None:
        with zipfile.ZipFile(file, "w") as archive:  # stored: weights do not compress
            archive.writestr(HEADER_NAME, json.dumps(header, indent=2))
            archive.writestr(TENSORS_NAME, save_tensors(held))

    if isinstance(path, str | os.PathLike):
        file_path = _with_suffix(path)
        file_path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file_path, write)
    else:
        write(path)


class TensorSpec(NamedTuple):
    """What a tensor in an archive must be."""

    shape: tuple[int | None, ...]  # None: any number
    dtype: torch.dtype
    required: bool = True


Expect = Callable[[dict[str, Any]], dict[str, TensorSpec]]


def load_archive(
    path: Path | io.BufferedIOBase, format_name: str, version: int, expect: Expect | None = None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a header and tensors, on the CPU.

    Args:
        path: File to read; `.zip` is added if it has no suffix and does not exist as it is.
        format_name: What the header must say under `format`.
        version: The highest that it may say under `version`.
        expect: Tells from the header which tensors there must and may be; they are looked at only
            if sizes, names, shapes and types are these. None: any.

    Raises:
        ValueError: If the file is damaged, of another format or version, or holds anything but what
            its header implies.
        OSError: If it cannot be opened; `FileNotFoundError` if there is none.
    """
    if not isinstance(path, str | os.PathLike):
        return _load_open(path, str(path), format_name, version, expect)
    path = pathlib.Path(path) if pathlib.Path(path).exists() else _with_suffix(path)
    with open(path, "rb") as file:
        return _load_open(file, str(path), format_name, version, expect)


def _load_open(
    file: Any, path: str, format_name: str, version: int, expect: Expect | None
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read an archive from a file that is open; what fails from here on is its content."""
    try:
        with zipfile.ZipFile(file) as archive:
            header = json.loads(_read_member(archive, HEADER_NAME, MAX_HEADER_BYTES))
            found = (header["format"], header["version"])
            if found[0] == format_name and found[1] in range(1, version + 1):
                specs = expect(header) if expect is not None else None
                return header, _read_tensors(archive, specs)
    except DAMAGES as error:
        what = textwrap.shorten(str(error), 500, placeholder="...")  # it may quote half the file
        raise ValueError(
            f"`{path}` is damaged or not a {format_name} file ({what}): choose another file or "
            "save the model again."
        ) from error
    raise ValueError(
        f"`{path}` must be a {format_name} file of version 1 to {version}, got {found[0]} of"
        f" version {found[1]}: load it with the release that wrote it."
    )


def _read_member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    """Read a member of an archive, if it is as large as it may be; nothing is unpacked."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")  # a few bytes could become any number
    highest = min(max_bytes, archive.start_dir)  # where the members end and their list begins
    for size in (info.file_size, info.compress_size):  # of one that is stored they are equal
        if size > highest:
            raise ValueError(f"{name} has {size:,} bytes, more than {highest:,}")
    return archive.read(name)


def _read_tensors(
    archive: zipfile.ZipFile, specs: dict[str, TensorSpec] | None
) -> dict[str, Tensor]:
    """Read the tensors of an archive, if they are what they must be."""
    if specs is None:
        return load_tensors(_read_member(archive, TENSORS_NAME, MAX_TENSOR_BYTES))
    sizes = [
        spec.dtype.itemsize * math.prod(MAX_LENGTH if side is None else side for side in spec.shape)
        for spec in specs.values()
    ]
    max_bytes = min(sum(sizes) + MAX_HEADER_BYTES, MAX_TENSOR_BYTES)
    tensors = load_tensors(_read_member(archive, TENSORS_NAME, max_bytes))
    missing = [name for name, spec in specs.items() if spec.required and name not in tensors]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    for name, value in tensors.items():
        if name not in specs:
            raise ValueError(f"{name} belongs to no such file")
        _check_tensor(name, value, specs[name])
    return tensors


def _check_tensor(name: str, value: Tensor, spec: TensorSpec) -> None:
    fits = value.dim() == len(spec.shape) and all(
        wanted in (None, side) for wanted, side in zip(spec.shape, value.shape, strict=True)
    )
    if not fits or value.dtype != spec.dtype:
        raise ValueError(
            f"{name} must be {spec.dtype} {spec.shape}, got {value.dtype} {tuple(value.shape)}"
        )
    if value.is_floating_point() and not torch.isfinite(value).all():
        raise ValueError(f"{name} is not finite")


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the state of an optimiser as tensors by name, `optimizer.<parameter>.<quantity>`."""
    return {
        f"optimizer.{index}.{name}": value
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `pack_optimizer` returned; without it the optimiser stays as it is."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _with_suffix(path: Path) -> pathlib.Path:
    path = pathlib.Path(path)
    return path if path.suffix else path.with_suffix(".zip")
