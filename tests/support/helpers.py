"""Data, actions and comparisons that the tests of the environment share."""

import itertools
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, VectorEnv
from reference import ReferenceGame

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.games.tasks import CanvasTask
from ram_env.registration import CATCH_TASKS, SHORT_NAMES

FORMATS = ("box", "multidiscrete", "dict")
# Those that the slow reference can play within a test's time.
IDS = tuple(task_id for task_id, task in TASKS.items() if task["canvas_size"] <= 100)
REAL_MNIST = os.environ.get("RAM_ENV_DATA")
needs_mnist = pytest.mark.skipif(not REAL_MNIST, reason="RAM_ENV_DATA names no folder with MNIST")


def made_up_image(number: int, shape: tuple[int, int]) -> np.ndarray:
    """Return a fixed image, uint8 (h, w), by whole-number arithmetic; about a third is black."""
    height, width = shape
    pixels = [
        [
            ((row + 3) * (column + 5) * (number + 7) * 2654435761 >> 7) % 384
            for column in range(width)
        ]
        for row in range(height)
    ]
    return np.array([[max(0, pixel - 128) for pixel in line] for line in pixels], dtype=np.uint8)


def images_of(name: str, dataset: str) -> dict[str, Any]:
    """Return the arguments of the env of a task for its images, none if it has none."""
    return {} if SHORT_NAMES.get(name) in CATCH_TASKS else {"dataset": dataset}


def save_images(path: Path, num_images: int, shape: tuple[int, int], num_classes: int) -> str:
    """Write an .npz file of made-up images, labelled 0, 1, 2, ... in turn, and return its path."""
    images = np.stack([made_up_image(number, shape) for number in range(num_images)])
    np.savez(path, images=images, labels=np.arange(num_images) % num_classes)
    return str(path)


def assert_identical(actual: Any, expected: Any, where: str = "result") -> None:
    """Compare bit for bit: types, dtypes, shapes, keys and values, through all containers."""
    assert type(actual) is type(expected), where
    if isinstance(expected, dict):
        assert set(actual) == set(expected), where
        for key in expected:
            assert_identical(actual[key], expected[key], f"{where}[{key!r}]")
    elif isinstance(expected, tuple | list):
        assert len(actual) == len(expected), where
        for number, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_identical(one, other, f"{where}[{number}]")
    elif isinstance(expected, np.ndarray):
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), where
        if expected.dtype == object:
            assert_identical(list(actual), list(expected), where)
        else:
            assert actual.tobytes() == expected.tobytes(), where
    else:
        assert actual == expected, where


def random_action(rng: np.random.Generator, space: gym.Space[Any]) -> Any:
    """Return any action of a space; some of the continuous values are exactly at the border."""
    if isinstance(space, gym.spaces.Dict):
        return {key: random_action(rng, part) for key, part in space.spaces.items()}
    if isinstance(space, gym.spaces.Box):
        return np.clip(rng.uniform(-1.2, 1.2, space.shape), -1, 1).astype(np.float32)
    if isinstance(space, gym.spaces.MultiDiscrete):
        return rng.integers(space.nvec)
    assert isinstance(space, gym.spaces.Discrete)
    return rng.integers(space.n)


def stack_actions(actions: list[Any]) -> Any:
    """Lay out actions of single envs as an action of a vector env."""
    if isinstance(actions[0], dict):
        return {key: np.stack([action[key] for action in actions]) for key in actions[0]}
    return np.stack(actions)


def random_actions(rng: np.random.Generator, envs: VectorEnv[Any, Any, Any]) -> Any:
    """Return any action of a vector env."""
    space = envs.single_action_space
    return stack_actions([random_action(rng, space) for _ in range(envs.num_envs)])


def rollout(env: gym.Env[Any, Any], num_steps: int, seed: int | None = None) -> Iterator[Any]:
    """Yield all that `num_steps` random but fixed actions bring, resets included."""
    rng = np.random.default_rng(5)
    yield env.reset(seed=seed)
    for _ in range(num_steps):
        result = env.step(random_action(rng, env.action_space))
        yield result
        if result[2]:
            yield env.reset()


def assert_same_rollout(
    one: VectorEnv[Any, Any, Any], other: VectorEnv[Any, Any, Any], seed: int, num_episodes: int
) -> None:
    """Play the same random actions in two vector envs and compare all that they return."""
    rng = np.random.default_rng(seed)
    assert one.metadata["autoreset_mode"] == other.metadata["autoreset_mode"]
    assert_identical(one.reset(seed=seed), other.reset(seed=seed), "reset")
    num_ended = 0
    for step in itertools.count():
        actions = random_actions(rng, one)
        results = one.step(actions)
        assert_identical(results, other.step(actions), f"step {step}")
        num_ended += int(results[2].sum())
        if num_ended >= num_episodes * one.num_envs:
            return
        if one.metadata["autoreset_mode"] == AutoresetMode.DISABLED and results[2].any():
            # Each gets its own mask: SyncVectorEnv takes it out of the options.
            masks = [{"reset_mask": results[2].copy()} for _ in range(2)]
            restarted = one.reset(options=masks[0]), other.reset(options=masks[1])
            assert_identical(*restarted, f"reset after step {step}")


