"""RAM's glimpse network in policies of Stable-Baselines3's other algorithms."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import A2C, PPO, SAC
from stable_baselines3.common.vec_env import VecFrameStack

from agents import make_vec_env
from agents.policies import GlimpseEncoder
from agents.runs.launch import main
from agents.sb3.algorithms import MEMORIES
from agents.sb3.policy_file import load_policy

ENV_ID = "GlimpseTranslatedMNIST-v0"
SMALL: dict[str, Any] = {"dataset": "digits", "num_glimpses": 3}
KWARGS: dict[str, Any] = {"features_extractor_class": GlimpseEncoder, "net_arch": [16]}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize(
    ("algorithm", "action_format", "settings"),
    [
        (PPO, "multidiscrete", {"n_steps": 6, "batch_size": 12}),
        (A2C, "multidiscrete", {"n_steps": 6}),
        (SAC, "box", {"buffer_size": 100, "learning_starts": 8, "batch_size": 8}),
    ],
)
def test_algorithms_learn_through_it(
    algorithm: Any, action_format: str, settings: dict[str, Any], memory: str
) -> None:
    """Its weights change, and the policy acts."""
    kwargs = SMALL | {"action_format": action_format}
    env = make_vec_env(ENV_ID, 4, memory=memory, env_kwargs=kwargs)
    model = algorithm("MultiInputPolicy", env, policy_kwargs=KWARGS, seed=0, **settings)
    names = [name for name, _ in model.policy.named_parameters() if "glimpse_network" in name]
    assert names
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(48)
    after = model.policy.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in names)
    actions, _ = model.predict(env.reset(), deterministic=True)
    assert actions.shape == (4, *env.action_space.shape)


def test_a_history_is_its_glimpses_side_by_side() -> None:
    """What a glimpse alone gives, in the order of time; nothing where none was taken."""
    torch.manual_seed(0)
    history = make_vec_env(ENV_ID, 5, memory="history", env_kwargs=SMALL)
    single = make_vec_env(ENV_ID, 5, env_kwargs=SMALL)
    for env in (history, single):
        env.seed(3)
    of_history = GlimpseEncoder(history.observation_space, feature_size=7)
    of_one = GlimpseEncoder(single.observation_space, feature_size=7)
    of_one.load_state_dict(of_history.state_dict())
    assert (of_history.features_dim, of_one.features_dim) == (21, 7)
    seen: Any
    whole: Any
    seen, whole = single.reset(), history.reset()
    actions = np.full((5, *single.action_space.shape), 0.3, dtype=np.float32)
    expected = []
    for taken in (1, 2):
        expected.append(of_one({key: torch.as_tensor(value) for key, value in seen.items()}))
        features = of_history({key: torch.as_tensor(value) for key, value in whole.items()})
        torch.testing.assert_close(features[:, : 7 * taken], torch.cat(expected, dim=1))
        assert (features[:, 7 * taken :] == 0).all()
        (seen, *_), (whole, *_) = single.step(actions), history.step(actions)


def test_what_else_is_observed_follows_flat() -> None:
    """Behind the features of the latest glimpse, as it is."""
    env = make_vec_env(ENV_ID, 5, memory="canvas", env_kwargs=SMALL)
    encoder = GlimpseEncoder(env.observation_space, feature_size=7)
    seen: Any = env.reset()
    features = encoder({key: torch.as_tensor(value) for key, value in seen.items()})
    assert features.shape == (5, encoder.features_dim) == (5, 7 + 2 * 60 * 60)
    others = np.concatenate([seen[name].reshape(5, -1) for name in ("canvas", "seen")], axis=1)
    assert np.array_equal(features[:, 7:].detach().numpy(), others)
    assert others.any()


@pytest.mark.parametrize(
    "space", [spaces.Box(0, 1, (4,)), spaces.Dict(glimpse=spaces.Box(0, 1, (1, 4, 4)))]
)
def test_other_spaces_are_refused(space: spaces.Space[Any]) -> None:
    """With what it needs."""
    with pytest.raises(ValueError, match="`observation_space` must have `glimpse` and `location`"):
        GlimpseEncoder(space)


def test_stacked_observations_are_refused() -> None:
    """As of `VecFrameStack`; there is a memory instead."""
    stacked = VecFrameStack(make_vec_env(ENV_ID, 2, env_kwargs=SMALL), 3)
    with pytest.raises(ValueError, match=r"`location` must be of shape \(2,\) .* got \(6,\)"):
        GlimpseEncoder(stacked.observation_space)


@pytest.mark.parametrize("statistics", ["data", "running"])
def test_statistics_that_nobody_measures_are_refused(statistics: str) -> None:
    """Glimpses would stay as they are."""
    space = make_vec_env(ENV_ID, 1, env_kwargs=SMALL).observation_space
    with pytest.raises(ValueError, match=f"`glimpse_statistics` must be 'fixed', .* '{statistics}"):
        GlimpseEncoder(space, glimpse_statistics=statistics)


def test_a_run_names_it_and_its_model_loads(tmp_path: Path) -> None:
    """By `--settings`; the file is read without running code, and by Stable-Baselines3 too."""
    kwargs = '{"features_extractor_class": "GlimpseEncoder", "net_arch": [16]}'
    words = ["--env", "translated", "--dataset", "digits", "--algo", "ppo", "--episodes", "512"]
    words += ["--run-dir", str(tmp_path / "run"), "--threads", "1"]
    assert main([*words, "--settings", f"policy_kwargs={kwargs}"]) == 0
    path = tmp_path / "run" / "model.zip"
    ours, theirs = load_policy(path), PPO.load(path).policy
    assert isinstance(ours.features_extractor, GlimpseEncoder)
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name])


def test_an_unknown_extractor_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With those that there are."""
    words = ["--env", "centered", "--dataset", "digits", "--algo", "ppo", "--episodes", "64"]
    kwargs = '{"features_extractor_class": "os.system"}'
    words += ["--run-dir", str(tmp_path / "run"), "--settings", f"policy_kwargs={kwargs}"]
    assert main(words) == 2
    assert "`features_extractor_class` must be one of GlimpseEncoder" in capsys.readouterr().err
