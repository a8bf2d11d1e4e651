"""A small `RAM` on the CPU that trains in moments, and what its tests share."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from agents import RAM, GymnasiumVecEnv, make_vec_env
from agents.base.processes import Launch
from agents.model.model_file import pack_optimizer

ENV_ID = "GlimpseMNIST-v0"
NUM_ENVS, BATCH, GLIMPSES = 4, 4, 3
DIGITS: dict[str, Any] = {"dataset": "digits", "num_glimpses": GLIMPSES}
EVERY_STEP: dict[str, Any] = {"reward": "every_step"}  # what preset `pure` needs
STEPS = BATCH * GLIMPSES  # env steps of one gradient step
SMALL: dict[str, Any] = {
    "precision": "float32",  # the default depends on the processor
    "batch_size": BATCH,
    "warmup_fraction": 0.0,
    "hidden_size": 16,
    "what_hidden_size": 16,
    "where_hidden_size": 8,
    "feature_size": 16,
    "location_hidden_size": 8,
}


def make_env(num_envs: int = NUM_ENVS, **arguments: Any) -> GymnasiumVecEnv:
    """Return the native vector env on digits."""
    return make_vec_env(ENV_ID, num_envs, **(DIGITS | arguments))


def make_single(**arguments: Any) -> gym.Env[Any, Any]:
    """Return one env on digits."""
    return gym.make(ENV_ID, **DIGITS, **arguments)


def make_model(env: Any = None, seed: int | None = 0, **settings: Any) -> RAM:
    """Return a small model on the CPU."""
    if env is None:
        env = make_env(**(EVERY_STEP if settings.get("preset") == "pure" else {}))
    return RAM("RAMPolicy", env, seed=seed, device="cpu", **(SMALL | settings))


def weights(model: RAM) -> dict[str, Tensor]:
    """Return a copy of all that a training changes."""
    held = model.policy.state_dict() | pack_optimizer(model.policy.optimizer)
    return {name: value.clone() for name, value in held.items()}


def assert_equal_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """Require the same bits in every tensor."""
    assert set(one) == set(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def observe(batch_size: int = 5) -> dict[str, np.ndarray]:
    """Return a batch of first observations."""
    env = make_env(batch_size)
    env.seed(123)
    observation = env.reset()
    assert isinstance(observation, dict)
    return observation


def be_launched(monkeypatch: pytest.MonkeyPatch, launch: Launch) -> None:
    """Let this process be one that `torchrun` has started, as far as it can tell."""
    environment = {
        "TORCHELASTIC_RUN_ID": "1",
        "RANK": str(launch.rank),
        "WORLD_SIZE": str(launch.size),
        "LOCAL_RANK": str(launch.local_rank),
        "LOCAL_WORLD_SIZE": str(launch.local_size),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


class EachUpdate(BaseCallback):
    """Call a function before each gradient step."""

    def __init__(self, function: Callable[[RAM], Any]) -> None:
        super().__init__()
        self.function = function
        self.results: list[Any] = []

    def _on_rollout_end(self) -> None:
        assert isinstance(self.model, RAM)
        self.results.append(self.function(self.model))

    def _on_step(self) -> bool:
        return True
