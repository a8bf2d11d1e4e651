"""The memory wrappers are good citizens of Gymnasium and Stable-Baselines3."""

import warnings
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import FlattenObservation
from gymnasium.wrappers.vector import DictInfoToList
from helpers import IDS, assert_identical, rollout
from memories import NAMES, SINGLE, VECTOR, by_name

# What Gymnasium raises for no env at all: its older releases assert.
OF_WRONG_TYPE = (TypeError, AssertionError)


@pytest.mark.parametrize("task_id", IDS)
@by_name
def test_gymnasium_check_env(name: str, task_id: str) -> None:
    """Gymnasium's checker finds nothing but that there is a wrapper."""
    env = SINGLE[name](gym.make(task_id, dataset="digits"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=True)
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 1, messages
    assert "is different from the unwrapped version" in messages[0]


# Parts of the warnings of Stable-Baselines3's checker, and how often each comes.
REMARKS = {
    "GlimpseHistory": {"observation glimpse has an unconventional shape": 1}
    | {"observation location has an unconventional shape": 1},
    "SeenCanvas": {"has to be `np.uint8`": 1, "not in [0, 255]": 1}
    | {"minimal resolution for an image is 36x36": 1}
    | {"observation canvas has an unconventional shape": 1}
    | {"observation seen has an unconventional shape": 1},
}


@pytest.mark.parametrize("task_id", IDS)
@by_name
def test_stable_baselines3_check_env(name: str, task_id: str) -> None:
    """Its checker finds no error, and remarks on shapes that are neither vectors nor images."""
    from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

    env = SINGLE[name](gym.make(task_id, dataset="digits"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env_of_sb3(env)
    messages = [str(warning.message) for warning in caught]
    for part, number in REMARKS[name].items():
        assert sum(part in message for message in messages) == number, part
    assert len(messages) == sum(REMARKS[name].values()), messages


@pytest.mark.slow
@by_name
def test_ppo_learns(name: str) -> None:
    """PPO with `MultiInputPolicy` trains on normalised observations of one env and of many."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

    from agents import GymnasiumVecEnv

    arguments: dict[str, Any] = {"dataset": "digits", "action_format": "multidiscrete"}
    many = gym.make_vec(IDS[0], 4, autoreset_mode="SameStep", **arguments)
    vec_envs: list[VecEnv] = [
        DummyVecEnv([lambda: SINGLE[name](gym.make(IDS[0], **arguments))]),
        GymnasiumVecEnv(VECTOR[name](many)),
    ]
    for vec_env in vec_envs:
        settings_: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "device": "cpu", "seed": 0}
        agent = PPO("MultiInputPolicy", VecNormalize(vec_env), **settings_)
        weights = [weight.detach().clone() for weight in agent.policy.parameters()]
        agent.learn(64 * vec_env.num_envs)
        assert agent.num_timesteps == 64 * vec_env.num_envs
        changed = [
            bool((one != other).any())
            for one, other in zip(weights, agent.policy.parameters(), strict=True)
        ]
        assert any(changed)
        action, _ = agent.predict(agent.env.reset())  # type: ignore[union-attr, arg-type]
        assert action.shape == (vec_env.num_envs, 3)


@by_name
def test_spec_survives_json(name: str) -> None:
    """The spec as JSON makes an env in the same wrapper, which shows the same."""
    env = SINGLE[name](gym.make("GlimpseClutteredMNIST-v0", dataset="digits", num_scales=2))
    assert env.spec is not None
    text = env.spec.to_json()
    again = gym.make(EnvSpec.from_json(text))
    assert type(again) is SINGLE[name]
    assert again.spec is not None
    assert again.spec.to_json() == text
    assert_identical(list(rollout(again, 20, seed=3)), list(rollout(env, 20, seed=3)))
    twice: Any = gym.make(env.spec)
    assert_identical(list(rollout(twice, 20, seed=3)), list(rollout(env, 20, seed=3)))


# Errors.


@by_name
def test_other_envs_are_errors(name: str) -> None:
    """Envs of another kind or with another observation are refused, and the message says why."""
    glimpse = gym.make(IDS[0], dataset="digits")
    vectors = gym.make_vec(IDS[0], 2, dataset="digits")
    with pytest.raises(ValueError, match=r"`env` must be a GlimpseEnv.*CartPole"):
        SINGLE[name](gym.make("CartPole-v1"))
    with pytest.raises(ValueError, match=r"`env` must show.*inside"):
        SINGLE[name](FlattenObservation(glimpse))
    with pytest.raises(OF_WRONG_TYPE, match=r"gymnasium\.Env"):
        SINGLE[name](vectors)
    with pytest.raises(ValueError, match=r"`env` must be.*GlimpseVectorEnv.*CartPole"):
        VECTOR[name](gym.make_vec("CartPole-v1", 2, vectorization_mode="sync"))
    with pytest.raises(ValueError, match="wrapped one by one"):
        VECTOR[name](gym.make_vec(IDS[0], 2, vectorization_mode="sync", dataset="digits"))
    with pytest.raises(OF_WRONG_TYPE, match="VectorEnv"):
        VECTOR[name](glimpse)
    for other in NAMES:
        with pytest.raises(ValueError, match=r"`env` must show.*inside"):
            SINGLE[name](SINGLE[other](glimpse))
        with pytest.raises(ValueError, match=r"`env` must show.*inside"):
            VECTOR[name](VECTOR[other](vectors))


@by_name
def test_infos_in_a_list_are_an_error(name: str) -> None:
    """`DictInfoToList` works around the memory; within it, the message says to swap the two."""
    envs = gym.make_vec(IDS[0], 2, dataset="digits", autoreset_mode="SameStep")
    around = DictInfoToList(VECTOR[name](envs))
    around.reset(seed=0)
    infos = [around.step(envs.action_space.sample())[-1] for _ in range(9)]
    assert "final_obs" in infos[6][0]
    with pytest.raises(TypeError, match=r"infos in a dict, got a list: wrap the env in it first"):
        VECTOR[name](DictInfoToList(envs)).reset(seed=0)


@by_name
def test_more_than_fits_into_memory_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory that cannot be allocated is refused in one line before it is tried."""
    envs = gym.make_vec(IDS[0], 4, dataset="digits")
    monkeypatch.setattr("os.sysconf", lambda key: 64)  # a machine of 64 pages of 64 bytes
    with pytest.raises(ValueError, match=r"4 envs of .*choose smaller numbers"):
        VECTOR[name](envs)
