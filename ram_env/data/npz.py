"""How are the arrays of an .npz file read? Without unpickling, and only what fits into memory."""

import math
import zipfile
from typing import NamedTuple

import numpy as np

from ram_env.arguments import check_bytes, shown, some_of
from ram_env.data.images import as_classes, as_grey

# By layout, for the splits that share a part of the data: its arrays of images and of labels.
_LAYOUTS: tuple[dict[tuple[str, ...], tuple[str, str]], ...] = (
    {("train", "validation", "test"): ("images", "labels")},
    {("train", "validation"): ("x_train", "y_train"), ("test",): ("x_test", "y_test")},  # Keras
    {
        ("train",): ("train_images", "train_labels"),  # MedMNIST
        ("validation",): ("val_images", "val_labels"),
        ("test",): ("test_images", "test_labels"),
    },
)
_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class NpzPart(NamedTuple):
    """The part of an .npz file in which a split lies."""

    images: np.ndarray  # as `as_grey` returns them
    labels: list[np.ndarray]  # of this part, then of the others; as `as_classes` returns them
    splits: tuple[str, ...]  # those that share it


def read_npz(path: str, split: str) -> NpzPart:
    """Read of an .npz file what a split needs, and all labels.

    The layouts are `images` and `labels`, shared by all splits; `x_train`, `y_train`, `x_test` and
    `y_test`, as of Keras; and `train_images`, `train_labels`, `val_images` and so on, of MedMNIST.

    Raises:
        ValueError: If the file cannot be read, is damaged, has none of these layouts, holds
            objects, or does not fit into memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            files = {file.removesuffix(".npy").lower(): file for file in archive.namelist()}
            layout = _find_layout(files)
            splits = next(splits for splits in layout if split in splits)
            own = layout[splits]
            others = [pair for pair in layout.values() if pair != own]
            images = as_grey(_read_npy(archive, files[own[0]]))
            labels = [as_classes(_read_npy(archive, files[key])) for _, key in (own, *others)]
            return NpzPart(images, labels, splits)
    except Exception as error:  # a damaged file makes NumPy and zipfile raise nearly anything
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ValueError(
            "`dataset` must be an .npz file that you may read, with the arrays `images` and "
            "`labels`, made by `np.savez(path, images=images, labels=labels)`, or those of Keras "
            f"or MedMNIST, got {shown(path)}: {reason}."
        ) from error


def _find_layout(files: dict[str, str]) -> dict[tuple[str, ...], tuple[str, str]]:
    for layout in _LAYOUTS:
        if all(key in files for pair in layout.values() for key in pair):
            return layout
    raise ValueError(f"it holds {some_of(sorted(files))}")


def _read_npy(archive: zipfile.ZipFile, file: str) -> np.ndarray:
    """Read one array, after comparing what it says of its size with how much there is of it."""
    info = archive.getinfo(file)
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        shape, _, dtype = _NPY_HEADERS[version](member)
        num_bytes = member.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(
            f"{file} holds Python's objects: make images of one size, labels of one type, such as "
            "`np.array(labels, dtype=str)`"
        )
    if num_bytes != info.file_size:
        raise ValueError(f"{file} must have {num_bytes} bytes, got {info.file_size}")
    check_bytes(num_bytes, f"`{file}`")
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)
