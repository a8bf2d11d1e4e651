"""Every source of images gives exact pixels, disjoint splits, and a clear error for bad input."""

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import REAL_MNIST, needs_mnist
from idx_files import NUM_TRAIN, encode_idx, make_idx_set, write_idx_set

from ram_env.data import datasets, mnist
from ram_env.data.datasets import SPLITS, ImageDataset, load_dataset
from ram_env.data.mnist import MnistNotFoundError


@pytest.fixture(autouse=True)
def new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was loaded, and give the test an empty cache folder and no network."""
    monkeypatch.delenv("RAM_ENV_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "MIRRORS", ("file:///no-such-mirror/",))
    for cached in (datasets._load_mnist, datasets._warn_once, mnist._complete_once):
        cached.cache_clear()


@pytest.fixture
def tiny_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small data set that passes for MNIST."""
    for name in mnist.MNIST_SHA256S:
        monkeypatch.setitem(mnist.MNIST_SHA256S, name, None)
    return write_idx_set(tmp_path / "mnist")


def save_npz(path: Path, num_images: int, **changes: Any) -> str:
    """Write an .npz file in which image i is full of i, sorted by label, and return its path."""
    images = np.repeat(np.arange(num_images, dtype=np.uint8), 6).reshape(-1, 2, 3)
    arrays = {"images": images, "labels": np.arange(num_images) * 3 // num_images, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return str(path)


def test_image_dataset_is_read_only_and_converts_labels() -> None:
    """The arrays of a data set cannot be changed through it; those of the caller stay writable."""
    images = np.zeros((2, 3, 3), np.uint8)
    dataset = ImageDataset(images, np.array([0, 1], np.uint8), 2, "mine")
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
        ImageDataset(images, labels, 4, "mine")


@pytest.mark.parametrize("argument", ["dataset", "split"])
def test_load_dataset_names_the_choices(argument: str) -> None:
    """An unknown data set or split is an error that lists what exists."""
    choices = "auto, mnist, digits, idx" if argument == "dataset" else "train, validation, test"
    with pytest.raises(ValueError, match=f"`{argument}` must be one of {choices}.* got 'tset'"):
        load_dataset(**{argument: "tset"})


@needs_mnist
@pytest.mark.parametrize(
    ("split", "file", "first", "end"),
    [
        ("train", "train", 0, 55_000),
        ("validation", "train", 55_000, 60_000),
        ("test", "t10k", 0, 10_000),
    ],
)
def test_mnist_pixels_are_those_of_the_file(split: str, file: str, first: int, end: int) -> None:
    """Each split is the promised range of the file, byte for byte: 128 stays 128."""
    dataset = load_dataset("mnist", split, REAL_MNIST)
    path = Path(str(REAL_MNIST), f"{file}-images-idx3-ubyte.gz")
    pixels = gzip.decompress(path.read_bytes())[16:]
    assert dataset.images.shape == (end - first, 28, 28)
    assert dataset.images.tobytes() == pixels[first * 784 : end * 784]
    assert (dataset.images == 128).any()
    assert (dataset.num_classes, dataset.name) == (10, "mnist")


@needs_mnist
def test_mnist_labels_are_known() -> None:
    """The first labels of the two files are the well-known ones."""
    assert load_dataset("mnist", "train", REAL_MNIST).labels[:8].tolist() == [
        5,
        0,
        4,
        1,
        9,
        2,
        1,
        3,
    ]
    assert load_dataset("mnist", "test", REAL_MNIST).labels[:8].tolist() == [7, 2, 1, 0, 4, 1, 4, 9]


def test_mnist_refuses_other_data_in_its_files(tmp_path: Path) -> None:
    """Files with the names of MNIST but other content are no MNIST, for `auto` as well."""
    folder = write_idx_set(tmp_path / "other")
    for dataset in ("mnist", "auto"):
        with pytest.raises(ValueError, match=r"ubyte.gz` is not .*SHA-256 of MNIST"):
            load_dataset(dataset, "test", folder)


def test_mnist_insists() -> None:
    """`mnist` never falls back to other data."""
    with pytest.raises(MnistNotFoundError, match=r"`data_dir`.*RAM_ENV_DATA.*network"):
        load_dataset("mnist")


def test_load_dataset_shares_arrays_and_follows_the_environment(
    tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls share one data set until $RAM_ENV_DATA changes."""
    monkeypatch.setenv("RAM_ENV_DATA", str(tiny_mnist))
    first = load_dataset("auto", "test")
    assert first.name == "mnist"
    assert load_dataset("mnist", "test") is first
    monkeypatch.setenv("RAM_ENV_DATA", str(tmp_path / "typo"))
    with pytest.raises(ValueError, match="`RAM_ENV_DATA` must be a folder"):
        load_dataset("auto", "test")


def test_load_dataset_reads_only_what_the_split_needs(tiny_mnist: Path) -> None:
    """A damaged training file does not keep the test set from loading."""
    (tiny_mnist / "train-images-idx3-ubyte.gz").write_bytes(b"")
    assert len(load_dataset("mnist", "test", tiny_mnist).images) == 5
    with pytest.raises(ValueError, match="empty"):
        load_dataset("mnist", "train", tiny_mnist)


def test_auto_takes_digits_with_one_warning() -> None:
    """Without MNIST `auto` is `digits`, and says so once: what, why, and what to do."""
    with pytest.warns(UserWarning, match=r"digits.*no-such-mirror.*RAM_ENV_DATA") as caught:
        loaded = [load_dataset("auto", split) for split in SPLITS]
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert [dataset.name for dataset in loaded] == ["digits"] * 3


def test_digits_are_enlarged_and_centred() -> None:
    """The digits lie in the middle 20x20 pixels; its corners are value * 255 / 16, rounded."""
    from sklearn.datasets import load_digits

    source = load_digits()
    splits = [load_dataset("digits", split) for split in SPLITS]
    images = np.concatenate([split.images for split in splits])
    assert [len(split.images) for split in splits] == [1297, 200, 300]
    np.testing.assert_array_equal(np.concatenate([split.labels for split in splits]), source.target)
    assert images[:, 4:24, 4:24].sum(dtype=np.int64) == images.sum(dtype=np.int64)
    # Half a pixel from the edge of the finer grid lies outside the coarse centres: no mixing there.
    corners = np.rint(source.images[:, ::7, ::7] * 255 / 16)
    np.testing.assert_array_equal(images[:, 4:24:19, 4:24:19], corners)
    assert images.max() == 255


def test_idx_reads_any_size_and_number_of_classes(tmp_path: Path) -> None:
    """The last twelfth validates; the classes of both files count, whichever split is read."""
    folder = write_idx_set(tmp_path / "idx", compress=False)
    arrays = make_idx_set()
    train, validation, test = (load_dataset("idx", split, folder) for split in SPLITS)
    images = np.concatenate([train.images, validation.images])
    np.testing.assert_array_equal(images, arrays["train-images-idx3-ubyte"], strict=True)
    np.testing.assert_array_equal(test.images, arrays["t10k-images-idx3-ubyte"], strict=True)
    assert len(validation.images) == NUM_TRAIN // 12
    assert validation.labels.tolist() == [2, 3]
    assert test.labels.tolist() == [0, 6, 1, 2, 3]
    assert {train.num_classes, validation.num_classes, test.num_classes} == {7}


def test_idx_rejects_what_cannot_be_split_or_paired(tmp_path: Path) -> None:
    """No folder, too few images, and unequal counts are errors."""
    with pytest.raises(ValueError, match=r'`data_dir` must be a folder .*"idx"`, got None'):
        load_dataset("idx")
    with pytest.raises(ValueError, match=r'`data_dir` must be a folder .*"idx"`, got '):
        load_dataset("idx", data_dir=tmp_path)
    folder = write_idx_set(tmp_path / "idx", compress=False)
    (folder / "train-images-idx3-ubyte").write_bytes(encode_idx(np.zeros((11, 2, 2), np.uint8)))
    with pytest.raises(ValueError, match="each of the 11 images"):
        load_dataset("idx", "train", folder)
    (folder / "train-labels-idx1-ubyte").write_bytes(encode_idx(np.zeros(11, np.uint8)))
    with pytest.raises(ValueError, match="at least 12 to be split, got 11"):
        load_dataset("idx", "train", folder)


def test_npz_splits_are_fixed_mixed_and_complete(tmp_path: Path) -> None:
    """Each image is in exactly one split, in an order that no upgrade may change."""
    path = save_npz(tmp_path / "mine.npz", 20)
    train, validation, test = (load_dataset(path, split) for split in SPLITS)
    assert train.images[:, 1, 2].tolist() == [0, 15, 10, 7, 3, 14, 17, 11, 12, 1, 9, 5, 4, 6, 8, 16]
    assert validation.images[:, 1, 2].tolist() == [2, 13]
    assert test.images[:, 1, 2].tolist() == [19, 18]
    assert (validation.labels.tolist(), test.labels.tolist()) == ([0, 1], [2, 2])
    assert (train.num_classes, train.name) == (3, path)
    assert load_dataset(Path(path)) is train


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell, for files and for folders."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = save_npz(tmp_path / "mine.npz", 20)
    assert load_dataset("~/mine.npz").name == path
    with pytest.raises(ValueError, match=re.escape(repr(str(tmp_path / "none")))):
        load_dataset("idx", data_dir="~/none")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "no item named 'labels.npy' in the archive"),
        ({"labels": np.array([{}] * 20)}, "Object arrays cannot be loaded"),
        ({"labels": np.zeros(20)}, "`labels` of .* float64"),
        ({"labels": np.zeros(19, int)}, "each of the 20 images"),
        ({"labels": np.full(20, -1)}, "`labels` of .* got -1"),
        ({"images": np.zeros((20, 2, 2))}, "`images` of .* float64"),
        ({"images": np.zeros((9, 2, 2), np.uint8), "labels": np.zeros(9, int)}, "at least 10"),
    ],
)
def test_npz_rejects_bad_arrays(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Each fault of the arrays is an error that names the file."""
    path = save_npz(tmp_path / "mine.npz", 20, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset(path)
    assert path in str(caught.value)


def test_npz_rejects_bad_files(tmp_path: Path) -> None:
    """A missing file, a cut one, an empty one and one of another kind are errors that name it."""
    path = tmp_path / "mine.npz"
    content = Path(save_npz(path, 20)).read_bytes()
    path.unlink()
    with pytest.raises(ValueError, match=r"mine.npz` must be an .npz file.*No such file"):
        load_dataset(str(path))
    for bad in (b"", b"text", content[:100], content[: len(content) // 2]):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"mine.npz` must be an .npz file"):
            load_dataset(str(path))
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"mine.npz` must be an .npz file"):
        load_dataset(str(path))
