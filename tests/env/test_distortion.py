"""Distorted images are what map and bend say, and nothing but training images is distorted."""

import math
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv
from helpers import assert_same_rollout
from hypothesis import given, settings
from hypothesis import strategies as st

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.scenes.distortion import NODES, distort
from ram_env.scenes.painted import ScenePainter
from ram_env.vector_env import GlimpseVectorEnv

BOTH: dict[str, Any] = {"distortion": 0.25, "elastic_distortion": 0.1}
CLUTTERED = {"dataset": "digits", **TASKS["GlimpseClutteredMNIST-v0"]}


def random_images(rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    """Make `count` images of noise."""
    return rng.integers(256, size=(count, height, width), dtype=np.uint8)


def random_maps(rng: np.random.Generator, count: int, strength: float) -> np.ndarray:
    """Make maps that differ from the identity by up to `strength`."""
    maps = np.eye(2) + rng.uniform(-strength, strength, (count, 2, 2))
    return maps.astype(np.float32)


def spline(position: float, degree: int = 3) -> float:
    """Return the B-spline about 0, by the recursion that defines it (de Boor, Cox)."""
    if degree == 0:
        return float(-0.5 <= position < 0.5)
    reach = (degree + 1) / 2
    left, right = spline(position + 0.5, degree - 1), spline(position - 0.5, degree - 1)
    return ((reach + position) * left + (reach - position) * right) / degree


def between_nodes(values: np.ndarray, row: int, column: int, height: int, width: int) -> float:
    """Return what values of nodes are at a pixel: the nodes one by one."""
    total, last = 0.0, NODES - 1
    for node_row, node_column in np.ndindex(NODES, NODES):
        # An axis of a single pixel has it at the first node.
        weight = spline(row * last / max(height - 1, 1) - node_row)
        weight *= spline(column * last / max(width - 1, 1) - node_column)
        total += weight * float(values[node_row, node_column])
    return total


def read_between_pixels(image: np.ndarray, row: float, column: float) -> float:
    """Interpolate an image at a place, black outside: four neighbours, one by one."""
    value = 0.0
    for y in (math.floor(row), math.floor(row) + 1):
        for x in (math.floor(column), math.floor(column) + 1):
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                value += (1 - abs(row - y)) * (1 - abs(column - x)) * float(image[y, x])
    return value


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    strength=st.floats(0.0, 0.45),
    bend=st.floats(0.0, 3.0),
)
def test_distort_equals_reading_pixel_by_pixel(
    seed: int, sides: tuple[int, int], strength: float, bend: float
) -> None:
    """Every pixel is the interpolated one at the mapped and shifted place, rounded."""
    rng, (height, width) = np.random.default_rng(seed), sides
    images, maps = random_images(rng, 2, height, width), random_maps(rng, 2, strength)
    shifts = rng.uniform(-bend, bend, (2, 2, NODES, NODES)).astype(np.float32)
    distorted = distort(images, maps, shifts)
    assert distorted.dtype == np.uint8
    assert distorted.shape == images.shape
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    for number, linear in enumerate(maps.astype(np.float64)):
        image, result = images[number], distorted[number]
        for row, column in np.ndindex(height, width):
            place = linear @ (np.array([row, column]) - centre) + centre
            place += [
                between_nodes(values, row, column, height, width) for values in shifts[number]
            ]
            # Half a level for the rounding, the rest for the float32 of a place.
            assert abs(read_between_pixels(image, *place) - float(result[row, column])) < 0.51


def test_the_identity_changes_nothing() -> None:
    """Every pixel is read where it is, as with nodes that stay where they are."""
    images = random_images(np.random.default_rng(0), 20, 28, 28)
    identity, still = np.eye(2, dtype=np.float32), np.zeros((20, 2, NODES, NODES), np.float32)
    assert np.array_equal(distort(images, identity), images)
    assert np.array_equal(distort(images, identity, still), images)


def test_all_nodes_together_move_the_middle_of_an_image() -> None:
    """Where all nodes around agree, a pixel is read as far away as they say."""
    image = random_images(np.random.default_rng(4), 1, 29, 29)[0]
    shifts = np.zeros((2, NODES, NODES), np.float32)
    shifts[0], shifts[1] = 3, -2  # read three rows further down, two columns further left
    moved = distort(image, np.eye(2, dtype=np.float32), shifts)
    assert np.array_equal(moved[7:22, 7:22], image[10:25, 5:20])


def test_a_quarter_turn_is_exact() -> None:
    """A map that meets pixels exactly copies them: here the right column becomes the top row."""
    image = random_images(np.random.default_rng(1), 1, 7, 7)[0]
    quarter = np.array([[0, 1], [-1, 0]], dtype=np.float32)
    assert np.array_equal(distort(image, quarter), np.rot90(image))


