"""Pictures of a user's folder are listed, split and read once, whatever else lies there."""

import os
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from photos import SHAPES, make_photos
from PIL import Image

from ram_env.data.datasets import SPLITS
from ram_env.pictures import decoding
from ram_env.pictures.dataset import load_pictures
from ram_env.pictures.folder import list_folder
from ram_env.pictures.intake import Reading, take_in
from ram_env.pictures.pyramids import pyramid_of


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty small pictures of each class."""
    return make_photos(tmp_path_factory.mktemp("photos") / "photos", 40, 20, 60)


def touch(folder: Path, *paths: str) -> Path:
    """Make empty files in folders."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def test_folders_are_classes(photos: Path) -> None:
    """In order of their names; about eight, one and one in ten, whatever the class."""
    listing = list_folder(photos)
    assert listing.class_names == tuple(sorted(SHAPES))
    assert len(listing.paths) == 160 and np.bincount(listing.labels).tolist() == [40] * 4
    shares = np.bincount(listing.splits) / 160
    assert 0.7 < shares[0] < 0.9 and min(shares[1:]) > 0.03
    for path, label in zip(listing.paths, listing.labels, strict=True):
        assert path.split("/")[0] == listing.class_names[label]


def test_a_new_file_moves_no_other(photos: Path, tmp_path: Path) -> None:
    """The split of a picture is its own matter."""
    shutil.copytree(photos, tmp_path / "more")
    before = list_folder(photos)
    for number in range(50):
        shutil.copy(photos / "square" / "0000.jpg", tmp_path / "more" / "square" / f"n{number}.jpg")
    after = list_folder(tmp_path / "more")
    splits = dict(zip(after.paths, after.splits, strict=True))
    assert [splits[path] for path in before.paths] == before.splits.tolist()


def test_folders_above_the_classes_are_splits(tmp_path: Path) -> None:
    """`val` is as good as `validation`; what is between them and the classes is of no class."""
    names = ("train/a/1.png", "train/b/1.png", "val/a/2.png", "test/b/3.png", "train/stray.png")
    listing = list_folder(touch(tmp_path, *names))
    assert listing.class_names == ("a", "b")
    found = {path: int(split) for path, split in zip(listing.paths, listing.splits, strict=True)}
    assert found == {"train/a/1.png": 0, "train/b/1.png": 0, "val/a/2.png": 1, "test/b/3.png": 2}


def test_splits_are_known_in_other_spellings(tmp_path: Path) -> None:
    """Of other libraries, in letters of whatever case."""
    names = [f"Train/{letter}/1.png" for letter in "ab"]
    listing = list_folder(touch(tmp_path, *names, "VALID/a/3.png", "Test/b/4.png"))
    assert listing.class_names == ("a", "b")
    assert dict(zip(listing.paths, listing.splits.tolist(), strict=True)) == {
        "Train/a/1.png": 0,
        "Train/b/1.png": 0,
        "VALID/a/3.png": 1,
        "Test/b/4.png": 2,
    }


def test_folders_beside_splits_are_refused(tmp_path: Path) -> None:
    """Else the splits would be classes; a class may be called as one."""
    with pytest.raises(ValueError, match=r"with splits and 'labels' beside them: move these away"):
        list_folder(touch(tmp_path / "d", "train/a/1.png", "test/a/2.png", "labels/3.png"))
    names = [f"{name}/{n}.png" for name in ("train", "car") for n in range(30)]
    assert list_folder(touch(tmp_path / "e", *names)).class_names == ("car", "train")


def test_splits_without_a_folder_are_taken_from_train(tmp_path: Path) -> None:
    """What lies in `test` stays there."""
    names = [f"train/{name}/{number}.png" for name in "ab" for number in range(100)]
    listing = list_folder(touch(tmp_path, *names, "test/a/x.png"))
    counts = np.bincount(listing.splits)
    assert counts[2] == 1 and 5 <= counts[1] <= 40 and counts.sum() == 201


