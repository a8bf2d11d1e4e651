"""Arrays become a data set where their meaning is certain; all else is refused by its name."""

from dataclasses import replace

import numpy as np
import pytest

from ram_env.data.images import ImageDataset, as_classes, as_grey


def test_image_dataset_is_read_only_and_converts_labels() -> None:
    """The arrays of a data set cannot be changed through it; those of the caller stay writable."""
    images = np.zeros((2, 3, 3), np.uint8)
    dataset = ImageDataset(images, np.array([0, 1], np.uint8), ("a", "b"), "mine")
    assert dataset.labels.dtype == np.int64
    assert not dataset.images.flags.writeable
    assert not dataset.labels.flags.writeable
    assert images.flags.writeable


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 3, 3), np.float32), np.zeros(2, int), "`images` of 'mine' .* float32"),
        (np.zeros((2, 3), np.uint8), np.zeros(2, int), r"`images` of 'mine' .* \(2, 3\)"),
        (np.zeros((0, 3, 3), np.uint8), np.zeros(0, int), r"`images` of 'mine' .* \(0, 3, 3\)"),
        (np.zeros((2, 3, 3), np.uint8), np.zeros(3, int), "one whole number for each of the 2"),
        (np.zeros((2, 3, 3), np.uint8), np.zeros(2), "`labels` of 'mine' .* float64"),
        (np.zeros((2, 3, 3), np.uint8), np.array([0, 4]), r"`labels` .* in 0..3, got 0..4"),
        (np.zeros((2, 3, 3), np.uint8), np.array([-1, 3]), r"`labels` .* in 0..3, got -1..3"),
    ],
)
def test_image_dataset_rejects_bad_arrays(
    images: np.ndarray, labels: np.ndarray, message: str
) -> None:
    """Each broken rule is an error that names the array, the rule and what was found."""
    with pytest.raises(ValueError, match=message):
        ImageDataset(images, labels, tuple("abcd"), "mine")


@pytest.mark.parametrize("names", [(), ("a",), tuple(map(str, range(2**16 + 1)))], ids=len)
def test_image_dataset_rejects_what_is_not_to_be_told_apart(names: tuple[str, ...]) -> None:
    """One class is no question, and very many are names of things."""
    with pytest.raises(ValueError, match=rf"of 2\.\.65536 classes.* got {len(names)}"):
        ImageDataset(np.zeros((2, 3, 3), np.uint8), np.zeros(2, int), names, "mine")


def test_sha256_tells_other_data() -> None:
    """It depends on each pixel, label and class name, on the shape, and on nothing else."""
    images, labels = np.arange(24, dtype=np.uint8).reshape(4, 2, 3), np.array([0, 1, 1, 0])
    dataset = ImageDataset(images, labels, ("a", "b"), "mine")
    same = ImageDataset(images.copy(order="F"), labels.astype(np.uint8), ("a", "b"), "moved")
    assert same.sha256 == dataset.sha256
    others = [
        replace(dataset, images=images + np.eye(3, dtype=np.uint8)[:2]),
        replace(dataset, images=images.reshape(4, 3, 2)),
        replace(dataset, labels=1 - labels),
        replace(dataset, class_names=("a", "c")),
    ]
    assert len({dataset.sha256, *(other.sha256 for other in others)}) == 5


GREY = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)


@pytest.mark.parametrize(
    "images",
    [
        GREY,
        GREY[..., None],
        GREY[:, None],
        GREY / np.float64(255),
        GREY / np.float32(255),
        (GREY / np.float64(255)).astype(np.float16),
        (GREY / np.float32(255))[..., None],
    ],
)
def test_as_grey_keeps_every_value(images: np.ndarray) -> None:
    """All 256 values come back, from any precision that people save and with one channel."""
    np.testing.assert_array_equal(as_grey(images), GREY, strict=True)


def test_as_grey_takes_truth_for_white() -> None:
    """Masks are black and white."""
    mask = GREY > 100
    np.testing.assert_array_equal(as_grey(mask), 255 * mask.astype(np.uint8), strict=True)


@pytest.mark.parametrize(
    "images",
    [
        GREY / 16,
        GREY / 255 - 0.01,
        GREY.astype(float),
        GREY / np.where(GREY, 255.0, np.nan),
        GREY.astype(int),
        GREY[..., None].repeat(4, axis=-1),
        GREY.reshape(4, 64),
        np.zeros((0, 2, 2)),
    ],
)
def test_as_grey_leaves_what_is_uncertain(images: np.ndarray) -> None:
    """It is for the user to say what such numbers mean, and refused."""
    assert as_grey(images) is images
    with pytest.raises(ValueError, match=r"`images` of 'mine' .*Convert them"):
        ImageDataset(images, np.arange(len(images)), tuple("abcd"), "mine")


LABELS = np.array([2, 0, 1, 2])


@pytest.mark.parametrize(
    "labels",
    [LABELS, LABELS[:, None], np.eye(3)[LABELS], np.eye(3, dtype=bool)[LABELS]],
    ids=["plain", "a column", "one-hot floats", "one-hot truth"],
)
def test_as_classes_knows_usual_forms(labels: np.ndarray) -> None:
    """A column, and rows with a single 1."""
    np.testing.assert_array_equal(as_classes(labels), LABELS, strict=True)


@pytest.mark.parametrize("labels", [np.ones((4, 2), int), np.eye(4)[:, :3], np.eye(4) * 0.9])
def test_as_classes_leaves_what_is_uncertain(labels: np.ndarray) -> None:
    """Several classes, none, or parts of them for an image."""
    assert as_classes(labels) is labels
