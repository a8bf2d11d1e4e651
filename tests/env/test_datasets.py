"""Every source of images gives exact pixels, disjoint splits, and a clear error for bad input."""

import gzip
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import REAL_MNIST, needs_mnist
from idx_files import NUM_TRAIN, encode_idx, make_idx_set, write_idx_set

from ram_env.data import datasets, mnist
from ram_env.data.datasets import SPLITS, load_dataset
from ram_env.data.mnist import MnistNotFoundError


@pytest.fixture(autouse=True)
def new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what was loaded, and give the test an empty cache folder and no network."""
    monkeypatch.delenv("RAM_ENV_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "MIRRORS", ("file:///no-such-mirror/",))
    for cached in (datasets.warn_once, mnist._complete_once):
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
    assert (dataset.class_names, dataset.name) == (tuple("0123456789"), "mnist")


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


def test_a_named_folder_is_read_or_refused(
    tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No data set takes other images instead; an empty variable names no folder."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for dataset in ("auto", "mnist", "idx"):
        for folder in (photos, str(tmp_path / "typo")):
            with pytest.raises(ValueError, match="`data_dir` must be a folder"):
                load_dataset(dataset, "test", folder)
    for dataset in ("digits", save_npz(tmp_path / "mine.npz", 20)):
        with pytest.raises(ValueError, match=r"`data_dir` is the folder of IDX files.*leave it"):
            load_dataset(dataset, "test", photos)
    nonsense: list[Any] = ["", 7, np.array([28, 28])]
    for folder in nonsense:
        with pytest.raises(ValueError, match="`data_dir` must be None or the path of a folder"):
            load_dataset("auto", "test", folder)
    monkeypatch.setenv("RAM_ENV_DATA", str(photos))
    with pytest.raises(ValueError, match="`RAM_ENV_DATA` must be a folder"):
        load_dataset("auto", "test")
    assert load_dataset("auto", "test", tiny_mnist).name == "mnist"
    monkeypatch.setenv("RAM_ENV_DATA", "")
    with pytest.raises(MnistNotFoundError):
        load_dataset("mnist", "test")


def test_torchvision_s_folder_is_mnist(tiny_mnist: Path, tmp_path: Path) -> None:
    """MNIST is taken from it, whatever lies beside; `idx` asks which is meant."""
    shutil.copytree(tiny_mnist, tmp_path / "root/MNIST/raw")
    assert load_dataset("idx", "test", tmp_path / "root").name == "idx"
    shutil.copytree(tiny_mnist, tmp_path / "root/FashionMNIST/raw")
    assert load_dataset("mnist", "test", tmp_path / "root").name == "mnist"
    with pytest.raises(ValueError, match=r"has several below it: name one of '.*FashionMNIST/raw'"):
        load_dataset("idx", "test", tmp_path / "root")


@pytest.mark.parametrize("dataset", ["npz", "idx", "mnist"])
@pytest.mark.parametrize("age", [0, 60], ids=["just written", "written a minute ago"])
def test_what_is_in_a_file_now_is_read(
    dataset: str, age: int, tiny_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what was there before, even if size and time are the same; equal reads share arrays."""
    clock = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: clock() + age * 10**9)
    path = tmp_path / "mine.npz" if dataset == "npz" else tiny_mnist / "t10k-images-idx3-ubyte.gz"
    arguments = (str(path), "test") if dataset == "npz" else (dataset, "test", tiny_mnist)

    def write(pixel: int) -> None:
        images = np.full((20 if dataset == "npz" else 5, 2, 2), pixel, np.uint8)
        if dataset == "npz":
            save_npz(path, 20, images=images)
        else:
            path.write_bytes(encode_idx(images))

    for pixel in (1, 2, 1, 3):
        write(pixel)
        if age:  # of files that are old, only times tell: here those of a slow clock
            os.utime(path, ns=(0, pixel * 10**9))
        loaded = load_dataset(*arguments)
        assert loaded.images.max() == pixel
        assert load_dataset(*arguments) is loaded


