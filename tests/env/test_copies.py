"""Copied and unpickled envs play on as the original does, and neither disturbs the other."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from digit_games import make_env
from gymnasium.vector import AutoresetMode
from helpers import IDS, assert_identical, rollout
from vector_games import by_mode, make_native

from ram_env.wrappers import GlimpseHistory, SeenCanvas
from ram_env.wrappers.vector import GlimpseHistory as VectorHistory
from ram_env.wrappers.vector import SeenCanvas as VectorSeenCanvas


def unpickled(value: Any) -> Any:
    """Copy a value through its pickle."""
    return pickle.loads(pickle.dumps(value))


by_way = pytest.mark.parametrize("make_copy", [copy.deepcopy, unpickled])
WRAPPERS = {
    "plain": (lambda env: env, lambda envs: envs),
    "history": (GlimpseHistory, VectorHistory),
    "canvas": (SeenCanvas, VectorSeenCanvas),
}
by_wrapper = pytest.mark.parametrize("wrapper", WRAPPERS)


@by_way
@by_wrapper
@pytest.mark.parametrize("task_id", IDS)
def test_a_copy_before_the_first_reset_plays_the_same(
    task_id: str, wrapper: str, make_copy: Callable[[Any], Any]
) -> None:
    """The copy's retina looks at the copy's canvas, and at nothing else."""
    env = WRAPPERS[wrapper][0](make_env(task_id))
    twin = make_copy(env)
    assert_identical(list(rollout(twin, 20, seed=3)), list(rollout(env, 20, seed=3)))


@by_way
@by_wrapper
@pytest.mark.parametrize("task_id", IDS)
def test_a_copy_within_an_episode_goes_on_alone(
    task_id: str, wrapper: str, make_copy: Callable[[Any], Any]
) -> None:
    """What a copy sees does not depend on what the original does meanwhile."""
    env = WRAPPERS[wrapper][0](make_env(task_id, initial_location="center"))
    env.reset(seed=1)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (30, *env.action_space.shape)).astype(np.float32)
    env.step(actions[0])
    twin = make_copy(env)
    expected = [play(env, action) for action in actions]
    assert_identical([play(twin, action) for action in actions], expected)


def play(env: gym.Env[Any, Any], action: np.ndarray) -> Any:
    """Take a step, and reset after the last one; return all that it brought."""
    result = env.step(action)
    return result, env.reset() if result[2] else None


@by_mode
@by_way
@by_wrapper
def test_a_copy_of_a_vector_env_goes_on_alone(
    mode: AutoresetMode, wrapper: str, make_copy: Callable[[Any], Any]
) -> None:
    """Sub-envs out of step with each other stay so."""
    envs = WRAPPERS[wrapper][1](make_native(3, mode, initial_location="center"))
    envs.reset(seed=1)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (30, *envs.action_space.shape)).astype(np.float32)
    envs.step(actions[0])
    envs.reset(options={"reset_mask": np.array([True, False, False])})
    twin = make_copy(envs)
    expected = [play_vector(envs, action) for action in actions]
    assert_identical([play_vector(twin, action) for action in actions], expected)


def play_vector(envs: Any, actions: np.ndarray) -> Any:
    """Take a step, and reset what has ended where the env does not; return what it brought."""
    result = envs.step(actions)
    ended = result[2]
    if envs.metadata["autoreset_mode"] != AutoresetMode.DISABLED or not ended.any():
        return result, None
    return result, envs.reset(options={"reset_mask": ended})


@by_wrapper
def test_copies_are_small(wrapper: str) -> None:
    """A copy shares the images, and a pickle holds them once; views are in neither."""
    env = WRAPPERS[wrapper][0](make_env("GlimpseClutteredMNIST100-v0"))
    env.reset(seed=0)
    images = env.unwrapped.task.dataset.images
    assert copy.deepcopy(env).unwrapped.task.dataset.images is images
    assert len(pickle.dumps(env)) < images.nbytes + 2**20
