"""Canvases and distractors that differ from episode to episode: drawn, chosen, and let grow."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from helpers import assert_identical, assert_same_rollout, random_actions
from vector_games import by_mode, make_native, make_pair

from ram_env.env import GlimpseEnv
from ram_env.scenes.painted import ScenePainter
from ram_env.wrappers import SeenCanvas

ANY: dict[str, Any] = {"canvas_range": (30, 400), "distractors_range": (0, 5), "num_scales": 5}
IMAGES = np.zeros((50, 28, 28), np.uint8)


def make_env(**changes: Any) -> GlimpseEnv:
    """Make a single env whose canvases differ."""
    return GlimpseEnv(dataset="digits", patch_size=12, **ANY | changes)


def sides_of(envs: Any) -> np.ndarray:
    """Return the sides of the canvases that a vector env plays on now."""
    shapes = np.array([envs.view(row).scene_shape for row in range(envs.num_envs)])
    assert (shapes[:, 0] == shapes[:, 1]).all()
    return shapes[:, 0]


@by_mode
def test_vector_env_equals_single_envs(mode: AutoresetMode) -> None:
    """Each row has a canvas of its own, and all is bit for bit what single envs return."""
    native, single = make_pair(4, mode, observe_reach=True, **ANY)
    assert_same_rollout(native, single, seed=7, num_episodes=3)
    assert len(set(sides_of(native).tolist())) == 4


def test_sides_are_log_uniform_and_numbers_uniform() -> None:
    """Each doubling of the side is as likely, each number of distractors too; ends included."""
    painter = ScenePainter(IMAGES, (512, 512), 3, 8)
    plans = painter.plan(np.arange(40_000), canvas_range=(32, 511), distractors_range=(1, 3))
    sides = plans.shape[:, 0]
    assert (sides.min(), sides.max()) == (32, 511)
    shares = np.histogram(sides, [32, 64, 128, 256, 512])[0] / len(sides)
    # 0.25 each; five standard deviations of a share of 40,000.
    assert np.abs(shares - 0.25).max() < 5 * np.sqrt(0.25 * 0.75 / len(sides))
    numbers = (plans.distractors[..., 3] >= 0).sum(axis=1)
    assert set(numbers) == {1, 2, 3}
    assert np.abs(np.bincount(numbers)[1:] / len(sides) - 1 / 3).max() < 0.012
    assert abs(np.corrcoef(sides, numbers)[0, 1]) < 5 / np.sqrt(len(sides))
    for number in (0, 1):
        place = (plans.box[:, number] + 0.5) / (sides - 27)
        assert abs(np.corrcoef(place, np.log(sides))[0, 1]) < 5 / np.sqrt(len(sides))


def test_a_drawn_scene_is_that_of_an_env_of_its_size() -> None:
    """For its seed, an env of this canvas and number of distractors shows the same."""
    env = make_env()
    for seed in range(12):
        observation, info = env.reset(seed=seed)
        view = env.view()
        plan = env.task.make_scenes(1).plan(np.array(info["scene_seed"]))
        number = int((plan.distractors[:, 3] >= 0).sum())
        fixed = make_env(
            canvas_range=None,
            distractors_range=None,
            canvas_size=view.scene_shape[0],
            num_distractors=number,
            num_scales=3,
        )
        seen, told = fixed.reset(options={"scene_seed": info["scene_seed"]})
        assert_identical(told, info)
        assert_identical(seen["glimpse"], observation["glimpse"][:3])
        assert_identical(seen["location"], observation["location"])
        assert_identical(fixed.view().canvas, view.canvas)


def test_options_choose_canvas_and_number() -> None:
    """One for all or one for each; what they do not name is drawn as before."""
    envs, env = make_native(3, **ANY), make_env()
    options: dict[str, Any] = {"scene_seed": np.arange(3), "canvas_size": np.array([30, 55, 400])}
    envs.reset(options=options | {"num_distractors": 2})
    assert sides_of(envs).tolist() == [30, 55, 400]
    observation, infos = envs.reset(options=options)
    for row, side in enumerate([30, 55, 400]):
        seen, info = env.reset(options={"scene_seed": row, "canvas_size": side})
        assert_identical(seen["glimpse"], observation["glimpse"][row])
        assert_identical(info["target_box"], infos["target_box"][row])
    envs.reset(options={"scene_seed": np.arange(3)})
    drawn = sides_of(envs)
    envs.reset(options={"scene_seed": np.arange(3), "num_distractors": 0})
    assert sides_of(envs).tolist() == drawn.tolist()
    for row in range(3):
        top, left, height, width = env.reset(options={"scene_seed": row, "num_distractors": 0})[1][
            "target_box"
        ]
        canvas = env.view().canvas
        assert canvas.sum() == canvas[top : top + height, left : left + width].sum() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"canvas_size": 29}, r"canvas_size.*30\.\.400.*29"),
        ({"canvas_size": np.array([401])}, r"canvas_size.*30\.\.400.*401"),
        ({"canvas_size": (40, 50)}, "canvas_size.*whole number"),
        ({"num_distractors": 6}, r"num_distractors.*0\.\.5.*6"),
    ],
)
def test_impossible_options_are_errors(options: dict[str, Any], message: str) -> None:
    """Within the ranges of the env, and only where it has them."""
    with pytest.raises(ValueError, match=message):
        make_env().reset(options=options)
    with pytest.raises(ValueError, match=r"may hold \['index', 'scene_seed'\]"):
        GlimpseEnv(dataset="digits").reset(options=options)


def test_canvases_grow_from_the_next_episode_on() -> None:
    """Under SAME_STEP too: what is in progress stays, what restarts is drawn between new bounds."""
    envs = make_native(8, AutoresetMode.SAME_STEP, **ANY, num_glimpses=2)
    envs.set_canvas_range(30, 40)
    envs.reset(seed=0)
    before = sides_of(envs)
    assert before.max() <= 40
    envs.set_canvas_range(200, 400)
    rng = np.random.default_rng(0)
    envs.step(random_actions(rng, envs))
    assert sides_of(envs).tolist() == before.tolist()
    _, _, terminations, _, infos = envs.step(random_actions(rng, envs))
    assert terminations.all()
    assert sides_of(envs).min() >= 200
    env = make_env(num_glimpses=2)
    env.set_canvas_range(200, 400)
    for row in range(8):
        _, info = env.reset(options={"scene_seed": int(infos["scene_seed"][row])})
        assert_identical(info["target_box"], infos["target_box"][row])


def test_canvases_grow_through_wrappers() -> None:
    """Gymnasium's ways of calling a method below wrappers reach it, for one env and for many."""
    env = gym.make("GlimpseMNIST-v0", dataset="digits", **ANY)
    env.get_wrapper_attr("set_canvas_range")(30, 30)
    env.reset(seed=0)
    assert env.unwrapped.view().scene_shape == (30, 30)  # type: ignore[attr-defined]
    pair: Any = make_pair(2, **ANY)
    for envs in pair:
        envs.call("set_canvas_range", 33, 33)
        envs.reset(seed=0)
        assert [view.scene_shape for view in envs.call("view")] == [(33, 33)] * 2


@pytest.mark.parametrize("bounds", [(29, 100), (30, 401), (50, 40)])
def test_impossible_bounds_are_errors(bounds: tuple[int, int]) -> None:
    """They lie within the env's own, which must have some."""
    with pytest.raises(ValueError, match="`canvas_range`"):
        make_env().set_canvas_range(*bounds)
    with pytest.raises(ValueError, match=r"`set_canvas_range\(\)`.*`canvas_range="):
        GlimpseEnv(dataset="digits").set_canvas_range(*bounds)


def test_what_needs_one_shape_says_so() -> None:
    """Whole scenes for other networks, and the canvas that is remembered."""
    task: Any = make_env().task
    with pytest.raises(ValueError, match=r"`canvas_range` and .*must be None.*\(30, 400\)"):
        task.draw_scenes(np.arange(2))
    with pytest.raises(ValueError, match=r"`env` must have .*one size.*`canvas_range`"):
        SeenCanvas(make_env())