def test_images_of_a_living_env_outlive_their_file(tmp_path: Path) -> None:
    """An env plays what it was made of; the next one plays what is there then."""
    path = save_npz(tmp_path / "mine.npz", 20)
    arguments: dict[str, Any] = {"dataset": path, "patch_size": 2}
    env = gym.make("GlimpseMNIST-v0", **arguments)
    before, _ = env.reset(seed=0)
    save_npz(Path(path), 20, images=np.zeros((20, 2, 3), np.uint8))
    np.testing.assert_array_equal(env.reset(seed=0)[0]["glimpse"], before["glimpse"])
    np.savez(path, images=0)
    env.reset()
    with pytest.raises(ValueError, match=r"mine.npz'"):
        gym.make("GlimpseMNIST-v0", **arguments)


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
    assert test.labels.tolist() == [0, 4, 1, 2, 3]
    for part in (train, validation, test):
        assert part.class_names == ("0", "1", "2", "3", "6")


def test_idx_rejects_what_cannot_be_split_or_paired(tmp_path: Path) -> None:
    """No folder, too few images, and unequal counts are errors."""
    with pytest.raises(ValueError, match=r'`data_dir` must be a folder .*"idx"`, got None'):
        load_dataset("idx")
    with pytest.raises(ValueError, match=r'`data_dir` .*"idx"`, but .* it holds nothing'):
        load_dataset("idx", data_dir=tmp_path)
    folder = write_idx_set(tmp_path / "idx", compress=False)
    (folder / "train-images-idx3-ubyte").write_bytes(encode_idx(np.zeros((11, 2, 2), np.uint8)))
    with pytest.raises(ValueError, match="each of the 11 images"):
        load_dataset("idx", "train", folder)
    (folder / "train-labels-idx1-ubyte").write_bytes(encode_idx(np.arange(11, dtype=np.uint8)))
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
    assert (train.class_names, train.name) == (("0", "1", "2"), path)
    assert load_dataset(Path(path)) is train


def test_a_tilde_is_the_home_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell, for files and for folders."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = save_npz(tmp_path / "mine.npz", 20)
    assert load_dataset("~/mine.npz").name == path
    with pytest.raises(ValueError, match=re.escape(repr(str(tmp_path / "none")))):
        load_dataset("idx", data_dir="~/none")


def test_labels_of_different_types_have_the_same_classes(tmp_path: Path) -> None:
    """Whole numbers stay whole and apart, where one part is unsigned and another is not."""
    images, labels = np.zeros((24, 2, 2), np.uint8), 2**60 + np.arange(24) % 3
    parts: dict[str, Any] = {
        "x_train": images,
        "y_train": labels.astype(np.uint64),
        "x_test": images,
    }
    np.savez(tmp_path / "mine.npz", **parts, y_test=labels.astype(np.int64))
    for split in SPLITS:
        dataset = load_dataset(tmp_path / "mine.npz", split)
        assert dataset.class_names == tuple(str(2**60 + number) for number in range(3))
        assert set(dataset.labels) <= {0, 1, 2} and len(set(dataset.labels)) > 1
    parts["y_train"] = parts["y_train"] + np.uint64(2**63)
    np.savez(tmp_path / "large.npz", **parts, y_test=labels.astype(np.int64))
    with pytest.raises(ValueError, match=r"`labels` of .*large\.npz' must be at most 92.* signed"):
        load_dataset(tmp_path / "large.npz", "train")


@pytest.mark.parametrize("first", [0, -1, 7])
def test_classes_are_the_labels_that_occur(tmp_path: Path, first: int) -> None:
    """Gaps between labels make no classes; each keeps its name, in the order of the labels."""
    numbers = np.array([first, 500, 1000])[np.arange(20) % 3]
    texts = np.array(["zebra", "cat", "Ähre"])[np.arange(20) % 3]
    for labels, names in (
        (numbers, (str(first), "500", "1000")),
        (texts, ("cat", "zebra", "Ähre")),
        (np.char.encode(texts, "utf-8"), ("cat", "zebra", "Ähre")),
        (numbers == 500, ("False", "True")),
    ):
        path = save_npz(tmp_path / "mine.npz", 20, labels=labels)
        for split in SPLITS:
            dataset = load_dataset(path, split)
            assert dataset.class_names == names
            told = [names[label] for label in dataset.labels]
            whole = np.char.decode(labels, "utf-8") if labels.dtype.kind == "S" else labels
            assert told == [str(whole[index]) for index in dataset.images[:, 0, 0]]


