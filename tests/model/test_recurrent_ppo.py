"""Does our RecurrentPPO learn what sb3-contrib's learns?"""

from typing import Any

import numpy as np
import pytest
import sb3_contrib
import torch

from agents import make_vec_env
from agents.policies import GlimpseEncoder
from agents.sb3.recurrent_ppo import RecurrentPPO

NUM_ENVS = 6


def learned(
    kind: type[sb3_contrib.RecurrentPPO], num_glimpses: int, steps: int
) -> sb3_contrib.RecurrentPPO:
    """Let one of the two play and learn, in batches that cut episodes."""
    env = make_vec_env(
        "GlimpseMNIST-v0",
        n_envs=NUM_ENVS,
        dataset="digits",
        canvas_size=28,
        num_glimpses=num_glimpses,
        action_format="multidiscrete",
        reward="every_step",
    )
    policy = {
        "features_extractor_class": GlimpseEncoder,
        "net_arch": [],
        "lstm_hidden_size": 16,
        "shared_lstm": True,
        "enable_critic_lstm": False,
    }
    model = kind(
        "MultiInputLstmPolicy",
        env,
        n_steps=7,
        batch_size=20,
        n_epochs=2,
        policy_kwargs=policy,
        seed=3,
        device="cpu",
    )
    return model.learn(steps)


@pytest.mark.parametrize("num_glimpses", [7, 3])
def test_it_learns_what_sb3_contribs_does(num_glimpses: int) -> None:
    """Of episodes as long as a rollout, and of short ones that begin within it."""
    ours, theirs = (
        learned(kind, num_glimpses, 3 * 7 * NUM_ENVS)
        for kind in (RecurrentPPO, sb3_contrib.RecurrentPPO)
    )
    start = learned(RecurrentPPO, num_glimpses, 0).policy.state_dict()
    expected = theirs.policy.state_dict()
    for name, value in ours.policy.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)
    assert any((start[name] - value).abs().max() > 1e-3 for name, value in expected.items())


def test_a_batch_is_that_of_sb3_contrib() -> None:
    """Padding and states included: copies bit for bit, what a policy computed but for rounding."""
    batches = []
    for kind in (RecurrentPPO, sb3_contrib.RecurrentPPO):
        model = learned(kind, 3, 7 * NUM_ENVS)
        np.random.seed(0)
        batches.append(list(model.rollout_buffer.get(20)))
    assert len(batches[0]) == len(batches[1]) == 3
    for ours, theirs in zip(*batches, strict=True):
        assert ours.observations.keys() == theirs.observations.keys()
        for name, part in ours.observations.items():
            assert torch.equal(part, theirs.observations[name])
        for name in ("actions", "returns", "episode_starts", "mask"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
        for name in ("old_values", "old_log_prob", "advantages"):
            torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
        for ours_part, theirs_part in zip(ours.lstm_states, theirs.lstm_states, strict=True):
            for ours_half, theirs_half in zip(ours_part, theirs_part, strict=True):
                torch.testing.assert_close(ours_half, theirs_half)


def test_an_episode_may_begin_within_a_sequence() -> None:
    """Then, too, the LSTM forgets what was before it."""
    policy: Any = learned(RecurrentPPO, 3, 0).policy
    features = torch.randn(2 * 4, policy.lstm_actor.input_size)
    state = (torch.randn(1, 2, 16), torch.randn(1, 2, 16))
    starts = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    found, _ = policy._process_sequence(features, state, starts, policy.lstm_actor)
    fresh = (torch.zeros(1, 1, 16), torch.zeros(1, 1, 16))
    expected, _ = policy.lstm_actor(features[2:4].unsqueeze(1), fresh)
    torch.testing.assert_close(found[2:4], expected.squeeze(1))
