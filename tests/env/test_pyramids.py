"""Halved levels: each value against plain loops, wherever it is read."""

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ram_env.pictures.pyramids import Pyramids, halve, num_pixels, pyramid_of, pyramids_of

SIDES = st.integers(1, 20)
WIDTHS = SIDES | st.integers(30, 100)  # of one strip or several


def halve_slowly(pixels: np.ndarray) -> np.ndarray:
    """Return the next level, pixel by pixel, in Python's whole numbers."""
    height, width, channels = pixels.shape
    level = np.empty(((height + 1) // 2, (width + 1) // 2, channels), dtype=np.uint8)
    for row, column, channel in np.ndindex(*level.shape):
        block = [
            int(pixels[min(down, height - 1), min(right, width - 1), channel])
            for down in (2 * row, 2 * row + 1)
            for right in (2 * column, 2 * column + 1)
        ]
        level[row, column, channel] = (sum(block) + 2) // 4
    return level


@given(SIDES, SIDES, st.sampled_from([1, 3]), st.integers(0, 2**32 - 1))
def test_levels_are_halved_means(height: int, width: int, channels: int, seed: int) -> None:
    """Rounded half up; odd sides repeat their last row or column."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    np.testing.assert_array_equal(halve(pixels), halve_slowly(pixels))


@given(st.lists(st.tuples(SIDES, WIDTHS), min_size=1, max_size=4), st.sampled_from([1, 3]))
def test_every_pixel_of_every_level_is_where_it_is_read(
    sides: list[tuple[int, int]], channels: int
) -> None:
    """Outside lies 0; a level beyond the last is the single pixel of the last."""
    rng = np.random.default_rng(len(sides))
    shapes = np.array(sides)
    pictures = [rng.integers(0, 256, (*shape, channels), dtype=np.uint8) for shape in sides]
    pixels = np.concatenate([pyramid_of(picture) for picture in pictures])
    assert len(pixels) == num_pixels(shapes)
    store = Pyramids(shapes, channels, pixels)
    for number, level in enumerate(pictures):
        for depth in range(8):
            height, width = level.shape[:2]
            rows, columns = np.arange(-2, height + 3), np.arange(-1, width + 2)
            found = store.read(np.array(number), np.array(depth), rows, columns)
            expected = np.pad(level, ((2, 3), (1, 2), (0, 0)))
            np.testing.assert_array_equal(found, expected)
            level = halve_slowly(level)


def test_a_pickle_holds_the_pixels_once() -> None:
    """And what is read from it is the same."""
    pyramids = pyramids_of([np.random.default_rng(0).integers(256, size=(300, 301, 3), dtype="u1")])
    content = pickle.dumps(pyramids)
    assert len(content) < 1.1 * pyramids._bytes.nbytes
    at = np.array(0), np.array(1), np.arange(150), np.arange(151)
    np.testing.assert_array_equal(pickle.loads(content).read(*at), pyramids.read(*at))


def test_many_are_read_as_one_is() -> None:
    """Pictures, levels, rows and columns of each their own."""
    rng = np.random.default_rng(3)
    shapes = rng.integers(1, 40, (6, 2))
    pictures = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    store = Pyramids(shapes, 3, np.concatenate([pyramid_of(picture) for picture in pictures]))
    numbers, levels = rng.integers(0, 6, (10, 1)), np.arange(4)
    rows, columns = rng.integers(-5, 40, (2, 10, 4, 3))
    found = store.read(numbers, levels, rows, columns)
    assert found.shape == (10, 4, 3, 3, 3)
    for at in np.ndindex(10, 4):
        one = store.read(numbers[at[0], 0], levels[at[1]], rows[at], columns[at])
        np.testing.assert_array_equal(found[at], one)
