"""Scenes without a canvas show, bit for bit, what a canvas would, and canvases of any size."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from helpers import IDS, assert_identical, assert_same_rollout, random_actions
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_games import make_native

from ram_env.data.images import ImageDataset
from ram_env.retina import Retina
from ram_env.scenes.painted import Painted, ScenePainter
from ram_env.scenes.source import LONGEST_SIDE
from ram_env.scenes.sprites import Sprites

NUM_SCENES = 3
LARGE: dict[str, Any] = {"canvas_size": 1000, "num_distractors": 8, "num_scales": 8}


def made_images(kind: str, shape: tuple[int, int]) -> np.ndarray:
    """Return images of noise, of white, or of a few bright pixels, uint8 (5, h, w)."""
    rng = np.random.default_rng(0)
    noise = rng.integers(256, size=(5, *shape))
    if kind == "white":
        return np.full((5, *shape), 255, np.uint8)
    return (noise * (rng.random(noise.shape) < (0.2 if kind == "sparse" else 1.0))).astype(np.uint8)


@st.composite
def looks(draw: st.DrawFn) -> tuple[ScenePainter, Retina, int, np.ndarray]:
    """Draw a painter of small crowded canvases, a retina, a seed, and places on the canvas."""
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    canvas_shape = draw(st.integers(shape[0], 40)), draw(st.integers(shape[1], 40))
    images = made_images(draw(st.sampled_from(["noise", "white", "sparse"])), shape)
    size = draw(st.integers(1, min(shape)))
    painter = ScenePainter(images, canvas_shape, draw(st.integers(0, 9)), size)
    retina = Retina(draw(st.integers(1, 9)), draw(st.integers(1, 6)))
    seed = draw(st.integers(0, 2**62))
    coordinate = st.sampled_from([-1.0, 1.0]) | st.floats(-1, 1, width=32)
    places = [[draw(coordinate), draw(coordinate)] for _ in range(NUM_SCENES)]
    return painter, retina, seed, np.array(places, np.float32)


@settings(max_examples=300)
@given(looks())
def test_sprites_equal_the_painted_canvas(case: tuple[ScenePainter, Retina, int, Any]) -> None:
    """Pixels, glimpses of all scales, of many and of one, and pictures; whatever overlaps."""
    painter, retina, seed, locations = case
    rows = np.array([2, 0, 1])
    plans = painter.plan(seed + np.arange(NUM_SCENES))
    sources = [kind(NUM_SCENES, painter, retina) for kind in (Painted, Sprites)]
    for source in sources:
        source.begin(rows, plans)
    painted, sprites = sources
    for row in rows:
        assert_identical(sprites.picture(row), painted.picture(row))
        assert_identical(sprites.shapes_of(row), painted.shapes_of(row))
    pixels = painted.pixels_at(rows, locations)
    assert_identical(sprites.pixels_at(rows, locations), pixels)
    seen = retina.glimpse(painted, rows, pixels)
    assert_identical(retina.glimpse(sprites, rows, pixels), seen)
    for row, pixel, glimpse in zip(rows.tolist(), pixels, seen, strict=True):
        assert_identical(retina.glimpse(sprites, row, pixel), glimpse)


def test_images_smaller_than_a_distractor() -> None:
    """Where there are no distractors, their usual size asks nothing of the images."""
    images = np.full((4, 6, 6), 255, dtype=np.uint8)
    painter = ScenePainter(images, (1000, 1000), 0, distractor_size=8)
    plans = painter.plan(np.arange(3))
    assert (painter.sprites(plans).pixels == 255).all()
    small = ImageDataset(images, np.array([0, 1, 0, 1]), ("a", "b"))
    env = gym.make("GlimpseMNIST-v0", dataset=small, canvas_size=1000)
    assert env.reset(seed=0)[1]["target_box"][2:].tolist() == [6, 6]


def test_a_single_scene_equals_one_of_many() -> None:
    """A scene that begins by itself, without a batch axis, is what it is among others."""
    painter = ScenePainter(made_images("noise", (9, 9)), (30, 20), 5, 4)
    retina = Retina(5, 3)
    seeds = np.arange(4)
    many, one = (Sprites(4, painter, retina) for _ in range(2))
    many.begin(seeds, many.plan(seeds))
    one.begin(2, one.plan(seeds[2]))
    pixel = np.array([11, 7])
    assert_identical(retina.glimpse(one, 2, pixel), retina.glimpse(many, 2, pixel))
    assert_identical(one.picture(2), many.picture(2))


def test_sums_of_white_are_exact_at_all_scales() -> None:
    """In the middle of a white image all cells are white, where its table overflows 32 bits too."""
    painter = ScenePainter(np.full((1, 4200, 4200), 255, np.uint8), (4200, 4200), 0, 1)
    retina, pixel = Retina(1, 13), np.array([2100, 2100])
    sprites = Sprites(1, painter, retina)
    sprites.begin(0, sprites.plan(np.array(0)))
    assert (retina.glimpse(sprites, 0, pixel) == 1).all()


@pytest.mark.parametrize("side", [1_000, 1_000_000, 2**30])
def test_canvases_of_any_size(side: int) -> None:
    """Wherever it lies, an image is seen pixel by pixel at its box, and whole by a wide window."""
    images = made_images("noise", (7, 6))
    painter = ScenePainter(images, (side, side), 0, 1)
    retina, rows = Retina(9, 6), np.arange(50)
    sprites = Sprites(50, painter, retina)
    plans = sprites.plan(rows)
    sprites.begin(rows, plans)
    assert plans.box[:, :2].max() > 0.9 * side
    glimpses = retina.glimpse(sprites, rows, plans.box[:, :2] + 4)
    own = images[plans.index].astype(np.float32) / np.float32(255)
    assert np.array_equal(glimpses[:, 0, :7, :6], own)
    white = sprites.white[5, 0, 0]
    ink = images[plans.index].sum(axis=(1, 2))
    assert np.array_equal(np.rint(glimpses[:, 5].sum(axis=(1, 2)) * white), ink)


def test_a_picture_of_a_large_canvas_is_reduced() -> None:
    """People see the brightest of as many pixels as it takes for no side to be too long."""
    painter = ScenePainter(made_images("noise", (90, 40)), (1500, 750), 60, 30)
    painted, sprites = (kind(1, painter, Retina(1, 1)) for kind in (Painted, Sprites))
    for source in (painted, sprites):
        source.begin(0, source.plan(np.array(0)))
    picture = sprites.picture(0)
    assert picture.shape == (500, 250)
    assert max(picture.shape) <= LONGEST_SIDE
    blocks = painted.picture(0).reshape(500, 3, 250, 3)
    assert np.array_equal(picture, blocks.max(axis=(1, 3)))


@pytest.mark.parametrize("task_id", IDS)
def test_envs_show_the_same_painted_or_not(task_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task is bit for bit the same whichever source its scenes come from."""
    envs = []
    for limit in (0, 2**62):
        monkeypatch.setattr("ram_env.games.tasks.PAINTED_BYTES", limit)
        envs.append(make_native(4, task_id=task_id, distortion=0.2))
    kinds = [type(each.task.make_scenes(1)) for each in envs]
    assert kinds == [Sprites, Painted]
    assert_same_rollout(envs[0], envs[1], seed=5, num_episodes=2)


