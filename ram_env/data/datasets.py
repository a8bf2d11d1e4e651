"""Which labelled images are there, and how is each source split? MNIST, digits, IDX and .npz."""

import functools
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ram_env.arguments import shown
from ram_env.data.idx import (
    IDX_FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    find_idx_set,
    read_idx_images,
    read_idx_labels,
)
from ram_env.data.mnist import MNIST_SHA256S, MnistNotFoundError, find_mnist
from ram_env.data.npz import read_npz
from ram_env.hashing import mix_bits

SPLITS = ("train", "validation", "test")
DATASETS = ("auto", "mnist", "digits", "idx")

MAX_CLASSES = 2**16  # numbers beyond are names of things, not classes to tell apart
_VALIDATION_PART = 12  # one in so many training images of IDX files: 5,000 of MNIST's 60,000
_DIGITS_ENDS = {"train": (0, 1297), "validation": (1297, 1497), "test": (1497, 1797)}
_NPZ_TENTHS = {"train": (0, 8), "validation": (8, 9), "test": (9, 10)}


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images with one label each; read-only, because environments share them.

    Attributes:
        images: uint8 (N, h, w), 0 is black; N, h and w at least 1.
        labels: int64 (N,), in 0..num_classes - 1. Any integer type is accepted and converted.
        num_classes: How many classes there are, the same for each split; in 1..`MAX_CLASSES`.
        name: What was really loaded: "mnist", "digits", "idx" or the path of an .npz file.

    Raises:
        ValueError: If an array breaks these rules.
    """

    images: np.ndarray
    labels: np.ndarray
    num_classes: int
    name: str

    def __post_init__(self) -> None:
        """Check the arrays and replace them by read-only ones."""
        _check_arrays(self.images, self.labels, self.name)
        if self.labels.min() < 0 or self.labels.max() >= self.num_classes:
            raise ValueError(
                f"`labels` of {self.name!r} must be in 0..{self.num_classes - 1}, "
                f"got {self.labels.min()}..{self.labels.max()}. Renumber the classes."
            )
        object.__setattr__(self, "images", _read_only(self.images))
        object.__setattr__(self, "labels", _read_only(self.labels.astype(np.int64)))


def load_dataset(
    dataset: str | os.PathLike[str] = "auto",
    split: str = "train",
    data_dir: str | os.PathLike[str] | None = None,
) -> ImageDataset:
    """Load one split of a data set; later calls in the same process share its arrays.

    | `dataset` | images | `train`, `validation`, `test` |
    |---|---|---|
    | `"mnist"` | MNIST: 28x28, 10 classes | first 55,000 and last 5,000 training images, t10k |
    | `"digits"` | scikit-learn's, made 28x28, 10 classes | first 1,297, next 200, last 300 |
    | `"auto"` | MNIST; if it cannot be had, with a warning, digits | as above |
    | `"idx"` | `data_dir`: files named like MNIST's | the last twelfth validates, t10k tests |
    | `"PATH.npz"` | `images` uint8 (N, h, w), `labels` (N,) | 80, 10, 10 % in a fixed mixed order |

    MNIST is searched for in `data_dir`, in the folder that the environment variable RAM_ENV_DATA
    names, and in the user's cache folder, where it is otherwise downloaded to.

    Args:
        dataset: One of the above.
        split: One of `SPLITS`.
        data_dir: The folder of the IDX files; not used by `"digits"` and `"PATH.npz"`.

    Raises:
        ValueError: If an argument is none of the choices, or the data is missing, unreadable,
            damaged or too small for three splits.
    """
    if not isinstance(split, str) or split not in SPLITS:
        raise ValueError(f"`split` must be one of {', '.join(SPLITS)}, got {shown(split)}.")
    folder = _absolute(data_dir)
    environment_dir = _absolute(os.environ.get("RAM_ENV_DATA"))
    # A numpy array equals a text element by element, which is no answer: only text is compared.
    name = os.fspath(dataset) if isinstance(dataset, os.PathLike) else dataset
    match name if isinstance(name, str) else "":
        case "auto":
            return _load_auto(split, folder, environment_dir)
        case "mnist":
            return _load_mnist(split, folder, environment_dir)
        case "digits":
            return _load_digits(split)
        case "idx":
            return _load_idx(split, folder)
        case path if path.endswith(".npz"):
            return _load_npz(split, os.path.abspath(os.path.expanduser(path)))
    raise ValueError(
        f"`dataset` must be one of {', '.join(DATASETS)}, or the path of an .npz file, "
        f"got {shown(dataset)}."
    )


def _load_auto(split: str, data_dir: str | None, environment_dir: str | None) -> ImageDataset:
    try:
        return _load_mnist(split, data_dir, environment_dir)
    except MnistNotFoundError as error:
        _warn_once(
            "Using the 1,797 digits of scikit-learn instead of MNIST: results are not results on "
            f'MNIST. {error} `dataset="digits"` uses the digits without this warning.'
        )
        return _load_digits(split)


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)  # at the caller of load_dataset


@functools.cache
def _load_mnist(split: str, data_dir: str | None, environment_dir: str | None) -> ImageDataset:
    files = find_mnist(data_dir, environment_dir)
    return _read_idx_split(files, split, "mnist", 10, MNIST_SHA256S)


@functools.cache
def _load_idx(split: str, data_dir: str | None) -> ImageDataset:
    rule = (
        f"`data_dir` must be a folder with {', '.join(IDX_FILES)} (plain or with .gz) "
        'for `dataset="idx"`'
    )
    try:
        files = find_idx_set(data_dir) if data_dir else {}
    except ValueError as error:
        raise ValueError(f"{rule}, but {error}.") from error
    if not files:
        raise ValueError(f"{rule}, got {data_dir!r}.")
    highest = max(read_idx_labels(files[name]).max() for name in (TRAIN_LABELS, TEST_LABELS))
    return _read_idx_split(files, split, "idx", int(highest) + 1, {})


def _read_idx_split(
    files: Mapping[str, Path], split: str, name: str, num_classes: int, sha256s: Mapping[str, str]
) -> ImageDataset:
    """Read only the two files that hold the split, and check them whole."""
    pair = (TEST_IMAGES, TEST_LABELS) if split == "test" else (TRAIN_IMAGES, TRAIN_LABELS)
    paths, hashes = tuple(files[file] for file in pair), tuple(sha256s.get(file) for file in pair)
    minimum = 1 if split == "test" else _VALIDATION_PART
    whole = _read_idx_pair(paths, hashes, name, num_classes, minimum)
    if split == "test":
        return whole
    images = whole.images
    num_train = len(images) - len(images) // _VALIDATION_PART
    return _select(whole, slice(num_train) if split == "train" else slice(num_train, None))


@functools.lru_cache(maxsize=2)  # training and validation images lie in the same files
def _read_idx_pair(
    paths: tuple[Path, ...],
    sha256s: tuple[str | None, ...],
    name: str,
    num_classes: int,
    minimum: int,
) -> ImageDataset:
    """Read a file of images and one of labels; what fails is not remembered."""
    images = read_idx_images(paths[0], sha256s[0])
    whole = ImageDataset(images, read_idx_labels(paths[1], sha256s[1]), num_classes, name)
    _require_images(whole, minimum)
    return whole


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
    return _select(ImageDataset(images, digits.target, 10, "digits"), slice(*_DIGITS_ENDS[split]))


@functools.cache
def _load_npz(split: str, path: str) -> ImageDataset:
    images, labels = read_npz(path)
    _check_arrays(images, labels, path)  # before the classes are counted
    # Labels that are negative or too high are refused there.
    num_classes = min(max(1, int(labels.max()) + 1), MAX_CLASSES)
    whole = ImageDataset(images, labels, num_classes, path)
    _require_images(whole, 10)
    # By a hash of the index, so that a file sorted by class still gives mixed splits.
    order = np.argsort(mix_bits(np.arange(len(images), dtype=np.uint64)), kind="stable")
    first, end = (len(images) * tenths // 10 for tenths in _NPZ_TENTHS[split])
    return _select(whole, order[first:end])


def _check_arrays(images: np.ndarray, labels: np.ndarray, name: str) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or 0 in images.shape:
        raise ValueError(
            f"`images` of {name!r} must be uint8 (N, h, w), no dimension 0, got {images.dtype} "
            f"{images.shape}. Convert them to one grey value of 0..255 per pixel."
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise ValueError(
            f"`labels` of {name!r} must be one whole number for each of the {len(images)} images, "
            f"got {labels.dtype} {labels.shape}. Give images and labels that belong together."
        )


def _require_images(dataset: ImageDataset, minimum: int) -> None:
    if len(dataset.images) < minimum:
        raise ValueError(
            f"`images` of {dataset.name!r} must be at least {minimum} to be split, "
            f"got {len(dataset.images)}. Add images."
        )


def _select(dataset: ImageDataset, rows: slice | np.ndarray) -> ImageDataset:
    return replace(dataset, images=dataset.images[rows], labels=dataset.labels[rows])


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if text is None or isinstance(text, str):
        return os.path.abspath(os.path.expanduser(text)) if text else None
    raise ValueError(f"`data_dir` must be None or the path of a folder, got {shown(path)}.")
