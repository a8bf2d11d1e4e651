"""The memory wrappers show what was seen, no more and no less, around one env or many."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from helpers import (
    IDS,
    assert_identical,
    assert_same_rollout,
    assert_same_whatever_resets,
    random_action,
    random_actions,
    rollout,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from memories import SINGLE, VECTOR, by_name
from reference import pixel_under
from vector_games import by_mode

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.vector_env import GlimpseVectorEnv
from ram_env.wrappers import SeenCanvas

Observation = dict[str, np.ndarray]
ODD: dict[str, Any] = {"canvas_size": (31, 50), "patch_size": 7, "num_scales": 3, "num_glimpses": 4}
ODD |= {"observe_reach": True}


# The rules once more, slow and plain.


def history_of(seen: list[Observation], game: dict[str, Any]) -> Observation:
    """Return what GlimpseHistory shows after some glimpses."""
    num_missing = game["num_glimpses"] - len(seen)
    nothing = {key: np.zeros_like(value) for key, value in seen[0].items()}
    padded = seen + [nothing] * num_missing
    return {key: value for key, value in seen[-1].items() if key == "reach"} | {
        "glimpse": np.stack([one["glimpse"] for one in padded]),
        "location": np.stack([one["location"] for one in padded]),
        "mask": np.array([1] * len(seen) + [0] * num_missing, np.float32),
    }


def samples_at(
    seen: list[Observation], canvas_shape: tuple[int, int], row: int, column: int
) -> Iterator[tuple[int, int, float]]:
    """Yield scale, age and value of every sample of which a pixel is a part."""
    for age, one in enumerate(reversed(seen)):
        middle = pixel_under(tuple(one["location"]), canvas_shape)
        for scale, samples in enumerate(one["glimpse"]):
            block, side = 2**scale, len(samples)
            i = (row - middle[0] + side * block // 2) // block
            j = (column - middle[1] + side * block // 2) // block
            if 0 <= i < side and 0 <= j < side:
                yield scale, age, samples[i, j]


def canvas_of(seen: list[Observation], game: dict[str, Any]) -> Observation:
    """Return what SeenCanvas shows after some glimpses: pixel by pixel the best that was seen."""
    shape = game["canvas_size"]
    canvas, mask = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for row, column in np.ndindex(shape):
        samples = list(samples_at(seen, shape, row, column))
        if samples:
            canvas[row, column] = min(samples)[2]
            mask[row, column] = 1
    return {**seen[-1], "canvas": canvas, "seen": mask}


RULES = {"GlimpseHistory": history_of, "SeenCanvas": canvas_of}


@st.composite
def games(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the arguments of a small game that shows images of 9x7 pixels."""
    canvas_size = draw(st.integers(9, 18)), draw(st.integers(7, 16))
    num_scales = draw(st.integers(1, 4))
    highest = min(max(canvas_size), (4 * max(canvas_size) - 1) // 2 ** (num_scales - 1))
    return {
        "canvas_size": canvas_size,
        "num_scales": num_scales,
        "patch_size": draw(st.integers(1, highest)),
        "num_glimpses": draw(st.integers(1, 4)),
        "num_distractors": 3,
        "distractor_size": 5,
        "observe_reach": draw(st.booleans()),
        "action_format": "dict",
    }


coordinates = st.sampled_from([-1.0, 0.0, 1.0]) | st.floats(-1, 1, width=32)
gazes = st.lists(st.tuples(coordinates, coordinates), min_size=4, max_size=4)


@by_name
@settings(max_examples=60)
@given(game=games(), gaze=gazes, seed=st.integers(0, 99))
@example(
    game={"canvas_size": (12, 9), "num_scales": 4, "patch_size": 5, "num_glimpses": 3}
    | {"action_format": "dict"},
    gaze=[(-1.0, -1.0), (1.0, 1.0), (0.0, 0.0), (0.0, 0.0)],
    seed=0,
)
def test_observations_equal_the_reference(
    small_images: str, name: str, game: dict[str, Any], gaze: list[tuple[float, float]], seed: int
) -> None:
    """For any sizes and gaze, borders included, the observations are those of the slow rules."""
    bare = GlimpseEnv(dataset=small_images, **game)
    env = SINGLE[name](GlimpseEnv(dataset=small_images, **game))
    for episode_seed in (seed, None):
        seen = [bare.reset(seed=episode_seed)[0]]
        observation, _ = env.reset(seed=episode_seed)
        for location in gaze[: game["num_glimpses"]]:
            assert_identical(observation, RULES[name](seen, game))
            action = {"location": np.array(location, np.float32), "label": 0}
            result = bare.step(action)
            if not result[2]:
                seen.append(result[0])
            observation, *others = env.step(action)
            assert_identical(others, list(result[1:]))
        assert result[2]
        assert_identical(observation, RULES[name](seen, game))


@pytest.mark.parametrize("task_id", IDS)
@by_name
def test_spaces(name: str, task_id: str) -> None:
    """The spaces are the documented ones, float32, and hold all that is shown."""
    task = TASKS[task_id]
    side, patch, length = task["canvas_size"], task["patch_size"], task["num_glimpses"]
    glimpse = (task["num_scales"], patch, patch)
    shapes = {
        "GlimpseHistory": {"glimpse": (length, *glimpse), "location": (length, 2)}
        | {"mask": (length,)},
        "SeenCanvas": {"glimpse": glimpse, "location": (2,)}
        | {"canvas": (side, side), "seen": (side, side)},
    }[name]
    env = SINGLE[name](gym.make(task_id, dataset="digits"))
    envs = VECTOR[name](gym.make_vec(task_id, 2, dataset="digits"))
    assert envs.single_observation_space == env.observation_space
    assert envs.action_space == envs.unwrapped.action_space
    # In this order: flat, it is that of the numbers.
    found = {key: part.shape for key, part in env.observation_space.items()}
    assert [*found.items()] == [*shapes.items()]
    for key, part in env.observation_space.items():
        assert part.dtype == np.float32
        assert (part.low == (-1 if key == "location" else 0)).all()
        assert (part.high == 1).all()
    for result in rollout(env, 2 * length, seed=0):
        assert env.observation_space.contains(result[0])
    assert envs.observation_space.contains(envs.reset(seed=0)[0])


def test_sharp_pixels_are_those_of_the_scene(small_images: str) -> None:
    """With one scale the canvas shows the scene itself where it was seen, elsewhere black."""
    game: dict[str, Any] = {"canvas_size": (20, 16), "patch_size": 6, "num_distractors": 4}
    env = SeenCanvas(GlimpseEnv(dataset=small_images, distractor_size=5, **game))
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=0)
    for _ in range(6):
        observation, *_ = env.step(random_action(rng, env.action_space))
    scene = env.unwrapped.view().canvas  # type: ignore[attr-defined]
    expected = scene.astype(np.float32) / np.float32(255) * observation["seen"]
    assert_identical(observation["canvas"], expected)
    assert 36 < observation["seen"].sum() < 6 * 36


