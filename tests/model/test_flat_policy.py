"""An agent of one vector in and one number out plays our games as it plays wrapped ones."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents import FlatPolicy, FrozenScenes
from ram_env.wrappers.vector import DiscreteAction, FlattenObservation, GlimpseHistory

GAME: dict[str, Any] = {"dataset": "digits", "action_format": "multidiscrete", "num_glimpses": 3}


def guess(seen: np.ndarray) -> np.ndarray:
    """Answer by the brightness of all that was seen."""
    return (seen.sum(axis=1) * 1000).astype(np.int64) % 490


def test_it_answers_as_in_the_wrappers() -> None:
    """On the frozen scenes it is as often right as in the same games, wrapped."""
    scenes = FrozenScenes("GlimpseMNIST-v0", GAME, "test", 40, memory="history")
    result = scenes.evaluate(FlatPolicy(guess, *scenes.single_spaces))
    games = gym.make_vec("GlimpseMNIST-v0", 40, split="test", autoreset_mode="Disabled", **GAME)
    env = DiscreteAction(FlattenObservation(GlimpseHistory(games)))
    numbers = np.arange(40)
    seen, _ = env.reset(options={"index": numbers, "scene_seed": numbers})
    for _ in range(3):
        seen, _, _, _, infos = env.step(guess(seen))
    assert result.num_errors == (~infos["is_success"]).sum()
    assert result.num_errors < 40


def test_other_actions_are_an_error() -> None:
    """Those of a box have no number each."""
    scenes = FrozenScenes("GlimpseMNIST-v0", GAME | {"action_format": "box"}, "test", 4)
    with pytest.raises(ValueError, match="action_format='multidiscrete'"):
        FlatPolicy(guess, *scenes.single_spaces)
