"""The policy that knows nothing draws uniformly, and the same in each evaluation."""

from typing import Any

import gymnasium as gym
import numpy as np

from agents.policies import RandomPolicy

ARGUMENTS: dict[str, Any] = {"dataset": "digits", "action_format": "multidiscrete"}


def test_all_actions_come_up() -> None:
    """One observation gets one action; all answers and all cells are drawn."""
    env = gym.make("GlimpseMNIST-v0", **ARGUMENTS)
    policy = RandomPolicy(env.observation_space, env.action_space)
    observation, _ = env.reset(seed=0)
    state: Any = None
    drawn = []
    for _ in range(400):
        action, state = policy.predict(observation, state)
        assert env.action_space.contains(action)
        drawn.append(action)
    for values, size in zip(np.transpose(drawn), env.action_space.nvec, strict=True):  # type: ignore[attr-defined]
        assert set(values) == set(range(size))


def test_draws_begin_anew_without_a_state() -> None:
    """A batch gets an action each, and the next evaluation the same ones."""
    envs = gym.make_vec("GlimpseMNIST-v0", num_envs=3, **ARGUMENTS)
    policy = RandomPolicy(envs.single_observation_space, envs.single_action_space)
    observation, _ = envs.reset(seed=0)
    first, state = policy.predict(observation)
    second, _ = policy.predict(observation, state)
    assert first.shape == (3, 3) and envs.action_space.contains(first)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(policy.predict(observation)[0], first)