class Negative(gym.ObservationWrapper[Any, Any, Any]):
    """Show the negative of each glimpse."""

    def observation(self, observation: Observation) -> Observation:
        """Turn black to white."""
        return {**observation, "glimpse": 1 - observation["glimpse"]}


@by_name
def test_only_what_was_delivered_is_shown(name: str, small_images: str) -> None:
    """What a wrapper inside hides stays hidden: the scene itself is never looked into."""
    game: dict[str, Any] = {"canvas_size": (14, 11), "patch_size": 3, "num_scales": 2}
    game["num_glimpses"] = 3
    inside = Negative(GlimpseEnv(dataset=small_images, **game))
    env = SINGLE[name](Negative(GlimpseEnv(dataset=small_images, **game)))
    delivered = [result[0] for result in rollout(inside, 2, seed=0)]
    shown = [result[0] for result in rollout(env, 2, seed=0)]
    for number, observation in enumerate(shown, start=1):
        assert_identical(observation, RULES[name](delivered[:number], game))


# One env and many.


def make_pair(name: str, num_envs: int, mode: AutoresetMode, **changes: Any) -> tuple[Any, Any]:
    """Wrap the native vector env, and each env of Gymnasium's."""
    arguments = {"dataset": "digits", **TASKS["GlimpseClutteredMNIST-v0"], **changes}
    single = SyncVectorEnv(
        [lambda: SINGLE[name](GlimpseEnv(**arguments))] * num_envs, autoreset_mode=mode
    )
    return VECTOR[name](GlimpseVectorEnv(num_envs, mode, **arguments)), single


