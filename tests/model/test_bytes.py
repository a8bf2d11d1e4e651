"""Memory stays what it is, however long one trains, evaluates and resets."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import times

from agents import RAM, make_vec_env
from agents.evaluation.frozen_scenes import FrozenScenes

SECONDS = times(6, 1800)
WARM_UP = SECONDS / 6  # the first of everything takes memory that stays
MAX_GROWTH_MIB = 24.0  # what the allocator may keep for itself
ENV_ID = "GlimpseClutteredMNIST-v0"


def resident_mib() -> float:
    """Return how much memory the process has now, in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.fault("memory over long training, resets and evaluations")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="/proc tells the memory")
def test_memory_is_flat(record_property: pytest.FixtureRequest) -> None:
    """Training, evaluation in between, resets with seeds, options and masks: no growth."""
    env = make_vec_env(ENV_ID, 64, dataset="digits")
    games = make_vec_env(ENV_ID, 32, dataset="digits").env
    sizes = {"hidden_size": 32, "feature_size": 32, "what_hidden_size": 32}
    model = RAM("RAMPolicy", env, seed=0, device="cpu", batch_size=64, **sizes)
    scenes = FrozenScenes(ENV_ID, {"dataset": "digits"}, "validation", 100)
    rng = np.random.default_rng(0)
    samples: list[tuple[float, float]] = []
    started = time.monotonic()
    while time.monotonic() - started < SECONDS:
        model.learn(64 * 8 * 4, reset_num_timesteps=False)
        scenes.evaluate(model)
        games.reset(seed=int(rng.integers(1000)))
        games.step(games.action_space.sample())
        games.reset(options={"reset_mask": rng.random(32) < 0.7})
        games.reset(options={"index": 3, "scene_seed": rng.integers(1000, size=32)})
        samples.append((time.monotonic() - started, resident_mib()))
    record_property("memory", samples)  # type: ignore[operator]
    after = [mib for second, mib in samples if second > WARM_UP]
    assert max(after) - min(after) < MAX_GROWTH_MIB
