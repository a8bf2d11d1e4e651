"""Pictures read where one looks show what whole ones show, whatever levels they have."""

import copy
import pickle
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import assert_identical, rollout
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchmarks.slide_files import JPEG, PLAIN, TiledLevel, write_slide
from ram_env.pictures import slides
from ram_env.pictures.dataset import PictureDataset, pictures_from
from ram_env.pictures.pyramids import Pyramids, halve, pyramid_of
from ram_env.pictures.slides import Slides, find_slides

ID = "GlimpseImageFolder-v0"
Shape = tuple[int, int]


class Halved:
    """A picture in memory with some of its halved levels: the example of the documentation."""

    def __init__(self, pixels: np.ndarray, halvings: tuple[int, ...] = (0,)) -> None:
        self.size = (pixels.shape[1], pixels.shape[0])
        self.downsamples = [2.0**number for number in halvings]
        self.num_read = 0
        every = [pixels]
        for _ in range(max(halvings)):
            every.append(halve(every[-1]))
        self.levels = [every[number] for number in halvings]

    def read(self, level: int, row: int, column: int, height: int, width: int) -> np.ndarray:
        self.num_read += height * width
        return self.levels[level][row : row + height, column : column + width]


def noise(shape: Shape, channels: int = 3) -> np.ndarray:
    """Make a picture of noise."""
    rng = np.random.default_rng(shape)
    return rng.integers(0, 256, (*shape, channels), dtype=np.uint8)


def in_memory(pictures: list[np.ndarray]) -> Pyramids:
    """Return whole pictures, to compare with."""
    shapes = np.array([picture.shape[:2] for picture in pictures])
    pixels = np.concatenate([pyramid_of(picture) for picture in pictures])
    return Pyramids(shapes, pictures[0].shape[2], pixels)


