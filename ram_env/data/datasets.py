"""Which labelled images are there, and how is each source split? MNIST, digits, IDX and .npz."""

import functools
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ram_env.arguments import folder_path, one_of_names, shown, some_of
from ram_env.data.folders import find_idx_sets
from ram_env.data.idx import (
    IDX_FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    read_idx_images,
    read_idx_labels,
)
from ram_env.data.images import ImageDataset, classes_of
from ram_env.data.mnist import MNIST_SHA256S, MnistNotFoundError, find_mnist
from ram_env.data.npz import read_npz
from ram_env.data.versions import FileVersion, version_of
from ram_env.hashing import mix_bits

SPLITS = ("train", "validation", "test")
DATASETS = ("auto", "mnist", "digits", "idx")

_NUM_SHARED = 12  # splits that are kept to be shared
_VALIDATION_PART = 12  # one in so many training images, if a test part but no third is given
_DIGITS_ENDS = {"train": (0, 1297), "validation": (1297, 1497), "test": (1497, 1797)}
_TENTHS = {"train": (0, 8), "validation": (8, 9), "test": (9, 10)}


def load_dataset(
    dataset: str | os.PathLike[str] = "auto",
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
) -> ImageDataset:
    """Load one split of a data set; calls share its arrays as long as its files stay as they are.

    | `dataset` | images | `train`, `validation`, `test` |
    |---|---|---|
    | `"mnist"` | MNIST: 28x28, 10 classes | first 55,000 and last 5,000 training images, t10k |
    | `"digits"` | scikit-learn's, made 28x28, 10 classes | first 1,297, next 200, last 300 |
    | `"auto"` | MNIST; if it cannot be had, with a warning, digits | as above |
    | `"idx"` | `data_dir`: files named like MNIST's | the last twelfth validates, t10k tests |
    | `"PATH.npz"` | `images` and `labels` | 80, 10, 10 % in a fixed mixed order |
    | | `x_train`, `y_train`, `x_test`, `y_test` | the last twelfth validates |
    | | `train_images`, `train_labels`, `val_...`, `test_...` | as they are |

    MNIST is searched for in `data_dir`, else in the folder that the environment variable
    RAM_ENV_DATA names, and only if none is named in the user's cache folder, where it is otherwise
    downloaded to. IDX files may be spelled and placed as `ram_env.data.folders` says.

    Images of an .npz file are uint8, or float in 0..1, (N, h, w) or (N, h, w, 1), in colour
    (N, h, w, 3); labels are whole numbers or texts, (N,) or (N, 1), or one-hot rows. Classes are
    the labels that occur in any split, in order.

    Args:
        dataset: One of the above.
        split: One of `SPLITS`.
        data_dir: The folder of the IDX files, for all but `"digits"` and `"PATH.npz"`.

    Raises:
        ValueError: If an argument is none of the choices, or the data is missing, unreadable,
            damaged or too small for three splits.
    """
    check_split(split)
    folder = folder_path("data_dir", data_dir)
    environment_dir = folder_path("RAM_ENV_DATA", os.environ.get("RAM_ENV_DATA") or None)
    # A numpy array equals a text element by element, which is no answer: only text is compared.
    name = os.fspath(dataset) if isinstance(dataset, os.PathLike) else dataset
    match name if isinstance(name, str) else "":
        case "auto":
            return _load_auto(split, folder, environment_dir)
        case "mnist":
            return _load_mnist(split, folder, environment_dir)
        case "idx":
            return _load_idx(split, folder)
        case "digits":
            _refuse_folder(folder, "digits")
            return _load_digits(split)
        case path if path.lower().endswith(".npz"):
            _refuse_folder(folder, path)
            return _load_npz(split, version_of(Path(os.path.abspath(os.path.expanduser(path)))))
    raise ValueError(
        f"`dataset` must be one of {', '.join(DATASETS)}, or the path of an .npz file, "
        f"got {shown(dataset)}. Folders of pictures are for GlimpseImageFolder-v0."
    )


def check_split(split: object) -> None:
    """Raise ValueError if a split is none of `SPLITS`."""
    one_of_names("split", split, SPLITS)


def _load_auto(split: str, data_dir: str | None, environment_dir: str | None) -> ImageDataset:
    try:
        return _load_mnist(split, data_dir, environment_dir)
    except MnistNotFoundError as error:
        warn_once(
            "Using the 1,797 digits of scikit-learn instead of MNIST: results are not results on "
            f'MNIST. {error} `dataset="digits"` uses the digits without this warning.',
            stacklevel=4,  # the caller of load_dataset
        )
        return _load_digits(split)


@functools.cache
def warn_once(message: str, stacklevel: int) -> None:
    """Tell something of the data, however many envs show it."""
    warnings.warn(message, UserWarning, stacklevel)


def _load_mnist(split: str, data_dir: str | None, environment_dir: str | None) -> ImageDataset:
    files = find_mnist(data_dir, environment_dir)
    return _load_idx_files(files, split, "mnist", tuple(range(10)), MNIST_SHA256S)


