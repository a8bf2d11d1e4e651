"""An env of the user's own around one of ours: trained on, evaluated and drawn as ours are."""

import dataclasses
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from small_runs import DIGITS, ENV_ID, FILES, make_options, run

from agents import RAM
from agents.evaluation.players import player_of_run

MINE = """
import gymnasium as gym
from ram_env import TASKS
from ram_env.env import GlimpseEnv

class Fee(gym.Wrapper):
    def step(self, action):
        observation, reward, *ended, info = self.env.step(action)
        return observation, reward - 0.1, *ended, info

def make(wrapper, **arguments):
    return wrapper(GlimpseEnv(**arguments))

for name, wrapper in (("Plain-v0", gym.Wrapper), ("Fee-v0", Fee)):
    gym.register(name, make, kwargs=TASKS["GlimpseMNIST-v0"] | {"wrapper": wrapper})
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own, in the folder where they are."""
    (tmp_path / "wrapped.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wrapped", raising=False)
    for name in ("Plain-v0", "Fee-v0"):
        monkeypatch.delitem(gym.registry, name, raising=False)


def weights_of(folder: Path) -> dict[str, Any]:
    """Return the weights of a run's model, as lists."""
    state = RAM.load(folder / "model.zip", device="cpu").policy.state_dict()
    return {name: value.tolist() for name, value in state.items()}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_wrapper_that_changes_nothing_changes_nothing(processes: int, tmp_path: Path) -> None:
    """Weights, error and pictures are those of the task, also when processes share the run."""
    plain, ours = (
        make_options(tmp_path / name, env=env, processes=processes, episodes=64)
        for name, env in (("plain", "wrapped:Plain-v0"), ("ours", ENV_ID))
    )
    found, expected = run(plain).result, run(ours).result
    assert dataclasses.replace(found, env_id=ENV_ID) == expected
    assert weights_of(tmp_path / "plain") == weights_of(tmp_path / "ours")
    assert {path.name for path in (tmp_path / "plain").iterdir()} >= FILES
    assert player_of_run(tmp_path / "plain").measure() == found


def test_its_reward_is_learned_from_or_told_of(tmp_path: Path) -> None:
    """By default a line says that it is not read; `gaze_reward` env reads it."""
    fee: dict[str, Any] = {"env": "wrapped:Fee-v0", "env_kwargs": DIGITS, "episodes": 64}
    with pytest.warns(UserWarning, match=r"`gaze_reward='env'` learns from them"):
        run(make_options(tmp_path / "unread", **fee))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(make_options(tmp_path / "read", {"gaze_reward": "env"}, **fee))
        run(make_options(tmp_path / "ours", {"gaze_reward": "env"}, episodes=64))
    assert weights_of(tmp_path / "read") != weights_of(tmp_path / "ours")
    config = json.loads((tmp_path / "read" / "config.json").read_text())
    assert (config["gaze_reward"], config["env_module"]) == ("env", "wrapped")