@given(
    shapes=st.lists(st.tuples(st.integers(1, 300), st.integers(1, 300)), min_size=1, max_size=3),
    channels=st.sampled_from([1, 3]),
    halvings=st.sampled_from([(0,), (0, 1, 2), (0, 2, 4), (0, 3)]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_windows_are_those_of_whole_pictures(
    shapes: list[Shape], channels: int, halvings: tuple[int, ...], seed: int
) -> None:
    """Bit for bit, at every level, across tiles and borders; levels that are missing are halved."""
    pictures = [noise(shape, channels) for shape in shapes]
    whole, store = in_memory(pictures), Slides([Halved(p, halvings) for p in pictures], channels)
    rng = np.random.default_rng(seed)
    numbers, levels = rng.integers(len(shapes), size=(4, 1)), np.arange(5)
    rows, columns = rng.integers(-20, 300, (2, 4, 5, 1)) + np.arange(16)
    expected = whole.read(numbers, levels, rows, columns[..., ::-1])
    np.testing.assert_array_equal(store.read(numbers, levels, rows, columns[..., ::-1]), expected)
    one = store.read(np.array(0), np.array(7), np.arange(-1, 4), np.arange(-2, 3))
    again = whole.read(np.array(0), np.array(7), np.arange(-1, 4), np.arange(-2, 3))
    np.testing.assert_array_equal(one, again)


def test_only_what_is_looked_at_is_read() -> None:
    """And once, as long as it is kept."""
    source = Halved(noise((2000, 3000)), (0, 2))
    store = Slides([source], 3)
    for _ in range(3):
        store.read(np.array([0]), np.array([0]), np.arange(16)[None], np.arange(16)[None])
        assert source.num_read == 128**2
    store.read(np.array([0]), np.array([1]), np.arange(16)[None], np.arange(16)[None])
    assert source.num_read == 5 * 128**2  # four times as large, to be halved
    store.read(np.array([0]), np.array([2]), np.arange(16)[None], np.arange(16)[None])
    assert source.num_read == 6 * 128**2  # a level of its own


def test_no_more_is_kept_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles looked at last; what was looked at before them is read anew."""
    assert 3 * slides._TILE**2 * slides._NUM_TILES < 152e6
    monkeypatch.setattr(slides, "_NUM_TILES", 4)
    source = Halved(noise((128, 128 * 6)))
    store, line = Slides([source], 3), np.arange(9)[None]
    num_read = []
    for number in (0, 1, 2, 3, 0, 4, 5, 0, 1):
        store.read(np.array([0]), np.array([0]), line, line + 128 * number)
        num_read.append(source.num_read // 128**2)
    assert num_read == [1, 2, 3, 4, 4, 5, 6, 6, 7]


def test_levels_of_other_downsamples_are_passed_over() -> None:
    """What files round is near enough; a third is not a half."""
    assert slides._own_levels([1.0, 4.0006, 16.04]) == {0: 0, 2: 1, 4: 2}
    assert slides._own_levels([1.0, 3.0, 9.0, 32.1]) == {0: 0, 5: 3}
    source = Halved(noise((300, 401)), (0, 2))
    source.levels[1] = source.levels[1][:-1, :-1]  # rounded down, as most files do
    store, whole = Slides([source], 3), in_memory([source.levels[0]])
    at = np.array(0), np.array(2), np.arange(75), np.arange(101)
    expected = whole.read(*at)
    expected[-1:] = expected[:, -1:] = 0
    np.testing.assert_array_equal(store.read(*at), expected)


def make_data() -> PictureDataset:
    """Make data of sources of our own."""
    sources = [Halved(noise((200 + number, 150)), (0, 1)) for number in range(4)]
    return pictures_from(sources, np.array([0, 1, 1, 0]), ("cat", "dog"))


def test_sources_make_an_env() -> None:
    """As whole pictures do; copies share them, and a pickle leaves out what was kept of them."""
    data = make_data()
    whole: Any = [source.levels[0] for source in data.store._sources]  # type: ignore[attr-defined]
    pictures = PictureDataset(in_memory(whole), *list(vars(data).values())[1:])
    one, other = (gym.make(ID, dataset=dataset, num_scales=3) for dataset in (data, pictures))
    expected = list(rollout(other, 20, seed=0))
    assert_identical(list(rollout(one, 20, seed=0)), expected)
    for make_copy in (copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))):
        assert_identical(list(rollout(make_copy(one), 20, seed=0)), expected)
    assert copy.deepcopy(data.store) is data.store


def test_data_of_a_split_is_of_no_other(tmp_path: Path) -> None:
    """Nor on a canvas, nor in other colours: the message says what to do instead."""
    task: Any = gym.make(ID, dataset=make_data(), split="test").unwrapped
    with pytest.raises(ValueError, match=r"`split` 'test', got 'train': make another env"):
        task.task.load("train")
    for arguments, message in (
        ({"split": "Train"}, "`split` must be one of train, validation, test, got 'Train'"),
        ({"channels": 1}, "`channels` must be None or 3, .* got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            gym.make(ID, dataset=make_data(), **arguments)
    with pytest.raises(ValueError, match="`dataset` must be images of one size to lie on a canvas"):
        gym.make("GlimpseMNIST-v0", dataset=make_data())


def test_sources_that_return_something_else_are_refused() -> None:
    """The message says what they must return; labels must fit."""
    data = pictures_from([Halved(noise((9, 9), 1))] * 2, np.array([0, 1]), ("cat", "dog"))
    with pytest.raises(ValueError, match=r"`read` of a picture must return uint8 .* \(9, 9, 1\)"):
        gym.make(ID, dataset=data).reset()
    with pytest.raises(ValueError, match=r"`labels` of 'sources' .* each of the 2 images"):
        pictures_from([Halved(noise((9, 9)))] * 2, np.array([0]), ("cat", "dog"))


# Files.


def test_slides_need_openslide_and_no_image_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages name a slide and what to do; a TIFF may be no slide at all."""
    with pytest.raises(ValueError, match=r"`image_size` must be None .* a/1\.svs, got 512"):
        find_slides(tmp_path, ["a/0.png", "a/1.svs"], 512, 3)
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(ValueError, match=r'holds slides, such as a/1\.NDPI.*"ram-env\[slides\]"'):
        find_slides(tmp_path, ["a/0.png", "a/1.NDPI"], None, 3)
    assert find_slides(tmp_path, ["a/0.tif", "a/1.png"], None, 3) == {}


def save_slide(path: Path, pixels: np.ndarray, compression: int = PLAIN) -> list[np.ndarray]:
    """Save a picture with its level 2, in tiles of 64 pixels; return both."""
    levels = [pixels, halve(halve(pixels))]
    tiled = []
    for level in levels:
        height, width = (-(-side // 64) for side in level.shape[:2])
        padding = [(0, height * 64 - level.shape[0]), (0, width * 64 - level.shape[1]), (0, 0)]
        tiles = np.pad(level, padding, mode="edge").reshape(height, 64, width, 64, 3).swapaxes(1, 2)
        which = np.arange(height * width).reshape(height, width)
        tiled.append(
            TiledLevel((level.shape[1], level.shape[0]), [*tiles.reshape(-1, 64, 64, 3)], which)
        )
    write_slide(path, tiled, compression)
    return levels


def test_slides_among_pictures(tmp_path: Path) -> None:
    """They lie in the same folders, and are seen as if Pillow had read them whole."""
    pytest.importorskip("openslide")
    for number in range(40):
        folder = tmp_path / "d" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = noise((260 + number, 300))
        if number % 3:
            Image.fromarray(pixels).save(folder / f"{number}.png")
        else:
            save_slide(folder / f"{number}.tif", pixels)
    arguments: Any = {"dataset": tmp_path / "d", "image_size": None, "num_scales": 3}
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        for number in range(2):
            cache = tmp_path / f"cache{number}"
            env: Any = gym.make(ID, data_cache=cache, **arguments)
            seen.append(list(rollout(env, 30, seed=0)))
            assert isinstance(env.unwrapped.task.dataset.store, Pyramids if number else Slides)
            patch.setitem(sys.modules, "openslide", None)
    assert_identical(seen[0], seen[1])


@pytest.mark.parametrize("damaged", ["error", "skip"])
def test_no_picture_beside_slides_can_be_read(damaged: str, tmp_path: Path) -> None:
    """Then there are the slides, if what is damaged is to be skipped."""
    pytest.importorskip("openslide")
    for number in range(40):
        (tmp_path / "d" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        save_slide(tmp_path / "d" / "ab"[number % 2] / f"{number}.tif", noise((70, 80)))
    (tmp_path / "d" / "a" / "torn.png").write_bytes(b"")
    arguments: Any = {"dataset": tmp_path / "d", "data_cache": tmp_path, "image_size": None}
    if damaged == "error":
        with pytest.raises(ValueError, match="1 of 1 pictures that cannot be read"):
            gym.make(ID, damaged=damaged, **arguments)
    else:
        with pytest.warns(UserWarning, match="1 of 1 pictures"):
            env: Any = gym.make(ID, damaged=damaged, num_scales=3, **arguments)
        store = env.unwrapped.task.dataset.store
        assert isinstance(store, Slides) and len(store.shapes) == 40


@pytest.mark.parametrize("channels", [1, 3])
def test_slide_in_jpeg(tmp_path: Path, channels: int) -> None:
    """What OpenSlide makes of JPEG tiles is what Pillow makes of them; damage there is an error."""
    pytest.importorskip("openslide")
    smooth = np.linspace(0, 255, 200 * 300).reshape(200, 300, 1).repeat(3, axis=2).astype(np.uint8)
    levels = save_slide(tmp_path / "a.tif", smooth, JPEG)
    found = find_slides(tmp_path, ["a.tif"], None, channels)
    store = Slides([found[0]], channels)
    for number, level in zip((0, 2), levels, strict=True):
        sides = [np.arange(side) for side in level.shape[:2]]
        seen = store.read(np.array(0), np.array(number), *sides).astype(int)
        assert abs(seen - level[..., :channels]).max() <= 8
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[300:3000] = bytes(2700)
    (tmp_path / "a.tif").write_bytes(content)
    slides._open.cache_clear()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"`dataset` holds .*a\.tif, which cannot be read at"):
            Slides([found[0]], channels).read(np.array(0), np.array(0), *sides)
