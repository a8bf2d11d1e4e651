"""What is a data set of images, and which arrays can be made one?"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ram_env.arguments import MAX_INT64, as_array

MAX_CLASSES = 2**16  # more are names of things, not classes to tell apart


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images with one label each; read-only, because environments share them.

    What makes an array, such as a list, may be given for one.

    Attributes:
        images: uint8 (N, h, w), 0 is black, or in colour (N, h, w, 3); N, h and w at least 1.
        labels: int64 (N,), in 0..num_classes - 1. Any integer type is accepted and converted.
        class_names: The name of each class, such as "7"; the same for each split.
        name: What was really loaded: "mnist", "digits", "idx" or the path of an .npz file; or what
            to call arrays that were loaded elsewhere.

    Raises:
        ValueError: If an array breaks these rules.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    name: str = "arrays"

    def __post_init__(self) -> None:
        """Check the arrays and replace them by read-only ones."""
        object.__setattr__(self, "images", as_array("images", self.images))
        object.__setattr__(self, "labels", as_array("labels", self.labels))
        object.__setattr__(self, "class_names", tuple(map(str, self.class_names)))
        _check_images(self.images, self.name)
        check_labels(self.labels, len(self.images), self.class_names, self.name)
        object.__setattr__(self, "images", _read_only(self.images))
        object.__setattr__(self, "labels", _read_only(self.labels.astype(np.int64)))

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @functools.cached_property
    def sha256(self) -> str:
        """What tells other data: the SHA-256 of images, labels and class names, in hexadecimal."""
        digest = hashlib.sha256(repr((self.images.shape, self.class_names)).encode())
        digest.update(self.images.tobytes())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def _check_images(images: np.ndarray, name: str) -> None:
    has_pixels = images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)
    if images.dtype != np.uint8 or not has_pixels or 0 in images.shape:
        raise ValueError(
            f"`images` of {name!r} must be uint8 (N, h, w), in colour (N, h, w, 3), no dimension 0,"
            f" got {images.dtype} {images.shape}. Convert them to 0..255 per pixel; an .npz file "
            "may also hold floats in 0..1."
        )


def check_labels(
    labels: np.ndarray, num_images: int, class_names: Sequence[str], name: str
) -> None:
    """Refuse labels that are not one class for each image.

    Args:
        labels: What should be whole numbers, (N,).
        num_images: N.
        class_names: The name of each class.
        name: The data set, for the message.

    Raises:
        ValueError: If they are not.
    """
    num_classes = len(class_names)
    if not 2 <= num_classes <= MAX_CLASSES:
        raise ValueError(
            f"`labels` of {name!r} must be of 2..{MAX_CLASSES} classes, to be told apart, got "
            f"{num_classes}. Give images of several classes."
        )
    if labels.dtype.kind not in "iu" or labels.shape != (num_images,):
        raise ValueError(
            f"`labels` of {name!r} must be one whole number for each of the {num_images} images, "
            f"got {labels.dtype} {labels.shape}. Give images and labels that belong together."
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"`labels` of {name!r} must be in 0..{num_classes - 1}, "
            f"got {labels.min()}..{labels.max()}. Renumber the classes."
        )


def _read_only(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def as_grey(images: np.ndarray) -> np.ndarray:
    """Return images as uint8 (N, h, w) where their meaning is certain, else as they are.

    It is of floats in 0..1 and of truth values, 0 is black, and of (N, h, w, 1) and (N, 1, h, w).
    """
    if images.ndim == 4 and 1 in (images.shape[3], images.shape[1]):
        images = images[..., 0] if images.shape[3] == 1 else images[:, 0]
    is_share = images.dtype.kind == "f" and images.size and 0 <= images.min() <= images.max() <= 1
    if is_share:
        return np.rint(images * 255.0).astype(np.uint8)
    return images * np.uint8(255) if images.dtype.kind == "b" else images


def as_classes(labels: np.ndarray) -> np.ndarray:
    """Return labels as (N,), of whatever type, where their meaning is certain, else as they are.

    It is of (N, 1), and of rows with a single 1 among zeros, in the column of the class.
    """
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8")
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 2 and labels.dtype.kind in "biuf":
        is_one = labels == 1
        if (is_one | (labels == 0)).all() and (is_one.sum(axis=1) == 1).all():
            return is_one.argmax(axis=1)
    return labels


def classes_of(parts: Sequence[np.ndarray], name: str) -> np.ndarray:
    """Return the labels that occur in the parts of a data set, each once, in order.

    Args:
        parts: Labels, (N,) each.
        name: The data set, for the message.

    Raises:
        ValueError: If they are no whole numbers, truth values or texts.
    """
    for labels in parts:
        if labels.dtype.kind not in "biuU" or labels.ndim != 1:
            raise ValueError(
                f"`labels` of {name!r} must be a whole number or a text for each image, or rows "
                f"with a single 1, got {labels.dtype} {labels.shape}. Convert them, such as by "
                "`labels.astype(int)`."
            )
    if {labels.dtype.kind for labels in parts} == {"i", "u"}:
        # Of 64 bits they have no type in common but floats.
        highest = max(int(labels.max(initial=0)) for labels in parts)
        if highest > MAX_INT64:
            raise ValueError(
                f"`labels` of {name!r} must be at most {MAX_INT64} where some are signed, got "
                f"{highest}. Renumber the classes."
            )
        parts = [labels.astype(np.int64) for labels in parts]
    return np.unique(np.concatenate(parts))