def test_small_canvases_are_painted_and_large_ones_are_not() -> None:
    """What is faster is taken: tasks of up to 100 pixels are painted, those of 1,000 not."""
    for task_id in ("GlimpseMNIST-v0", "GlimpseClutteredMNIST100-v0"):
        assert type(make_native(1, task_id=task_id).task.make_scenes(1)) is Painted
    assert type(make_native(1, **LARGE).task.make_scenes(1)) is Sprites


def test_huge_canvases_take_no_room() -> None:
    """512 envs of 100,000 pixels a side count as under a gigabyte, and are played."""
    envs = make_native(512, **LARGE | {"canvas_size": 100_000})
    assert 512 * envs.task.bytes_per_episode < 10**9
    observation, infos = envs.reset(seed=0)
    envs.step(random_actions(np.random.default_rng(0), envs))
    assert infos["target_box"][:, :2].max() > 90_000
    assert np.isfinite(observation["glimpse"]).all()
    task: Any = envs.task
    with pytest.raises(ValueError, match=r"1000 canvases of `canvas_size` 100000x.*memory"):
        task.draw_scenes(np.arange(1000))


def test_every_pixel_of_a_large_canvas_has_a_location() -> None:
    """Up to 2**24 pixels a side, float32 is finer than pixels: the middle of each leads to it."""
    side = 2**24
    sprites = Sprites(
        1, ScenePainter(np.zeros((1, 1, 1), np.uint8), (side, side), 0, 1), Retina(1, 1)
    )
    sprites.begin(0, sprites.plan(np.array(0)))
    pixels = np.array([0, 1, 2, side // 2 - 1, side // 2, side - 3, side - 2, side - 1])
    locations = ((2 * pixels + 1) / side - 1).astype(np.float32)
    found = sprites.pixels_at(np.zeros(8, np.int64), np.stack([locations, locations], axis=-1))
    assert found.tolist() == np.stack([pixels, pixels], axis=-1).tolist()