def assert_same_whatever_resets(
    one: VectorEnv[Any, Any, Any], other: VectorEnv[Any, Any, Any], seed: int, num_steps: int
) -> None:
    """Reset two vector envs with masks, seeds and scalar options at random moments.

    All that they return must be equal, and so must their generators be in the end.
    """
    rng = np.random.default_rng(seed)
    num_envs, mode = one.num_envs, one.metadata["autoreset_mode"]
    assert_identical(one.reset(seed=seed), other.reset(seed=seed))
    ended = np.zeros(num_envs, bool)
    num_images = len(one.unwrapped.task.dataset.labels)  # type: ignore[attr-defined]
    for step in range(num_steps):
        must_reset = ended & (mode == AutoresetMode.DISABLED)
        if must_reset.any() or rng.random() < 0.3:
            seeds, options = random_reset(rng, must_reset, num_images)
            # Each gets its own options: SyncVectorEnv takes the mask out of them.
            restarted = one.reset(seed=seeds, options=dict(options) or None)
            expected = other.reset(seed=seeds, options=dict(options) or None)
            assert_identical(restarted, expected, f"reset {step}")
            assert one.np_random_seed == other.np_random_seed
            ended[options.get("reset_mask", np.ones(num_envs, bool))] = False
        else:
            actions = random_actions(rng, one)
            results = one.step(actions)
            assert_identical(results, other.step(actions), f"step {step}")
            ended = results[2].copy()
    states = [[each.bit_generator.state for each in envs.np_random] for envs in (one, other)]  # type: ignore[attr-defined]
    assert states[0] == states[1]


def random_reset(
    rng: np.random.Generator, must_reset: np.ndarray, num_images: int
) -> tuple[Any, dict[str, Any]]:
    """Return seeds and options of a reset of some envs, at least of those that must be reset."""
    num_envs = len(must_reset)
    mixed = [None if rng.random() < 0.5 else int(rng.integers(99)) for _ in range(num_envs)]
    seeds: Any = [None, int(rng.integers(99)), mixed, [None] * num_envs][rng.integers(4)]
    options: dict[str, Any] = {}
    if rng.random() < 0.7:
        options["reset_mask"] = must_reset | (rng.random(num_envs) < 0.5)
        options["reset_mask"][rng.integers(num_envs)] |= not options["reset_mask"].any()
    if rng.random() < 0.5:
        options["index"] = int(rng.integers(num_images))
    if rng.random() < 0.5:
        options["scene_seed"] = int(rng.integers(2**63 - 1))
    return seeds, options


def times(short: int, long: int) -> int:
    """Return how often to try: `make faults` asks for the long form."""
    return long if os.environ.get("RAM_ENV_LONG") else short


def make_reference(env: GlimpseEnv, arguments: dict[str, Any]) -> ReferenceGame:
    """Make the reference of a task from the env's images and the arguments given to it."""
    assert isinstance(env.task, CanvasTask)
    side, dataset = arguments["canvas_size"], env.task.dataset
    return ReferenceGame(
        dataset.images,
        dataset.labels,
        **{
            name: value
            for name, value in arguments.items()
            if name not in ("canvas_size", "dataset")
        },
        canvas_shape=(side, side) if isinstance(side, int) else side,
    )


def assert_equal_to_reference(
    env: GlimpseEnv, reference: ReferenceGame, num_episodes: int = 2, seed: int = 11
) -> None:
    """Play random actions by both and compare all that is returned."""
    rng = np.random.default_rng(0)
    for episode in range(num_episodes):
        observation, info = env.reset(seed=seed if episode == 0 else None)
        reference.reset(info["scene_seed"])
        assert_identical((observation, info), (reference.observation, reference.info))
        assert env.view().canvas.tolist() == reference.scene.canvas
        for step in range(1, reference.num_glimpses + 1):
            action = random_action(rng, env.action_space)
            observation, reward, terminated, truncated, info = env.step(action)
            expected_reward, expected_end = reference.step(action)
            assert_identical((observation, info), (reference.observation, reference.info))
            assert expected_end == (step == reference.num_glimpses)
            assert (terminated, truncated) == (expected_end, False)
            # The logarithm of a number near 1 keeps its absolute precision, not its relative one,
            # and sums are in another order here; the other rewards have one rounding at most.
            tolerance = 1e-14 if reference.reward == "log_likelihood" else 0
            assert math.isclose(reward, expected_reward, rel_tol=tolerance, abs_tol=tolerance)