def test_one_image_is_distorted_as_in_a_batch() -> None:
    """Without a leading axis the result is the same; the batch is more than one part of it."""
    rng = np.random.default_rng(2)
    images, maps = random_images(rng, 40, 12, 9), random_maps(rng, 40, 0.3)
    shifts = rng.uniform(-2, 2, (40, 2, NODES, NODES)).astype(np.float32)
    alone = [distort(*parts) for parts in zip(images, maps, shifts, strict=True)]
    assert np.array_equal(distort(images, maps, shifts), np.stack(alone))


def test_maps_lie_evenly_around_the_identity() -> None:
    """Each of the four numbers differs by up to `distortion`, evenly, in both directions."""
    images = np.zeros((10, 28, 28), np.uint8)
    maps = ScenePainter(images, (28, 28), 2, 8, distortion=0.2).plan(np.arange(20_000)).map
    offsets = (maps - np.eye(2)).reshape(-1, 4)
    assert np.abs(offsets).max() <= 0.2 + 1e-6  # a float32 beside 1 is as coarse as 1e-7
    for edge in np.linspace(-0.16, 0.16, 9):  # a tenth of all lies between two of them
        share = (offsets < edge).mean(axis=0)
        expected = (edge + 0.2) / 0.4
        assert np.abs(share - expected).max() < 5 * math.sqrt(0.25 / len(offsets))


def test_nodes_are_shifted_evenly() -> None:
    """Up to a share of the height in rows and of the width in columns; the maps stay the same."""
    images, seeds = np.zeros((10, 20, 28), np.uint8), np.arange(2_000)
    plans = ScenePainter(images, (28, 28), 2, 8, 0.2, elastic_distortion=0.1).plan(seeds)
    assert np.array_equal(
        plans.map, ScenePainter(images, (28, 28), 2, 8, distortion=0.2).plan(seeds).map
    )
    assert plans.node_shifts is not None
    assert plans.node_shifts.shape == (2_000, 2, NODES, NODES)
    shares = plans.node_shifts / np.array([20, 28])[:, None, None]
    assert np.abs(shares).max() <= 0.1 + 1e-6
    for edge in np.linspace(-0.08, 0.08, 9):
        share = (shares < edge).mean(axis=0)
        assert np.abs(share - (edge + 0.1) / 0.2).max() < 5 * math.sqrt(0.25 / len(shares))


@pytest.mark.parametrize("how", [{"distortion": 0.2}, {"elastic_distortion": 0.1}, BOTH])
def test_only_the_target_changes(how: dict[str, Any]) -> None:
    """Image, places and clutter are those of the same scene seed without distortion."""
    plain, distorted = GlimpseEnv(**CLUTTERED), GlimpseEnv(**how, **CLUTTERED)
    changed = 0
    for seed in range(20):
        options = {"scene_seed": seed}
        observation, info = plain.reset(options=options)
        other_observation, other_info = distorted.reset(options=options)
        assert np.array_equal(observation["location"], other_observation["location"])
        assert (info["index"], info["label"]) == (other_info["index"], other_info["label"])
        assert np.array_equal(info["target_box"], other_info["target_box"])
        row, column, height, width = info["target_box"]
        inside = np.zeros((60, 60), bool)
        inside[row : row + height, column : column + width] = True
        differs = plain.view().canvas != distorted.view().canvas
        assert not differs[~inside].any()
        changed += differs.any()
    assert changed == 20


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_is_measured_on_is_never_distorted(split: str) -> None:
    """The arguments have no effect on the scenes of these splits."""
    plain = GlimpseEnv(split=split, **CLUTTERED)
    distorted = GlimpseEnv(split=split, **BOTH, **CLUTTERED)
    for seed in range(5):
        plain.reset(options={"scene_seed": seed})
        distorted.reset(options={"scene_seed": seed})
        assert np.array_equal(plain.view().canvas, distorted.view().canvas)


@pytest.mark.parametrize("num_envs", [1, 3])
def test_vector_env_distorts_as_single_envs_do(num_envs: int) -> None:
    """Bit for bit, as without distortion."""
    arguments: dict[str, Any] = {**BOTH, **CLUTTERED}
    native = GlimpseVectorEnv(num_envs, **arguments)
    single = SyncVectorEnv([lambda: GlimpseEnv(**arguments)] * num_envs)
    assert_same_rollout(native, single, seed=3, num_episodes=3)


@pytest.mark.parametrize("value", [-0.1, 0.5, math.nan, math.inf, "0.1", None, True])
def test_impossible_distortions_are_errors(value: Any) -> None:
    """The message names argument, range and value."""
    with pytest.raises(ValueError, match=r"`distortion` must be a number in 0\.0\.\.0\.45, got"):
        GlimpseEnv(distortion=value, **CLUTTERED)
    with pytest.raises(ValueError, match=r"`elastic_distortion` must be a number in 0\.0\.\.0\.25"):
        GlimpseEnv(elastic_distortion=value, **CLUTTERED)
