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
    """In `pure`, until the last glimpse: no wrong answer comes twice, and a right one stays."""
    rollouts = rollouts_of(preset="pure")
    answers = torch.cat([it.choices for it in rollouts], dim=1).T.tolist()
    paid = torch.cat([it.rewards > 0 for it in rollouts], dim=1).T.tolist()
    assert len(answers) == 30 * BATCH
    was_right = [any(tries[:-1]) for tries in paid]
    assert 0 < sum(was_right) < len(paid)
    for (*given, _), (*is_paid, _), found in zip(answers, paid, was_right, strict=True):
        tries = is_paid.index(True) + 1 if found else len(given)
        assert len(set(given[:tries])) == tries
        assert set(given[tries - 1 :]) == {given[tries - 1]}


def test_the_last_answer_is_the_models_own() -> None:
    """What was paid before does not decide it, so that an episode's success says what is known."""
    rollouts = rollouts_of(preset="pure")
    answers = torch.cat([it.choices for it in rollouts], dim=1)
    paid = torch.cat([it.rewards > 0 for it in rollouts], dim=1)
    known = paid[:-1].any(0)
    assert not answers[-1, known].equal(answers[-2, known])


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
