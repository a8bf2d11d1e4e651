"""When to answer, learned from what each stop would have paid."""

import itertools
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from small_ram import STEPS, assert_equal_weights, make_env, make_model, weights
from torch import Tensor

from agents import RAM
from agents.model.config import make_config
from agents.model.losses import _stop_loss, hybrid_loss
from agents.model.rollout import Rollout
from ram_env.games.actions import action_format_of

T, B, C = 4, 3, 5
COST = 0.05
STOP: dict[str, Any] = {"stop": True, "glimpse_cost": COST}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draw the same weights and inputs each time."""
    torch.manual_seed(0)


def make_rollout(stops: Tensor | None) -> Rollout:
    """Return episodes whose answers are right now and then."""
    logits, labels = torch.randn(T, B, C), torch.tensor([0, 1, 2])
    log_probs, baselines, rewards = torch.randn(3, T, B)
    choices = labels.expand(T, -1)
    return Rollout(logits, log_probs, baselines, rewards, choices, labels, stops=stops)


def test_loss_is_the_expected_payment_by_enumeration() -> None:
    """Over all sequences of stopping and going on, each as likely as the log-odds say."""
    stops = torch.randn(T, B)
    rollout = make_rollout(stops)
    right = rollout.logits.argmax(2) == rollout.labels
    expected = 0.0
    for episode in range(B):
        for wishes in itertools.product([False, True], repeat=T - 1):
            likelihood = 1.0
            for wish, log_odds in zip(wishes, stops[:, episode].tolist(), strict=False):
                p = 1.0 / (1.0 + np.exp(-log_odds))
                likelihood *= p if wish else 1.0 - p
            end = wishes.index(True) if True in wishes else T - 1
            expected += likelihood * (float(right[end, episode]) - COST * end) / B
    assert _stop_loss(stops, rollout, COST).item() == pytest.approx(-expected, rel=1e-5)


def test_loss_is_added_where_stopping_is_learned() -> None:
    """And nowhere else."""
    config, stops = make_config(), torch.randn(T, B)
    rollout = make_rollout(stops)
    with_stop = hybrid_loss(rollout, config, COST).total
    without = hybrid_loss(rollout._replace(stops=None), config, COST).total
    assert (with_stop - without).item() == pytest.approx(
        _stop_loss(stops, rollout, COST).item(), rel=1e-4
    )


def test_stopping_is_learned_to_be_worth_it() -> None:
    """Where the answer is right at once, or never, it is given at once; else when it is right."""
    logits = torch.zeros(T, B, C)
    logits[:, 0, 0] = 1.0  # right from the start
    logits[2:, 1, 1] = 1.0  # right from the third glimpse on
    logits[:, 2, 0] = 1.0  # never right
    stops = torch.zeros(T, B, requires_grad=True)
    optimizer = torch.optim.Adam([stops], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        _stop_loss(stops, make_rollout(stops)._replace(logits=logits), COST).backward()
        optimizer.step()
    assert [(stops[:, episode] > 0).int().argmax().item() for episode in range(B)] == [0, 2, 0]


def test_only_the_stop_network_learns_from_it() -> None:
    """Looking and classifying go on as if episodes had always their whole length."""
    plain = make_model(make_env()).learn(4 * STEPS)
    stopping = make_model(make_env(**STOP), learn_stop=True)
    names = dict(plain.policy.networks.named_parameters())
    with torch.no_grad():
        for name, parameter in make_model(make_env()).policy.networks.named_parameters():
            stopping.policy.networks.get_parameter(name).copy_(parameter)
    stopping.learn(4 * STEPS)
    for name, parameter in names.items():
        found = stopping.policy.networks.get_parameter(name)
        torch.testing.assert_close(found, parameter, rtol=1e-3, atol=1e-4)
    assert stopping.policy.networks.stop_network is not None
    assert stopping.policy.networks.stop_network.log_odds.weight.grad is not None


@pytest.mark.parametrize("action_format", ["box", "multidiscrete", "dict"])
def test_episodes_end_when_the_model_says_so(action_format: str) -> None:
    """With log-odds above 0 at once; with log-odds under 0 after the last glimpse."""
    env = make_env(action_format=action_format, **STOP)
    model = make_model(env, learn_stop=True).learn(STEPS)
    network = model.policy.networks.stop_network
    assert network is not None
    torch.nn.init.zeros_(network.log_odds.weight)
    for log_odds, lengths in ((9.0, [1]), (-9.0, [1, 2, 3])):
        torch.nn.init.constant_(network.log_odds.bias, log_odds)
        observation, state, dones = env.reset(), None, np.zeros(4, dtype=bool)
        for length in lengths:
            actions, state = model.predict(observation, state, deterministic=True)
            observation, _, dones, _ = env.step(actions)
            assert dones.all() == (length == lengths[-1])


def test_model_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    """With its stop network; and in its own env it stops as before."""
    model = make_model(make_env(**STOP), learn_stop=True).learn(3 * STEPS)
    model.save(tmp_path / "model")
    loaded = RAM.load(tmp_path / "model", device="cpu")
    assert_equal_weights(weights(loaded), weights(model))
    assert loaded.task is not None and loaded.task.arguments["stop"] is True
    space = loaded.action_space
    assert action_format_of(space, stop=True).num_classes == 10


def test_env_and_model_must_agree() -> None:
    """A space of 11 numbers more than a location may be 11 classes, or 10 and a stop."""
    with pytest.raises(ValueError, match="`learn_stop` must be as the `stop` of `env`, True"):
        make_model(make_env(**STOP))
    with pytest.raises(ValueError, match="`learn_stop` must be as the `stop` of `env`, False"):
        make_model(make_env(), learn_stop=True)
    with pytest.raises(ValueError, match="`learn_stop` needs `learn_class_from='labels'`"):
        make_config("pure", learn_stop=True)


def test_plain_env_is_played_as_before() -> None:
    """What is not asked for is not there."""
    model = make_model(make_env())
    assert model.policy.networks.stop_network is None
    env = gym.make("GlimpseMNIST-v0", dataset="digits")
    observation, _ = env.reset(seed=0)
    assert model.predict(observation)[0] in env.action_space