def test_what_is_no_picture_is_passed_over(tmp_path: Path) -> None:
    """Hidden files, and with a warning texts; capitals and any script are welcome."""
    names = [f"{name}/{number}.png" for name in ("b", "ä 数") for number in range(40)]
    names += [".git/x.png", "b/.hidden.png", "b/notes.txt", "docs/a.md", "b/deep/er/P.JPG"]
    with pytest.warns(UserWarning, match=r"which are passed over: 1 of \.txt, 1 of \.md\."):
        listing = list_folder(touch(tmp_path, *names, "stray.png"))
    assert listing.class_names == ("b", "ä 数")
    assert len(listing.paths) == 81 and "b/deep/er/P.JPG" in listing.paths


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    """A link to the folder above leads nowhere new."""
    touch(tmp_path / "d", *[f"{name}/{number}.png" for name in "ab" for number in range(40)])
    (tmp_path / "elsewhere").mkdir()
    touch(tmp_path / "elsewhere", "one.png")
    (tmp_path / "d" / "a" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "a" / "up").symlink_to(tmp_path / "d" / "a")
    paths = list_folder(tmp_path / "d").paths
    assert "a/link/one.png" in paths and len(paths) == 81


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "with folders \\[\\] and pictures of \\[\\]"),
        (("a.png",), "a folder of pictures for each of at least 2 classes"),
        (("a/1.png",), "with folders \\['a'\\] and pictures of \\['a'\\]"),
        (("a/1.heic", "b/2.heic"), r"pictures of \[\], and no pictures known here: 2 of \.heic"),
        (("a/1.png", "b/1.png"), "has 2 pictures, none of them for"),
        (("train/a/1.png", "val/b/1.png", "test/b/1.png"), "no pictures of \\['b'\\] to train on"),
    ],
)
def test_folders_that_cannot_be_learned_from_are_refused(
    files: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """The message says what lies there."""
    with pytest.raises(ValueError, match=message):
        list_folder(touch(tmp_path, *files))
    with pytest.raises(ValueError, match="`dataset` must be a folder"):
        list_folder(tmp_path / "none")


def test_pictures_are_what_pillow_reads(photos: Path, tmp_path: Path) -> None:
    """All levels of all pictures, bit for bit; and again from the cache, without a look at them."""
    listing = list_folder(photos)
    for _ in range(2):
        store, places, _ = take_in(listing, Reading(image_size=40), tmp_path)
        assert store.channels == 3 and places.tolist() == list(range(160))
        for number in range(0, 160, 16):
            with Image.open(photos / listing.paths[number]) as image:
                pixels = decoding.to_pixels(image, 3, 40)
            height, width = pixels.shape[:2]
            assert store.shapes[number].tolist() == [height, width] and max(height, width) <= 40
            found = store.read(np.array(number), np.array(0), np.arange(height), np.arange(width))
            np.testing.assert_array_equal(found, pixels)
            last = store.read(np.array(number), np.array(9), np.array([0]), np.array([0]))
            np.testing.assert_array_equal(last[0], pyramid_of(pixels)[-1:])


def test_files_that_changed_are_read_anew(photos: Path, tmp_path: Path) -> None:
    """By their size and time; how they are read counts too."""
    shutil.copytree(photos, tmp_path / "photos")
    cache = tmp_path / "cache"
    take_in(list_folder(tmp_path / "photos"), Reading(), cache)
    Image.new("RGB", (30, 30)).save(tmp_path / "photos" / "square" / "0000.jpg")
    store, *_ = take_in(list_folder(tmp_path / "photos"), Reading(channels=1), cache)
    assert store.channels == 1
    store, *_ = take_in(list_folder(tmp_path / "photos"), Reading(), cache)
    number = list_folder(tmp_path / "photos").paths.index("square/0000.jpg")
    assert store.shapes[number].tolist() == [30, 30]
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 3


def test_files_that_look_alike_are_read_by_themselves(tmp_path: Path) -> None:
    """Of the same names, sizes and times, as archives leave them: other pictures, other data."""
    data = []
    for grey in (100, 200):
        root = tmp_path / str(grey)
        for number in range(40):
            path = root / "ab"[number % 2] / f"{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), grey).save(path)
            os.utime(path, (1e9, 1e9))
        data.append(load_pictures(root, "train", Reading(), tmp_path / "cache"))
    at = np.array([0])
    for pictures, grey in zip(data, (100, 200), strict=True):
        assert pictures.store.read(np.array(0), np.array(0), at, at).item() == grey
    assert data[0].sha256 != data[1].sha256
    shutil.copytree(tmp_path / "100", tmp_path / "copy")
    copied = load_pictures(tmp_path / "copy", "train", Reading(), tmp_path / "cache")
    assert copied.sha256 == data[0].sha256


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_cache_is_shared_with_whom_its_folder_is(photos: Path, tmp_path: Path) -> None:
    """Whoever may look into it and at the pictures may read, and write nothing."""
    shutil.copytree(photos, tmp_path / "photos")
    for mode, root, expected in (
        (0o1777, 0o755, 0o755),
        (0o700, 0o755, 0o700),
        (0o755, 0o700, 0o700),
    ):
        cache = tmp_path / f"{mode:o}"
        cache.mkdir()
        cache.chmod(mode)
        (tmp_path / "photos").chmod(root)
        take_in(list_folder(tmp_path / "photos"), Reading(), cache)
        (entry,) = (path for path in cache.iterdir() if path.is_dir())
        assert entry.stat().st_mode & 0o7777 == expected


@pytest.mark.skipif(sys.platform != "linux", reason="others have names of text alone")
def test_names_in_another_encoding(tmp_path: Path) -> None:
    """Files of old archives are pictures too."""
    for number in range(40):
        folder = os.fsencode(tmp_path / "d" / "ab"[number % 2])
        os.makedirs(folder, exist_ok=True)
        with open(folder + b"/caf\xe9%d.png" % number, "wb") as file:
            Image.new("L", (5, 5)).save(file, "png")
    splits = [load_pictures(tmp_path / "d", split, Reading(), tmp_path) for split in SPLITS]
    assert sum(len(pictures.labels) for pictures in splits) == 40


def spoil(folder: Path) -> list[str]:
    """Add files that cannot be read; return their names."""
    damaged = folder / "square"
    (damaged / "empty.jpg").touch()
    (damaged / "text.png").write_text("no picture at all")
    Image.effect_noise((200, 200), 50.0).save(damaged / "torn.jpg")
    whole = (damaged / "torn.jpg").read_bytes()
    (damaged / "torn.jpg").write_bytes(whole[: len(whole) // 2])
    (damaged / "nowhere.jpg").symlink_to(folder / "none.jpg")
    return ["empty.jpg", "text.png", "torn.jpg", "nowhere.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_damaged_files_are_named_and_counted(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or passed over with their count, the rest unharmed; nothing half read stays in the cache."""
    shutil.copytree(photos, tmp_path / "photos")
    names, cache = spoil(tmp_path / "photos"), tmp_path / "cache"
    Image.new("1", (300, 300)).save(tmp_path / "photos" / "square" / "bomb.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 80_000)
    listing = list_folder(tmp_path / "photos")
    with pytest.raises(ValueError, match=r"5 of 165 pictures that cannot be read .*; \.\.\.\)"):
        take_in(listing, Reading(), cache)
    assert not [path for path in cache.iterdir() if path.suffix != ".lock"]
    with pytest.warns(UserWarning, match="5 of 165 pictures in .* cannot be read"):
        store, places, _ = take_in(listing, Reading(damaged="skip"), cache)
    lost = {listing.paths[number] for number in np.flatnonzero(places < 0)}
    assert lost == {f"square/{name}" for name in [*names, "bomb.png"]}
    whole, *_ = take_in(list_folder(photos), Reading(), cache)
    kept = [number for number, path in enumerate(listing.paths) if path not in lost]
    for number, place in enumerate(places[kept]):
        at = np.arange(12)
        found = store.read(np.array(place), np.array(0), at, at)
        np.testing.assert_array_equal(found, whole.read(np.array(number), np.array(0), at, at))


def test_a_split_of_damaged_files_is_refused(tmp_path: Path) -> None:
    """Though each is passed over, there must be something to look at."""
    for name in ("train/a/1.png", "train/b/2.png", "val/a/3.png", "test/a/4.png"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (5, 5)).save(tmp_path / "d" / name)
    (tmp_path / "d" / "val" / "a" / "3.png").write_bytes(b"")
    reading = Reading(damaged="skip")
    with pytest.warns(UserWarning, match="1 of 4 pictures"):
        assert len(load_pictures(tmp_path / "d", "test", reading, tmp_path).labels) == 1
    with (
        pytest.warns(UserWarning, match="1 of 4 pictures"),
        pytest.raises(ValueError, match="no picture for 'validation' that can be read"),
    ):
        load_pictures(tmp_path / "d", "validation", reading, tmp_path)
    for path in (tmp_path / "d").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"4 of 4 pictures .*: mend or remove them\.$"):
        load_pictures(tmp_path / "d", "train", reading, tmp_path)


def test_a_cache_without_room_is_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is decoded, and also when it runs full."""
    listing = list_folder(photos)
    with monkeypatch.context() as patch:
        usage = shutil.disk_usage(tmp_path)._replace(free=1000)
        patch.setattr(shutil, "disk_usage", lambda _: usage)
        with pytest.raises(ValueError, match=r"`data_cache` .* bytes are needed, 1,000 are free"):
            take_in(listing, Reading(), tmp_path / "cache")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="`data_cache`"):
        take_in(listing, Reading(), tmp_path / "file" / "cache")
    with pytest.raises(ValueError, match="`data_cache` must be None or the path of a folder"):
        load_pictures(photos, "train", Reading(), 5)  # type: ignore[arg-type]


def test_grey_pictures_make_grey_data(tmp_path: Path) -> None:
    """Grey by their kind, palettes too; a single coloured one makes colour."""
    for number in range(60):
        (tmp_path / "d" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        image = Image.new("L", (9, 9), number)
        image = image.convert("P") if number % 3 == 0 else image
        image.save(tmp_path / "d" / "ab"[number % 2] / f"{number}.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store, *_ = take_in(list_folder(tmp_path / "d"), Reading(), tmp_path / "cache")
        assert store.channels == 1
        Image.new("RGB", (9, 9)).save(tmp_path / "d" / "a" / "0.png")
        store, *_ = take_in(list_folder(tmp_path / "d"), Reading(), tmp_path / "cache")
        assert store.channels == 3
