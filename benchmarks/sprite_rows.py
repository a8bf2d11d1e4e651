"""Rows of scenes without a canvas: how long do a reset and a glimpse take, whatever the size?"""

from typing import Any

import numpy as np

from benchmarks.env_rows import BATCH, NUM_ACTIONS
from benchmarks.timing import Settings, rates
from ram_env import TASKS
from ram_env.games.make import make_game

NEAR = 14  # pixels around the middle of the digit: where an agent that has found it looks


def sprites_reset(settings: Settings, side: int) -> list[float]:
    """Measure microseconds per new episode, from scene seeds to first glimpses."""
    task = _task(settings, side)
    episodes, rows = task.allocate(BATCH), np.arange(BATCH)
    seeds = np.random.default_rng(0).integers(2**63, size=(NUM_ACTIONS, BATCH))

    def reset() -> int:
        for batch in seeds:
            task.begin(episodes, rows, batch)
        return seeds.size

    return [1e6 / rate for rate in rates(reset, settings)]


def sprites_glimpse(settings: Settings, side: int) -> list[float]:
    """Measure microseconds per glimpse, from location to glimpse."""
    task = _task(settings, side)
    episodes, rows = task.allocate(BATCH), np.arange(BATCH)
    task.begin(episodes, rows, rows)
    rng, scenes = np.random.default_rng(0), episodes.scenes
    box = episodes.facts["target_box"]
    middles = box[:, :2] + box[:, 2:] // 2
    pixels = middles + rng.integers(-NEAR, NEAR, (NUM_ACTIONS, BATCH, 2))
    locations = ((2 * pixels[..., ::-1] + 1) / side - 1).astype(np.float32)

    def look() -> int:
        for batch in locations:
            task.retina.glimpse(scenes, rows, scenes.pixels_at(rows, batch))
        return NUM_ACTIONS * BATCH

    return [1e6 / rate for rate in rates(look, settings)]


def _task(settings: Settings, side: int) -> Any:
    """Return the task of `cluttered1000` on canvases of this side."""
    arguments = TASKS["GlimpseClutteredMNIST1000-v0"] | {"canvas_size": side}
    return make_game(arguments | {"dataset": settings.dataset})
