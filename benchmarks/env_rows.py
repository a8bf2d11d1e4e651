"""Rows of the environment: steps, scenes and glimpses per second."""

import importlib
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from benchmarks.timing import Settings, rates
from ram_env import TASKS
from ram_env.data.datasets import load_dataset
from ram_env.geometry import location_to_pixel
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases, PaddedImages
from ram_env.scenes.painted import ScenePainter

CLUTTERED = "GlimpseClutteredMNIST-v0"
NUM_ACTIONS = 16  # batches of actions drawn before the clock starts: two episodes of 8 glimpses
BATCH = 256


def catch_vector_env(settings: Settings, num_envs: int) -> list[float]:
    """Measure env-steps/s of the native vector env of the game of catching."""
    env = gym.make_vec("GlimpseCatch-v0", num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    return rates(play_vector_env(env), settings)


def vector_env(settings: Settings, num_envs: int, vectorization_mode: str = "") -> list[float]:
    """Measure env-steps/s of the cluttered task; by default of its native vector env."""
    mode: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}
    if vectorization_mode:
        mode = {"vectorization_mode": vectorization_mode, "vector_kwargs": mode}
    env = gym.make_vec(CLUTTERED, num_envs=num_envs, dataset=settings.dataset, **mode)
    return rates(play_vector_env(env), settings)


def other_vector_env(settings: Settings, factory: str) -> list[float]:
    """Measure env-steps/s of the vector env that `MODULE:FACTORY` makes.

    Raises:
        ValueError: If there is no such factory, or it makes something else.
    """
    env = make_other(factory)
    values = rates(play_vector_env(env), settings)
    env.close()
    return values


def make_other(factory: str) -> VectorEnv[Any, Any, Any]:
    """Make the vector env that `MODULE:FACTORY` means; see `other_vector_env`."""
    module, _, name = factory.partition(":")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, AttributeError, TypeError) as error:  # of .relative names
        raise ValueError(
            f"`--against` must be MODULE:FACTORY, both importable, got {factory!r} ({error})."
        ) from error
    try:
        env = make()
    except Exception as error:  # anything can go wrong in a program of somebody else
        raise ValueError(
            f"`--against` must name a function that can be called without arguments, got "
            f"{factory!r} ({type(error).__name__}: {error})."
        ) from error
    if not isinstance(env, VectorEnv):
        raise ValueError(
            f"`--against` must make a gymnasium VectorEnv, got a {type(env).__name__} from "
            f"{factory!r}."
        )
    if env.metadata.get("autoreset_mode") == AutoresetMode.DISABLED:
        raise ValueError(
            f"`--against` must make an env that restarts finished episodes, got one from "
            f"{factory!r} whose autoreset mode is DISABLED: choose SAME_STEP."
        )
    return env


def play_vector_env(env: VectorEnv[Any, Any, Any]) -> Callable[[], int]:
    """Reset an env; return a function that takes some steps and returns how many were played.

    In mode NEXT_STEP every episode is followed by a step that only restarts it: not counted.
    """
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(NUM_ACTIONS)]
    env.reset(seed=0)
    wastes_steps = env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP

    def play() -> int:
        num_ended = 0
        for action in actions:
            _, _, terminations, truncations, _ = env.step(action)
            num_ended += int(np.count_nonzero(terminations | truncations))
        return len(actions) * env.num_envs - wastes_steps * num_ended

    return play


def single_env(settings: Settings) -> list[float]:
    """Measure env-steps/s of one cluttered env, resets included in the time."""
    env = gym.make(CLUTTERED, dataset=settings.dataset)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(TASKS[CLUTTERED]["num_glimpses"])]
    env.reset(seed=0)

    def play() -> int:
        env.reset()
        for action in actions:
            env.step(action)
        return len(actions)

    return rates(play, settings)


def sb3_adapter(settings: Settings, num_envs: int) -> list[float]:
    """Measure env-steps/s of the cluttered task as Stable-Baselines3 sees it."""
    from agents import make_vec_env

    return _sb3_rates(make_vec_env(CLUTTERED, num_envs, dataset=settings.dataset), settings)


def dummy_vec_env(settings: Settings, num_envs: int) -> list[float]:
    """Measure env-steps/s of what Stable-Baselines3 itself makes of single envs."""
    from stable_baselines3.common.vec_env import DummyVecEnv

    def make() -> gym.Env[Any, Any]:
        return gym.make(CLUTTERED, dataset=settings.dataset)

    return _sb3_rates(DummyVecEnv([make] * num_envs), settings)


def _sb3_rates(env: Any, settings: Settings) -> list[float]:
    """Measure env-steps/s of a Stable-Baselines3 `VecEnv`."""
    env.action_space.seed(0)
    actions = [
        np.stack([env.action_space.sample() for _ in range(env.num_envs)])
        for _ in range(NUM_ACTIONS)
    ]
    env.seed(0)
    env.reset()

    def play() -> int:
        for action in actions:
            env.step(action)
        return len(actions) * env.num_envs

    return rates(play, settings)


def scene_generation(settings: Settings) -> list[float]:
    """Measure cluttered scenes drawn per second, from seed to canvas."""
    task = TASKS[CLUTTERED]
    shape = (task["canvas_size"], task["canvas_size"])
    images = load_dataset(settings.dataset, "train").images
    painter = ScenePainter(images, shape, task["num_distractors"], distractor_size=8)
    rows = np.arange(BATCH)
    canvases = PaddedImages(np.zeros((BATCH, *shape), dtype=np.uint8))
    seeds = np.random.default_rng(0).integers(2**63, size=(NUM_ACTIONS, BATCH))

    def paint() -> int:
        for batch in seeds:
            painter.paint(canvases, rows, painter.plan(batch))
        return seeds.size

    return rates(paint, settings)


def retina(settings: Settings) -> list[float]:
    """Measure glimpses per second, from location to glimpse."""
    task = TASKS[CLUTTERED]
    shape = (task["canvas_size"], task["canvas_size"])
    eye = Retina(task["patch_size"], task["num_scales"])
    canvases = Canvases(BATCH, shape, eye)
    rng, rows = np.random.default_rng(0), np.arange(BATCH)
    canvases.visible[:] = rng.integers(256, size=canvases.visible.shape)
    locations = rng.uniform(-1, 1, (NUM_ACTIONS, BATCH, 2)).astype(np.float32)

    def look() -> int:
        for batch in locations:
            eye.glimpse(canvases, rows, location_to_pixel(batch, shape))
        return NUM_ACTIONS * BATCH

    return rates(look, settings)