@by_mode
@pytest.mark.parametrize("num_envs", [1, 3])
@pytest.mark.parametrize("changes", [{}, ODD, {"num_glimpses": 1}], ids=str)
@by_name
def test_vector_wrapper_equals_single_wrappers(
    name: str, changes: dict[str, Any], num_envs: int, mode: AutoresetMode
) -> None:
    """Around the native vector env it returns, bit for bit, what wrapped single envs return."""
    pair = make_pair(name, num_envs, mode, **changes)
    for attribute in ("single_observation_space", "observation_space", "num_envs", "metadata"):
        assert getattr(pair[0], attribute) == getattr(pair[1], attribute)
    assert_same_rollout(*pair, seed=7, num_episodes=3)


@by_mode
@pytest.mark.parametrize("seed", [0, 1])
@by_name
def test_any_history_of_resets_and_steps_is_equal(
    name: str, seed: int, mode: AutoresetMode
) -> None:
    """Masks, seeds and options at random moments leave the two equal, `final_obs` included."""
    pair = make_pair(name, 3, mode, num_glimpses=3)
    assert_same_whatever_resets(*pair, seed=seed, num_steps=120)


@by_name
def test_final_obs_is_that_of_the_wrapper(name: str) -> None:
    """In mode SAME_STEP the last observation of an episode shows all of it, the next one begins."""
    envs, twins = (make_pair(name, 2, AutoresetMode.SAME_STEP, **ODD)[0] for _ in range(2))
    before, _ = [envs.reset(seed=0), twins.reset(seed=0)][0]
    actions = random_actions(np.random.default_rng(0), envs)
    for _ in range(4):
        latest, (before, _, terminations, _, infos) = before, envs.step(actions)
    assert terminations.all()
    for row, final in enumerate(infos["final_obs"]):
        assert set(final) == set(envs.single_observation_space.spaces)
        assert_identical(final, {key: value[row] for key, value in latest.items()})
    fresh, _ = twins.reset()
    assert_identical(before, fresh)


@by_mode
@by_name
def test_options_are_left_as_they_were(name: str, mode: AutoresetMode) -> None:
    """The mask stays in the options, for wrappers around this one."""
    envs, _ = make_pair(name, 3, mode)
    envs.reset(seed=0)
    options = {"reset_mask": np.array([True, False, True]), "index": 4}
    envs.reset(options=options)
    assert set(options) == {"reset_mask", "index"}
    assert options["reset_mask"].tolist() == [True, False, True]  # type: ignore[attr-defined]


@by_name
def test_an_episode_begun_by_autoreset_is_a_new_one(name: str) -> None:
    """Around Gymnasium's `Autoreset` nothing of an episode is left in the next."""
    task: dict[str, Any] = {"dataset": "digits", **ODD}
    around = SINGLE[name](gym.wrappers.Autoreset(GlimpseEnv(**task)))
    inside = gym.wrappers.Autoreset(SINGLE[name](GlimpseEnv(**task)))
    assert_identical(around.reset(seed=0), inside.reset(seed=0))
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = random_action(rng, inside.action_space)
        assert_identical(around.step(action), inside.step(action))


@by_name
def test_refused_calls_change_nothing(name: str) -> None:
    """After a reset or a step that raised an error the episodes go on as if it had not been."""
    envs, twins = (make_pair(name, 3, AutoresetMode.NEXT_STEP)[0] for _ in range(2))
    assert_identical(envs.reset(seed=0), twins.reset(seed=0))
    with pytest.raises(ValueError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ValueError, match="index"):
        envs.reset(options={"reset_mask": np.array([True, False, False]), "index": -1})
    with pytest.raises(ValueError, match="`options` must be None or a dict"):
        envs.reset(options=[1])
    with pytest.raises(ValueError, match="finite"):
        envs.step(np.full((3, 12), np.nan, np.float32))
    actions = random_actions(np.random.default_rng(0), envs)
    assert_identical(envs.step(actions), twins.step(actions))


@by_mode
@by_name
def test_returned_arrays_are_the_callers_own(name: str, mode: AutoresetMode) -> None:
    """Writing into what is returned changes nothing of what follows, around one env or many."""
    pairs = zip(make_pair(name, 2, mode, **ODD), make_pair(name, 2, mode, **ODD), strict=True)
    for envs, twins in pairs:
        rng = np.random.default_rng(0)
        result: Any = envs.reset(seed=0)
        expected: Any = twins.reset(seed=0)
        for _ in range(9):
            assert_identical(result, expected)
            must_reset = mode == AutoresetMode.DISABLED and len(result) == 5 and result[2].any()
            for value in result[0].values():
                value[...] = 0.5
            if must_reset:
                result, expected = envs.reset(), twins.reset()
            else:
                actions = random_actions(rng, envs)
                result, expected = envs.step(actions), twins.step(actions)
