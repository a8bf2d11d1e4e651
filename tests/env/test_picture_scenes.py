"""Glimpses of pictures, value by value against Pillow and plain loops; changed pictures too."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from reference import draw, pixel_under

from ram_env.pictures.pyramids import Pyramids, pyramid_of
from ram_env.retina import Retina
from ram_env.scenes.pictures import Changes, Pictures
from ram_env.scenes.source import LONGEST_SIDE

Sizes = list[tuple[int, int]]
SIZES: Sizes = [(1, 1), (1, 40), (33, 2), (17, 64), (64, 63), (25, 19)]
AS_THEY_ARE = Changes()
PATCHES = st.sampled_from([7, 8])
LOCATIONS = st.tuples(*[st.floats(-1, 1, width=32)] * 2)


def make_images(sizes: Sizes, channels: int) -> list[Image.Image]:
    """Make pictures of noise, as Pillow holds them."""
    rng = np.random.default_rng(7)
    depth = (3,) if channels == 3 else ()
    return [Image.fromarray(rng.integers(0, 256, (*size, *depth), np.uint8)) for size in sizes]


def make_scenes(
    images: list[Image.Image], retina: Retina, num_scenes: int, changes: Changes = AS_THEY_ARE
) -> Pictures:
    """Make scenes of some pictures."""
    arrays = [np.asarray(image).reshape(image.height, image.width, -1) for image in images]
    shapes = np.array([array.shape[:2] for array in arrays])
    pixels = np.concatenate([pyramid_of(array) for array in arrays])
    store = Pyramids(shapes, arrays[0].shape[2], pixels)
    return Pictures(num_scenes, store, np.arange(len(images)), retina, changes)


# The rules once more: Pillow halves, cuts out, and lets 0 lie outside.


def halved(image: Image.Image, level: int) -> Image.Image:
    """Halve a picture so many times, each time to means rounded half up."""
    for _ in range(level):
        image = image.reduce(2)
    return image


def as_glimpse(scales: list[np.ndarray]) -> np.ndarray:
    """Return what the cells of each scale hold as parts of white, channels first."""
    scales = [np.moveaxis(cells, -1, 0) if cells.ndim == 3 else cells for cells in scales]
    return np.stack(scales).astype(np.float32) / np.float32(255)


def cut_out(image: Image.Image, pixel: tuple[int, int], patch: int, num_scales: int) -> np.ndarray:
    """Return the glimpse around a pixel (row, column)."""
    scales = []
    for level in range(num_scales):
        top, left = (side // 2**level - patch // 2 for side in pixel)
        window = halved(image, level).crop((left, top, left + patch, top + patch))
        scales.append(np.asarray(window))
    return as_glimpse(scales)


class Change(NamedTuple):
    """How a picture is changed for a scene."""

    mirror: float
    zoom: float
    down: float
    right: float
    light: float


def drawn_change(scene_seed: int, changes: Changes) -> Change:
    """Return the change that a seed means: after the index and the location five more draws."""
    shares = [draw(scene_seed, number, 2**24) / 2**23 - 1 for number in range(4, 9)]
    return Change(
        -1.0 if changes.flip and shares[0] < 0 else 1.0,
        float(np.float64(1 + changes.zoom) ** shares[1]),
        changes.shift * shares[2],
        changes.shift * shares[3],
        1 + changes.brightness * shares[4],
    )


def look_through(
    image: Image.Image, change: Change, pixel: tuple[int, int], patch: int, num_scales: int
) -> np.ndarray:
    """Return the glimpse of a changed picture: for each cell the nearest pixel of its level."""
    scales = []
    for level in range(num_scales):
        pixels = np.asarray(halved(image, level))
        height, width = image.height / 2**level, image.width / 2**level  # not rounded
        cells = np.zeros((patch, patch, *pixels.shape[2:]), np.uint8)
        for i, j in np.ndindex(patch, patch):
            y = (pixel[0] // 2**level - patch // 2 + i) + 0.5 - height / 2 - change.down * height
            x = (pixel[1] // 2**level - patch // 2 + j) + 0.5 - width / 2 - change.right * width
            row = math.floor(y / change.zoom + height / 2)
            column = math.floor(change.mirror * x / change.zoom + width / 2)
            if 0 <= row < pixels.shape[0] and 0 <= column < pixels.shape[1]:
                light = pixels[row, column].astype(float) * change.light
                cells[i, j] = np.minimum(np.floor(light + 0.5), 255)
        scales.append(cells)
    return as_glimpse(scales)


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    channels=st.sampled_from([1, 3]),
    patch=PATCHES,
    num_scales=st.integers(1, 9),
    location=LOCATIONS,
)
@example((37, 50), 3, 7, 5, (-1.0, -1.0))
@example((37, 50), 1, 8, 5, (1.0, 1.0))
@settings(max_examples=200)
def test_glimpses_are_those_of_pillow(
    size: tuple[int, int],
    channels: int,
    patch: int,
    num_scales: int,
    location: tuple[float, float],
) -> None:
    """At the borders, of odd sizes, in grey and in colour, beyond the last level too."""
    image, retina = make_images([size], channels)[0], Retina(patch, num_scales, channels)
    scenes = make_scenes([image], retina, 1)
    scenes.begin(0, scenes.plan(np.array(0)))
    assert scenes.shapes_of(0).tolist() == list(size)
    pixel = pixel_under(location, size)
    found = scenes.pixels_at(0, np.array(location, np.float32))
    assert found.tolist() == list(pixel)
    expected = cut_out(image, pixel, patch, num_scales)
    np.testing.assert_array_equal(retina.glimpse(scenes, 0, found), expected)


CHANGES = st.builds(
    Changes, st.booleans(), st.floats(0, 0.4), st.floats(0, 0.5), st.sampled_from([0.0, 0.3, 1.0])
)


@given(
    changes=CHANGES,
    channels=st.sampled_from([1, 3]),
    patch=PATCHES,
    seeds=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4),
)
@example(Changes(flip=True), 3, 7, [0, 1, 2, 3])
def test_seeds_choose_pictures_and_change_them(
    changes: Changes, channels: int, patch: int, seeds: list[int]
) -> None:
    """Many scenes at once, each of its own size: the choices and the glimpses of the rule."""
    images, retina = make_images(SIZES, channels), Retina(patch, 4, channels)
    rows = np.arange(len(seeds))
    scenes = make_scenes(images, retina, len(seeds), changes)
    plans = scenes.plan(np.array(seeds))
    scenes.begin(rows, plans)
    glimpses = retina.glimpse(scenes, rows, scenes.pixels_at(rows, plans.location))
    for row, seed in enumerate(seeds):
        index, x, y = (draw(seed, n + 1, bound) for n, bound in enumerate((6, 2**24, 2**24)))
        location = (x / 2**23 - 1, y / 2**23 - 1)
        assert (plans.index[row], *plans.location[row]) == (index, *location)
        assert plans.box[row].tolist() == [0, 0, *SIZES[index]]
        pixel, change = pixel_under(location, SIZES[index]), drawn_change(seed, changes)
        expected = look_through(images[index], change, pixel, patch, 4)
        np.testing.assert_array_equal(glimpses[row], expected)


def test_no_change_is_a_change_by_nothing() -> None:
    """Read through a change that does nothing, pictures are as they are."""
    images, retina = make_images(SIZES, 3), Retina(8, 5, 3)
    plain = make_scenes(images, retina, 6)
    changed = make_scenes(images, retina, 6, Changes(zoom=1e-300))
    rows, seeds = np.arange(6), np.arange(6)
    for scenes in (plain, changed):
        scenes.begin(rows, scenes.plan(seeds, indices=rows))
    pixels = plain.pixels_at(rows, plain.plan(seeds).location)
    expected = retina.glimpse(plain, rows, pixels)
    np.testing.assert_array_equal(retina.glimpse(changed, rows, pixels), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_people_are_shown_a_small_picture(channels: int) -> None:
    """A level of the pyramid, as large as fits; a mirrored scene is shown mirrored."""
    image = make_images([(700, 1301)], channels)[0]
    scenes = make_scenes([image], Retina(8, 1, channels), 2, Changes(flip=True))
    mirrored = [seed for seed in range(99) if draw(seed, 4, 2**24) < 2**23]
    as_it_is = [seed for seed in range(99) if seed not in mirrored]
    scenes.begin(np.arange(2), scenes.plan(np.array([mirrored[0], as_it_is[0]])))
    small = np.asarray(halved(image, 2))
    assert max(small.shape) <= LONGEST_SIDE < 2 * max(small.shape)
    np.testing.assert_array_equal(scenes.picture(1), small)
    # Of 1301 columns the last one of level 2 is a quarter, less than half a cell: mirrored, gone.
    np.testing.assert_array_equal(scenes.picture(0)[:, :-1], small[:, -2::-1])