@pytest.mark.parametrize(
    ("keys", "lengths"),
    [
        (("x_{}", "y_{}", "train", "test"), (22, 2, 4)),
        (("X_{}", "Y_{}", "train", "test"), (22, 2, 4)),
        (("{}_images", "{}_labels", "train", "val", "test"), (24, 3, 4)),
    ],
    ids=["Keras", "in capitals", "MedMNIST"],
)
def test_layouts_with_their_own_parts(
    tmp_path: Path, keys: tuple[str, ...], lengths: tuple[int, ...]
) -> None:
    """Each split is the part of its name; Keras's training images validate as MNIST's do."""
    images, labels, *parts = keys
    sizes, start, arrays = {"train": 24, "val": 3, "test": 4}, 0, {}
    for part in parts:
        numbers = np.arange(start, start + sizes[part], dtype=np.uint8)
        arrays[images.format(part)] = np.broadcast_to(
            numbers[:, None, None, None], (*numbers.shape, 2, 2, 1)
        )
        arrays[labels.format(part)] = numbers[:, None] % (7 if part == "train" else 9)
        start += sizes[part]
    np.savez(tmp_path / "mine.NPZ", **arrays)  # type: ignore[arg-type]
    (tmp_path / "mine.NPZ.npz").rename(tmp_path / "mine.NPZ")
    loaded = [load_dataset(tmp_path / "mine.NPZ", split) for split in SPLITS]
    assert tuple(len(dataset.images) for dataset in loaded) == lengths
    assert np.concatenate([each.images[:, 0, 0] for each in loaded]).tolist() == list(range(start))
    stored = np.concatenate([value[:, 0] for key, value in arrays.items() if value.ndim == 2])
    names = {dataset.class_names for dataset in loaded}
    assert names == {tuple(map(str, np.unique(stored)))}
    told = [each.class_names[label] for each in loaded for label in each.labels]
    assert told == list(map(str, stored))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": None}, "it holds 'images'"),
        ({"labels": None, "images": None, "arr_0": 1, "arr_1": 2}, "it holds 'arr_0', 'arr_1'"),
        ({"labels": None, "x_train": 1, "y_train": 2}, "it holds 'images', 'x_train', 'y_train'"),
        ({"labels": np.array([{}] * 20)}, r"labels.npy holds Python's objects.*dtype=str"),
        (
            {"images": np.array([np.zeros((1, 2)), None] * 10, object)},
            "images.npy holds Python's objects",
        ),
        ({"labels": np.zeros(20)}, r"`labels` of .* float64.*astype\(int\)"),
        ({"labels": np.eye(20)[:, :5]}, r"`labels` of .* float64 \(20, 5\)"),
        ({"labels": np.ones((20, 2), int)}, r"`labels` of .* int64 \(20, 2\)"),
        ({"labels": np.arange(19)}, "each of the 20 images"),
        ({"labels": np.full(20, 3)}, "`labels` of .* 2..65536 classes.* got 1"),
        ({"labels": np.array([b"\xff"] * 20)}, "can't decode"),
        ({"images": np.full((20, 2, 2), 2.0)}, "`images` of .* float64"),
        ({"images": np.full((20, 2, 2), np.nan)}, "`images` of .* float64"),
        ({"images": np.zeros((20, 2, 2), int)}, r"`images` of .* int64.*0\.\.255 per pixel"),
        ({"images": np.zeros((20, 2, 2, 4), np.uint8)}, r"`images` of .*\(20, 2, 2, 4\).*in 0..1"),
        ({"images": np.zeros((20, 4), np.uint8)}, r"`images` of .*\(20, 4\)"),
        ({"images": np.zeros((9, 2, 2), np.uint8), "labels": np.arange(9)}, "at least 10"),
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
    with pytest.raises(ValueError, match=r"`dataset` must be .*, got '.*mine.npz': No such file"):
        load_dataset(str(path))
    for name in ("a\0.npz", "\ud800.npz"):
        with pytest.raises(ValueError, match=r"`dataset` must be an .npz file"):
            load_dataset(name)
    with pytest.raises(ValueError, match=r"`dataset` must be .*, got .*a{50}\.npz'") as caught:
        load_dataset("a" * 5000 + ".npz")  # longer than any file's may be: both ends are shown
    assert len(str(caught.value)) < 1000
    for bad in (b"", b"text", content[:100], content[: len(content) // 2]):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"`dataset` must be an .npz file.*mine.npz'"):
            load_dataset(str(path))
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"`dataset` must be an .npz file.*mine.npz'"):
        load_dataset(str(path))
