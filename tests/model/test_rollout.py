"""What is kept of the episodes that a gradient step learns from."""

from typing import Any

import pytest
import torch
from small_ram import BATCH, GLIMPSES, make_model
from stable_baselines3.common.callbacks import BaseCallback

from agents.model.rollout import Rollout


class Keep(BaseCallback):
    """Keep the last rollout of each gradient step."""

    def __init__(self) -> None:
        super().__init__()
        self.rollouts: list[Rollout] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self.rollouts.append(self.locals["rollout"])


def rollouts_of(**settings: Any) -> list[Rollout]:
    """Return what a small model plays in thirty gradient steps."""
    keep = Keep()
    make_model(**settings).learn(30 * BATCH * GLIMPSES, keep)
    return keep.rollouts


def test_an_answer_that_was_not_paid_is_not_given_again() -> None:
    """In `pure`, no wrong answer comes twice, and a right one is given to the end."""
    rollouts = rollouts_of(preset="pure")
    answers = torch.cat([it.choices for it in rollouts], dim=1).T.tolist()
    paid = torch.cat([it.rewards > 0 for it in rollouts], dim=1).T.tolist()
    possible = torch.cat([it.possible for it in rollouts if it.possible is not None])
    assert len(possible) == len(answers) == 30 * BATCH
    assert 0 < sum(any(episode) for episode in paid) < len(paid)
    for given, is_paid, left in zip(answers, paid, possible, strict=True):
        tries = is_paid.index(True) + 1 if any(is_paid) else GLIMPSES
        assert len(set(given[:tries])) == tries
        assert set(given[tries - 1 :]) == {given[tries - 1]}
        expected = {given[-1]} if any(is_paid) else set(range(10)) - set(given)
        assert set(left.nonzero()[:, 0].tolist()) == expected


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({}, set()),
        ({"preset": "pure"}, {"possible"}),
        (
            {"preset": "pure", "answer_loss": "policy_gradient", "gaze_reward": "env"},
            {"earned", "earned_moments"},
        ),
        ({"glimpse_statistics": "running"}, {"glimpse_moments"}),
    ],
)
def test_nothing_is_kept_that_the_settings_do_not_use(
    settings: dict[str, Any], kept: set[str]
) -> None:
    """Parts that only some settings learn from are None elsewhere."""
    rollout = rollouts_of(**settings)[0]
    optional = set(Rollout._field_defaults)
    assert {name for name in optional if getattr(rollout, name) is not None} == kept
    assert rollout.logits.shape == (GLIMPSES, BATCH, 10)
    assert rollout.rewards.shape == rollout.choices.shape == (GLIMPSES, BATCH)
