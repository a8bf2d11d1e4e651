"""Long random games break no rule, and memory stays what it is.

`RAM_ENV_SOAK_STEPS=10000000 pytest tests/env/test_invariants.py`, or `make soak`, plays so many
steps of single envs in all.
"""

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from helpers import FORMATS, IDS
from referee import Referee

from ram_env.games.settings import RewardRule
from ram_env.vector_env import GlimpseVectorEnv

NUM_STEPS = int(os.environ.get("RAM_ENV_SOAK_STEPS", "100000"))
NUM_ROUNDS = 2 if NUM_STEPS < 1_000_000 else 10
MAX_GROWTH = 16 * 2**20  # of memory after the first round: what the allocator may keep
GAMES = [
    (task_id, mode, action_format, reward)
    for task_id, mode, action_format, reward in itertools.product(
        IDS, AutoresetMode, FORMATS, RewardRule
    )
    if action_format == "box" or reward != RewardRule.LOG_LIKELIHOOD
]


def random_batch(rng: np.random.Generator, envs: GlimpseVectorEnv) -> Any:
    """Return actions of all sub-envs, some of them out of range where that is allowed."""
    num_envs, num_classes = envs.num_envs, envs.task.num_classes
    if envs.task.action_format == "multidiscrete":
        grid = envs.task.location_grid
        return rng.integers([grid, grid, num_classes], size=(num_envs, 3))
    if envs.task.action_format == "box":
        return rng.uniform(-1.2, 1.2, (num_envs, 2 + num_classes)).astype(np.float32)
    locations = rng.uniform(-1.2, 1.2, (num_envs, 2)).astype(np.float32)
    return {"location": locations, "label": rng.integers(num_classes, size=num_envs)}


def play(envs: GlimpseVectorEnv, num_steps: int, rng: np.random.Generator) -> None:
    """Play random steps and now and then restart some sub-envs, under the eyes of a referee."""
    referee = Referee(envs)
    everyone = np.ones(envs.num_envs, dtype=bool)
    referee.begin(everyone, envs.reset(seed=int(rng.integers(2**31))))
    for _ in range(num_steps):
        must = referee.ended.copy() if envs.autoreset_mode == AutoresetMode.DISABLED else ~everyone
        mask = must | (rng.random(envs.num_envs) < 0.2) if rng.random() < 0.05 else must
        if mask.any():
            referee.begin(mask, envs.reset(options={"reset_mask": mask}))
        actions = random_batch(rng, envs)
        referee.judge(actions, envs.step(actions))


def resident_bytes() -> int:
    """Return how much memory the process has now; 0 where the system does not tell."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0


@pytest.mark.fault("random games under a referee")
def test_long_random_games_break_no_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """In all tasks, formats, rewards and autoreset modes; and memory does not grow with steps."""
    num_envs = 256 if NUM_STEPS >= 1_000_000 else 32
    steps_each = -(-NUM_STEPS // (NUM_ROUNDS * len(GAMES) * num_envs))  # rounded up
    rng = np.random.default_rng(int(time.time()) if NUM_STEPS >= 1_000_000 else 0)
    memory = []
    for _ in range(NUM_ROUNDS):
        for task_id, mode, action_format, reward in GAMES:
            arguments: dict[str, Any] = {"action_format": action_format, "reward": reward}
            arguments |= {"autoreset_mode": mode, "dataset": "digits"}
            envs = gym.make_vec(task_id, num_envs, **arguments)
            assert isinstance(envs, GlimpseVectorEnv)
            play(envs, steps_each, rng)
        memory.append(resident_bytes())
    num_played = NUM_ROUNDS * len(GAMES) * num_envs * steps_each
    with capsys.disabled():
        if NUM_STEPS >= 1_000_000:
            print(f"\n{num_played:,} steps; memory after each round, MiB:")
            print([number >> 20 for number in memory])
    assert max(memory) - memory[0] < MAX_GROWTH


TRICKS: dict[str, Callable[[Any], object]] = {
    "a glimpse is NaN": lambda result: result[0]["glimpse"][0].fill(np.nan),
    "a glimpse is too bright": lambda result: result[0]["glimpse"][0].fill(1.01),
    "a location is another": lambda result: result[0]["location"][0].fill(0.123),
    "a location is outside": lambda result: result[0]["location"][0].fill(1.01),
    "a reward is paid": lambda result: result[1].__setitem__(0, 0.5),
    "an episode ends early": lambda result: result[2].__setitem__(0, True),
    "an episode is cut": lambda result: result[3].__setitem__(0, True),
    "a label is wrong": lambda result: result[4]["label"].__setitem__(0, 11),
    "a box moves": lambda result: result[4]["target_box"].__setitem__((0, 0), 5),
    "a mask is wrong": lambda result: result[4]["_index"].__setitem__(0, False),
    "a success is claimed": lambda result: result[4].update(is_success=np.ones(2, bool)),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_referee_sees_through(trick: str) -> None:
    """What the referee watches for, it does notice."""
    envs = gym.make_vec("GlimpseTranslatedMNIST-v0", 2, dataset="digits")
    assert isinstance(envs, GlimpseVectorEnv)
    referee = Referee(envs)
    referee.begin(np.ones(2, dtype=bool), envs.reset(seed=0))
    actions = np.zeros((2, 12), np.float32)
    referee.judge(actions, envs.step(actions))
    result = envs.step(actions)
    TRICKS[trick](result)
    with pytest.raises(AssertionError):
        referee.judge(actions, result)