def _load_idx(split: str, data_dir: str | None) -> ImageDataset:
    rule = (
        f"`data_dir` must be a folder with {', '.join(IDX_FILES)} (plain or with .gz) "
        'for `dataset="idx"`'
    )
    if data_dir is None:
        raise ValueError(f"{rule}, got None.")
    try:
        files, *others = find_idx_sets(data_dir, ("*", "*/raw"))
    except ValueError as error:
        raise ValueError(f"{rule}, but {error}. Correct it.") from error
    if others:
        places = some_of([str(found[TEST_IMAGES].parent) for found in (files, *others)])
        raise ValueError(f"{rule}, but {data_dir!r} has several below it: name one of {places}.")
    labels = (version_of(files[name]) for name in (TRAIN_LABELS, TEST_LABELS))
    return _load_idx_files(files, split, "idx", _classes_in(*labels), {})


def _load_idx_files(
    files: Mapping[str, Path],
    split: str,
    name: str,
    classes: tuple[int, ...],
    sha256s: Mapping[str, str],
) -> ImageDataset:
    """Load a split from the two files that hold it, as they are now."""
    pair = (TEST_IMAGES, TEST_LABELS) if split == "test" else (TRAIN_IMAGES, TRAIN_LABELS)
    versions = tuple(version_of(files[file]) for file in pair)
    return _read_idx_split(versions, split, name, classes, tuple(map(sha256s.get, pair)))


@functools.lru_cache(_NUM_SHARED)
def _classes_in(*labels: FileVersion) -> tuple[int, ...]:
    """Return the labels that occur in some files, in order."""
    parts = [read_idx_labels(version.path) for version in labels]
    return tuple(classes_of(parts, "idx").tolist())


@functools.lru_cache(_NUM_SHARED)
def _read_idx_split(versions: tuple[FileVersion, ...], split: str, *others: Any) -> ImageDataset:
    whole = _read_idx_pair(versions, *others)
    return _share_out(whole, ("test",) if split == "test" else ("train", "validation"), split)


@functools.lru_cache(2)  # training and validation images lie in the same files
def _read_idx_pair(
    versions: tuple[FileVersion, ...],
    name: str,
    classes: tuple[int, ...],
    sha256s: tuple[str | None, ...],
) -> ImageDataset:
    """Read a file of images and one of labels, and check them whole."""
    images = read_idx_images(versions[0].path, sha256s[0])
    labels = read_idx_labels(versions[1].path, sha256s[1])
    return _numbered(images, labels, np.array(classes), name)


@functools.lru_cache(_NUM_SHARED)
def _load_npz(split: str, version: FileVersion) -> ImageDataset:
    path = str(version.path)
    part = read_npz(path, split)
    whole = _numbered(part.images, part.labels[0], classes_of(part.labels, path), path)
    return _share_out(whole, part.splits, split)


def _numbered(
    images: np.ndarray, labels: np.ndarray, classes: np.ndarray, name: str
) -> ImageDataset:
    """Return images whose labels are numbered as they come in `classes`."""
    # Of one type: as floats, large whole numbers would not be told apart.
    numbers = np.searchsorted(classes, labels.astype(classes.dtype))
    names = tuple(map(str, classes.tolist()))
    return ImageDataset(images, numbers, names, name)


def _share_out(whole: ImageDataset, splits: tuple[str, ...], split: str) -> ImageDataset:
    """Return the share of a split of the images that some splits have together."""
    num_images = len(whole.images)
    minimum = {1: 1, 2: _VALIDATION_PART, 3: 10}[len(splits)]
    if num_images < minimum:
        raise ValueError(
            f"`images` of {whole.name!r} must be at least {minimum} to be split, "
            f"got {num_images}. Add images."
        )
    if len(splits) == 1:
        return whole
    if len(splits) == 2:
        num_train = num_images - num_images // _VALIDATION_PART
        return _select(whole, slice(num_train) if split == "train" else slice(num_train, None))
    # By a hash of the index, so that a file sorted by class still gives mixed splits.
    order = np.argsort(mix_bits(np.arange(num_images, dtype=np.uint64)), kind="stable")
    first, end = (num_images * tenths // 10 for tenths in _TENTHS[split])
    return _select(whole, order[first:end])


@functools.cache
def _load_digits(split: str) -> ImageDataset:
    from sklearn.datasets import load_digits  # slow to import, and few need it

    digits = load_digits()
    small = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), from 0..16
    # Bilinear: smooth strokes without the dark and bright rings of sharper filters.
    enlarged = [
        np.asarray(Image.fromarray(image).resize((20, 20), Image.Resampling.BILINEAR))
        for image in small
    ]
    images = np.pad(np.stack(enlarged), ((0, 0), (4, 4), (4, 4)))  # (1797, 28, 28)
    whole = _numbered(images, digits.target, np.arange(10), "digits")
    return _select(whole, slice(*_DIGITS_ENDS[split]))


def _select(dataset: ImageDataset, rows: slice | np.ndarray) -> ImageDataset:
    return replace(dataset, images=dataset.images[rows], labels=dataset.labels[rows])


def _refuse_folder(folder: str | None, name: str) -> None:
    if folder is not None:
        raise ValueError(
            f"`data_dir` is the folder of IDX files, got it for `dataset` {shown(name)}, which is "
            "in none: leave it out."
        )
