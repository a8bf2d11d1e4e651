"""Curves of the environment: what a glimpse and a reset cost as its numbers grow."""

import statistics
import time
from collections.abc import Iterable
from typing import Any

import gymnasium as gym

from benchmarks.curve import Curve
from benchmarks.env_rows import CLUTTERED
from benchmarks.timing import Settings

STEPS = 40  # glimpses of an episode beyond the first
CANVASES = (28, 60, 128, 256, 512, 1024, 2048, 4096)
PATCHES = (4, 8, 12, 16, 24, 32, 48)
SCALES = (1, 2, 3, 4, 5, 6)
NUM_ENVS = (1, 4, 16, 64, 256, 1024)


def env_curves(settings: Settings) -> Iterable[Curve]:
    """Measure the four curves, each as it is asked for."""
    yield env_curve(
        settings,
        "canvas",
        "size of the canvas (12x12 patch, 3 scales, 16 envs)",
        "side of the canvas / pixels",
        {side: {"canvas_size": side, "num_envs": 16} for side in CANVASES},
    )
    yield env_curve(
        settings,
        "patch_size",
        "size of the patch (256x256 canvas, 3 scales, 64 envs)",
        "side of the patch / pixels",
        {side: {"canvas_size": 256, "patch_size": side, "num_envs": 64} for side in PATCHES},
    )
    yield env_curve(
        settings,
        "num_scales",
        "number of scales (256x256 canvas, 12x12 patch, 64 envs)",
        "scales of the retina",
        {scales: {"canvas_size": 256, "num_scales": scales, "num_envs": 64} for scales in SCALES},
    )
    yield env_curve(
        settings,
        "num_envs",
        "number of envs (60x60 canvas, 12x12 patch, 3 scales)",
        "envs of one vector env",
        {number: {"num_envs": number} for number in NUM_ENVS},
    )


def env_curve(
    settings: Settings, name: str, title: str, x_label: str, points: dict[int, dict[str, Any]]
) -> Curve:
    """Measure one curve: a point for each value of x, made by its arguments of `make_vec`."""
    found = [costs(settings, **arguments) for arguments in points.values()]
    glimpses, resets = zip(*found, strict=True)
    lines = {"a glimpse": list(glimpses), "a reset (new scene, first glimpse)": list(resets)}
    y_label = "time per env / microseconds"
    return Curve(name, title, x_label, y_label, [float(x) for x in points], lines)


def costs(settings: Settings, num_envs: int, **arguments: Any) -> tuple[float, float]:
    """Measure what a glimpse and a reset of one env cost in a vector env, in microseconds.

    Medians over episodes, which follow each other for so long as the settings say. In an episode
    every step is a glimpse; the one that would end it is never taken.
    """
    arguments = {"dataset": settings.dataset, "num_glimpses": STEPS + 1, **arguments}
    env = gym.make_vec(CLUTTERED, num_envs=num_envs, **arguments)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(STEPS)]
    env.reset(seed=0)
    resets, looks = list[float](), list[float]()
    while len(looks) < 3 or sum(resets) + sum(looks) < settings.seconds:
        started = time.perf_counter()
        env.reset()
        began = time.perf_counter()
        for action in actions:
            env.step(action)
        resets.append(began - started)
        looks.append(time.perf_counter() - began)
    env.close()
    share = 1e6 / num_envs
    return statistics.median(looks) / STEPS * share, statistics.median(resets) * share
