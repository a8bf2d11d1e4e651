"""The retina sees exactly what the written rule says, for every size, scale and location."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import glimpse_sums, pixel_edges, pixel_under, take_glimpse

from ram_env.geometry import location_to_pixel, window_side
from ram_env.retina import Retina, sum_2x2, sum_dtype
from ram_env.scenes.canvases import Canvases


def look(canvas: np.ndarray, locations: np.ndarray, patch_size: int, num_scales: int) -> np.ndarray:
    """Take one glimpse of one canvas from each location."""
    retina = Retina(patch_size, num_scales)
    canvases = Canvases(1, canvas.shape, retina)
    canvases.visible[0] = canvas
    rows = np.zeros(len(locations), dtype=np.int64)
    return retina.glimpse(canvases, rows, location_to_pixel(locations, canvas.shape))


@st.composite
def looks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Draw a canvas, a location, a patch size and a number of scales."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    pixels = draw(st.sampled_from(["noise", "white", "ramp"]))
    canvas = {
        "noise": np.random.default_rng(draw(st.integers(0, 99))).integers(
            256, size=(height, width)
        ),
        "white": np.full((height, width), 255),
        "ramp": np.arange(height * width).reshape(height, width) % 256,
    }[pixels].astype(np.uint8)
    anywhere = st.floats(-1, 1, width=32)
    x = draw(st.sampled_from(pixel_edges(width)) | anywhere)
    y = draw(st.sampled_from(pixel_edges(height)) | anywhere)
    patch_size = draw(st.integers(1, 9))
    return canvas, np.array([[x, y]], dtype=np.float32), patch_size, draw(st.integers(1, 4))


@settings(max_examples=300)
@given(looks())
def test_glimpses_equal_the_slow_reference(case: tuple[np.ndarray, np.ndarray, int, int]) -> None:
    """Every value of a glimpse is the rounded mean of exactly the pixels that the rule names."""
    canvas, locations, patch_size, num_scales = case
    glimpses = look(canvas, locations, patch_size, num_scales)
    expected = take_glimpse(canvas.tolist(), locations[0], patch_size, num_scales)
    assert glimpses.dtype == np.float32
    assert glimpses.shape == (1, num_scales, patch_size, patch_size)
    assert np.array_equal(glimpses[0], expected)


class NoCanvas:
    """A scene whose sums are made when they are asked for: row r is a canvas of grey r."""

    white = np.float32(255.0) * np.float32(4.0) ** np.arange(3, dtype=np.float32)[:, None, None]
    bytes_on_the_way = 1

    def sums(self, rows: np.ndarray | int, pixels: np.ndarray) -> list[np.ndarray]:
        greys = np.asarray(rows)[..., None, None]
        return [np.full((*greys.shape[:-2], 4, 4), greys * 4**scale) for scale in range(3)]


def test_the_retina_needs_no_canvas() -> None:
    """Whatever says what lies under the cells can be looked at, in a batch or alone."""
    retina, pixels = Retina(4, 3), np.zeros((2, 2), np.int64)
    glimpses = retina.glimpse(NoCanvas(), np.array([0, 51]), pixels)
    assert glimpses.shape == (2, 3, 4, 4)
    assert (glimpses[0] == 0).all()
    assert (glimpses[1] == np.float32(0.2)).all()
    assert np.array_equal(retina.glimpse(NoCanvas(), 51, pixels[1]), glimpses[1])


@pytest.mark.parametrize("patch_size", [1, 2, 3, 7, 8])
def test_every_pixel_of_a_canvas_is_looked_at_rightly(patch_size: int) -> None:
    """From the middle of each pixel of a small canvas, all four corners included, glimpses fit."""
    height, width = 6, 11
    canvas = np.random.default_rng(1).integers(1, 256, size=(height, width), dtype=np.uint8)
    for row in range(height):
        for column in range(width):
            middle = ((2 * column + 1) / width - 1, (2 * row + 1) / height - 1)
            locations = np.array([middle], dtype=np.float32)
            assert location_to_pixel(locations, canvas.shape).tolist() == [[row, column]]
            expected = take_glimpse(canvas.tolist(), middle, patch_size, 3)
            assert np.array_equal(look(canvas, locations, patch_size, 3)[0], expected)


def test_glimpse_by_hand() -> None:
    """A glimpse of a canvas of four pixels, worked out on paper, has the finest scale first."""
    canvas = np.array([[10, 20], [30, 40]], dtype=np.uint8)
    glimpses = look(canvas, np.array([[0, 0]], np.float32), 2, 2)[0]
    # The pixel is (1, 1): the fine window begins at (0, 0), the coarse one at (-1, -1).
    assert np.array_equal(glimpses[0], canvas / np.float32(255))
    assert np.array_equal(glimpses[1], canvas / np.float32(4 * 255))


@pytest.mark.parametrize(
    ("corner", "seen"), [((-1, -1), [[0, 0], [0, 10]]), ((1, 1), [[10, 20], [30, 40]])]
)
def test_corners_by_hand(corner: tuple[int, int], seen: list[list[int]]) -> None:
    """An even window holds one pixel more above and left of its centre than below and right."""
    canvas = np.array([[10, 20], [30, 40]], dtype=np.uint8)
    glimpses = look(canvas, np.array([corner], np.float32), 2, 1)
    assert np.array_equal(glimpses[0, 0], np.array(seen, np.float32) / np.float32(255))


@pytest.mark.parametrize("patch_size", [4, 5])
def test_a_batch_is_many_single_looks(patch_size: int) -> None:
    """Each of some glimpses is of the canvas and the pixel that its row names, in any order."""
    rng = np.random.default_rng(2)
    retina = Retina(patch_size, 3)
    canvases = Canvases(5, (13, 9), retina)
    canvases.visible[...] = rng.integers(256, size=(5, 13, 9))
    rows = np.array([3, 0, 3, 4])
    locations = rng.uniform(-1, 1, (4, 2)).astype(np.float32)
    glimpses = retina.glimpse(canvases, rows, location_to_pixel(locations, (13, 9)))
    for row, location, glimpse in zip(rows, locations, glimpses, strict=True):
        one = look(canvases.visible[row].copy(), location[None], patch_size, 3)
        assert np.array_equal(glimpse, one[0])


def test_pixel_values_are_exact() -> None:
    """All 256 grey values arrive as value / 255: byte 128 is neither negative nor rounded away."""
    canvas = np.arange(256, dtype=np.uint8).reshape(16, 16)
    glimpse = look(canvas, np.zeros((1, 2), np.float32), 16, 1)[0, 0]
    expected = [[np.float32(value) / np.float32(255) for value in line] for line in canvas.tolist()]
    assert np.array_equal(glimpse, np.array(expected, np.float32))
    assert (glimpse.min(), glimpse.max()) == (0, 1)


@pytest.mark.parametrize("patch_size", [2, 3])
def test_white_is_one_on_every_scale(patch_size: int) -> None:
    """Sums of white pixels overflow on none of eight scales: inside a white canvas all is 1."""
    side = window_side(patch_size, 7) + 1
    canvas = np.full((side, side), 255, dtype=np.uint8)
    assert np.array_equal(
        look(canvas, np.zeros((1, 2), np.float32), patch_size, 8),
        np.ones((1, 8, patch_size, patch_size), np.float32),
    )


def test_looking_changes_nothing() -> None:
    """A glimpse is a copy: writing to it changes neither the canvas nor the next glimpse."""
    retina = Retina(4, 2)
    canvases = Canvases(1, (8, 8), retina)
    canvases.visible[...] = 7
    row, pixel = np.array([0]), np.array([[4, 4]])
    first = retina.glimpse(canvases, row, pixel)
    kept = first.copy()
    first[...] = 9
    assert np.array_equal(retina.glimpse(canvases, row, pixel), kept)
    assert (canvases.visible == 7).all()


def test_sum_2x2_by_hand() -> None:
    """Blocks of four are added without overflow, again and again."""
    values = np.full((1, 64, 64), 255, dtype=np.uint8)
    for level in range(1, 7):
        values = sum_2x2(values, sum_dtype(level + 1))
        assert values.shape == (1, 64 >> level, 64 >> level)
        assert (values == 255 * 4**level).all()
    small = np.array([[[1, 2, 5, 6], [3, 4, 7, 8]]], np.uint8)
    assert sum_2x2(small, np.uint16).tolist() == [[[10, 26]]]


def test_reference_by_hand() -> None:
    """The reference itself is right where it can be worked out on paper."""
    canvas = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert pixel_under((0.0, 0.0), (3, 3)) == (1, 1)
    odd = glimpse_sums(canvas, (1, 1), 3, 1)
    assert odd == [canvas]
    coarse = glimpse_sums(canvas, (0, 2), 1, 3)
    # Windows of 1, 2 and 4 pixels around the top-right pixel begin at it, 1 and 2 before it.
    assert coarse == [[[3]], [[2 + 3]], [[1 + 2 + 3 + 4 + 5 + 6]]]
