"""Archives of JSON and tensors: one zip, which cannot run code when it is loaded."""

import io
import json
import os
import pathlib
import zipfile
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from agents.files import Path, write_atomically

HEADER_NAME = "header.json"
TENSORS_NAME = "tensors.safetensors"


def save_archive(
    path: Path | io.BufferedIOBase, header: dict[str, Any], tensors: dict[str, Tensor]
) -> None:
    """Write a header and tensors.

    Args:
        path: File to write, `.zip` is added if it has no suffix; or a binary file object.
        header: What JSON can hold.
        tensors: By name, on any device.
    """
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def write(file: Any) -> None:
        with zipfile.ZipFile(file, "w") as archive:  # stored: weights do not compress
            archive.writestr(HEADER_NAME, json.dumps(header, indent=2))
            archive.writestr(TENSORS_NAME, save_tensors(held))

    if isinstance(path, str | os.PathLike):
        write_atomically(_with_suffix(path), write)
    else:
        write(path)


def load_archive(
    path: Path | io.BufferedIOBase, format_name: str, version: int
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read a header and tensors, on the CPU.

    Args:
        path: File to read; `.zip` is added if it has no suffix and does not exist as it is.
        format_name: What the header must say under `format`.
        version: What it must say under `version`.

    Raises:
        ValueError: If the file is damaged, or of another format or version.
        FileNotFoundError: If there is none.
    """
    if isinstance(path, str | os.PathLike) and not pathlib.Path(path).exists():
        path = _with_suffix(path)
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read(HEADER_NAME))
            tensors = load_tensors(archive.read(TENSORS_NAME))
        found = (header["format"], header["version"])
    except (zipfile.BadZipFile, KeyError, TypeError, SafetensorError, ValueError) as error:
        raise ValueError(
            f"`{path}` is damaged or not a {format_name} file ({error}): choose another file or "
            "save the model again."
        ) from error
    if found != (format_name, version):
        raise ValueError(
            f"`{path}` must be a {format_name} file of version {version}, got {found[0]} of version"
            f" {found[1]}: load it with the release that wrote it."
        )
    return header, tensors


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
