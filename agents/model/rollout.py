"""What is kept of the episodes that a gradient step learns from?"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.base.processes import average
from agents.model.config import RAMConfig
from agents.model.networks import Thought
from agents.model.policy import Decision


class Rollout(NamedTuple):
    """B whole episodes of T glimpses, time-major. Row t belongs to glimpse t."""

    logits: Tensor  # (T, B, C): class logits after the glimpse
    log_probs: Tensor  # (T, B): of the location chosen after the glimpse; the last one is not used
    baselines: Tensor  # (T, B): expected return
    rewards: Tensor  # (T, B): what the env paid for the step after the glimpse
    choices: Tensor  # (T, B): the label answered after the glimpse, int64
    labels: Tensor  # (B,): the truth, int64; -1 where unknown
    # None where the settings have no use for them
    possible: Tensor | None = None  # (B, C): whether rewards leave a class possible, bool
    earned: Tensor | None = None  # (T, B): by answers
    earned_moments: Tensor | None = None  # (2, T): its mean and mean square in the whole batch
    entropies: Tensor | None = None  # (T, B): of the choice among cells
    stops: Tensor | None = None  # (T, B): log-odds of answering after the glimpse
    glimpse_moments: Tensor | None = None  # (2, K) or (2, K, 3): mean and mean square of pixels


class Recorder:
    """Keep what episodes show, step by step.

    Args:
        config: What is learned, and how.
        labels: The truth, int64 (B,); -1 where unknown.
        num_classes: C.

    Attributes:
        possible: The classes that the rewards so far leave possible, bool (B, C); None if answers
            are not taught by that.
    """

    possible: Tensor | None = None

    def __init__(self, config: RAMConfig, labels: Tensor, num_classes: int) -> None:
        self._config, self._labels = config, labels
        self._parts: dict[str, list[Tensor]] = {}
        self._rewards: list[Tensor] = []
        if config.learn_class_from == "reward" and not config.answers_by_policy_gradient:
            self.possible = torch.ones_like(labels, dtype=torch.bool).repeat(num_classes, 1).T

    def add(self, glimpse: Tensor, thought: Thought, decision: Decision, rewards: Any) -> None:
        """Keep a step: what was seen, thought, decided and, float (B,), paid."""
        self._rewards.append(torch.as_tensor(rewards))
        if self.possible is not None:
            is_paid = (self._rewards[-1] > 0.0).to(self._labels.device)
            self.possible = narrowed(self.possible, decision.labels, is_paid)
        seen = self._config.glimpse_statistics == "running"
        step = {
            "logits": thought.logits,
            "log_probs": decision.log_prob,
            "baselines": thought.baseline,
            "choices": decision.labels,
            "entropies": decision.entropy,
            "stops": thought.stop,
            "glimpse_moments": pixel_moments(glimpse) if seen else None,
        }
        for name, value in step.items():
            if value is not None:
                self._parts.setdefault(name, []).append(value)

    @property
    def num_steps(self) -> int:
        """How many steps were kept."""
        return len(self._rewards)

    def rewards(self) -> Tensor:
        """Return what was paid so far, where the env is, (T, B)."""
        return torch.stack(self._rewards)

    def rollout(self) -> Rollout:
        """Return all of it."""
        parts = {name: torch.stack(part) for name, part in self._parts.items()}
        if "glimpse_moments" in parts:
            parts["glimpse_moments"] = parts["glimpse_moments"].mean(0)
        # One copy to a GPU instead of one per step.
        rewards = self.rewards().to(self._labels.device)
        rollout = Rollout(**parts, rewards=rewards, labels=self._labels, possible=self.possible)
        if not self._config.answers_by_policy_gradient:
            return rollout
        return rollout._replace(earned=earned_by_answers(rewards, rollout.baselines, self._config))


def share_earned_moments(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """Tell all rollouts of a batch what answers earn in all of them, in all processes."""
    earned = torch.cat([rollout.earned for rollout in rollouts if rollout.earned is not None], 1)
    moments = average(torch.stack([earned.mean(1), earned.square().mean(1)]))
    return [rollout._replace(earned_moments=moments) for rollout in rollouts]


def discounted_returns(rewards: Tensor, discount: float) -> Tensor:
    """Return what each decision brings later: R_t = r_{t+1} + discount * R_{t+1}.

    Args:
        rewards: (T, B); r_t is paid for glimpse t, so the location chosen after it first earns
            r_{t+1}.
        discount: In 0..1.

    Returns:
        (T, B); the last row is 0, as nothing comes after it.
    """
    return lambda_returns(rewards, torch.zeros_like(rewards), discount, 1.0)


def lambda_returns(
    rewards: Tensor, baselines: Tensor, discount: float, gae_lambda: float
) -> Tensor:
    """Return what each decision brings later, as far as the baseline foretells it by that.

    R_t = r_{t+1} + discount * (gae_lambda * R_{t+1} + (1 - gae_lambda) * b_{t+1}): the less lambda,
    the less of what chance does later.

    Args:
        rewards: (T, B), as of `discounted_returns`.
        baselines: (T, B), expected of the steps after each; the last one is not used.
        discount: In 0..1.
        gae_lambda: In 0..1; 1: only what is earned counts.

    Returns:
        (T, B), without gradient; the last row is 0.

    Source: Schulman et al. 2016, arXiv:1506.02438.
    """
    returns, foretold = torch.zeros_like(rewards), baselines.detach().to(rewards, copy=True)
    foretold[-1] = 0.0  # nothing comes after the last step
    for t in range(len(rewards) - 2, -1, -1):
        later = foretold[t + 1].lerp(returns[t + 1], gae_lambda)
        returns[t] = rewards[t + 1] + discount * later
    return returns


def earned_by_answers(rewards: Tensor, baselines: Tensor, config: RAMConfig) -> Tensor:
    """Return what each answer earns, (T, B); no gradient.

    That is what its own step pays and, with `answer_earns="episode"`, what later steps pay beyond
    the baseline, discounted.

    Args:
        rewards: (T, B), paid for each step.
        baselines: (T, B), expected of the steps after each; the last one is not used.
        config: The settings.
    """
    if config.answer_earns == "step":
        return rewards
    returns = lambda_returns(rewards, baselines, config.discount, config.gae_lambda)
    beyond = returns - baselines.detach()
    beyond[-1] = 0.0  # nothing comes after the last step
    return rewards + config.discount * beyond


def narrowed(possible: Tensor, answers: Tensor, is_paid: Tensor) -> Tensor:
    """Return the classes that an answer leaves possible, bool (B, C).

    An answer that is paid is right, and all others are wrong; one that is not is wrong.

    Args:
        possible: What was possible before it, bool (B, C).
        answers: int64 (B,).
        is_paid: bool (B,).
    """
    answered = functional.one_hot(answers, possible.shape[1]).bool()
    possible = torch.where(is_paid.unsqueeze(1), answered, possible & ~answered)
    return possible | ~possible.any(1, keepdim=True)  # all, where an env contradicts itself


def pixel_moments(glimpses: Tensor) -> Tensor:
    """Return mean and mean square of the pixels of each scale and colour, (2, K) or (2, K, 3)."""
    pixels = (0, glimpses.dim() - 2, glimpses.dim() - 1)
    return torch.stack([glimpses.mean(pixels), glimpses.square().mean(pixels)])
