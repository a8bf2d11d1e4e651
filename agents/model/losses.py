"""What is RAM taught by? Cross-entropy for the eye, REINFORCE with a baseline for the gaze.

Source: Mnih et al. 2014, arXiv:1406.6247, section 3.2.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.model.config import RAMConfig
from agents.model.rollout import Rollout, discounted_returns, lambda_returns

MIN_VARIANCE = 1e-8  # of what answers earn: less is rounding


class Losses(NamedTuple):
    """The parts of the loss and their weighted sum, scalars."""

    total: Tensor
    classification_loss: Tensor
    policy_loss: Tensor
    baseline_loss: Tensor


def gaze_rewards(rollout: Rollout, config: RAMConfig) -> Tensor:
    """Return what each glimpse pays the location that led to it, (T, B); no gradient.

    `"belief"` is the paper's reward, paid as it is earned: from p(label) before the glimpse to
    p(label) after it, and after the last one to 1 if the answer is right, else to 0. An episode's
    pay adds up to that 1 or 0, less the belief that the first glimpse gave for nothing. So does
    `"auto"`, undecided. `"information"` is the rise of log p(label); `"surprise"`, of the beliefs p
    after a glimpse and q before it, their divergence, the sum of p log(p / q): what information is
    on average if the beliefs are true. Where no labels are read, the classes that rewards leave
    possible are the label.
    """
    if config.gaze_reward == "env":
        return rollout.rewards
    log_beliefs = rollout.logits.detach().log_softmax(2)  # (T, B, C)
    if config.gaze_reward == "surprise":
        return (log_beliefs.exp() * rise(log_beliefs.clamp(min=config.log_likelihood_floor))).sum(2)
    answers = rollout.logits[-1].argmax(1)
    if rollout.possible is not None:
        log_likelihoods = belief_in(log_beliefs, rollout.possible)
        is_right = rollout.possible.gather(1, answers.unsqueeze(1)).squeeze(1)
    else:
        labels = rollout.labels.expand(len(log_beliefs), -1).unsqueeze(2)  # (T, B, 1)
        log_likelihoods = log_beliefs.gather(2, labels).squeeze(2)  # (T, B)
        is_right = answers == rollout.labels
    if config.gaze_reward in ("log_likelihood", "information"):
        log_likelihoods = log_likelihoods.clamp(min=config.log_likelihood_floor)
        return log_likelihoods if config.gaze_reward == "log_likelihood" else rise(log_likelihoods)
    beliefs = log_likelihoods.exp()
    beliefs[-1] = is_right
    return rise(beliefs)


def rise(values: Tensor) -> Tensor:
    """Return by how much values (T, ...) rise with each glimpse; 0 at the first."""
    return values.diff(dim=0, prepend=values[:1])


def belief_in(log_beliefs: Tensor, classes: Tensor) -> Tensor:
    """Return the logarithm of the belief (T, B, C) in some of the classes, bool (B, C): (T, B)."""
    return log_beliefs.masked_fill(~classes, -torch.inf).logsumexp(2)


def hybrid_loss(rollout: Rollout, config: RAMConfig, glimpse_cost: float = 0.0) -> Losses:
    """Compute the loss of a batch of episodes: means over episodes, sums over the locations.

    Args:
        rollout: The episodes.
        config: The settings.
        glimpse_cost: What the env takes off for each glimpse after the first; read by
            `learn_stop` alone.
    """
    if config.answers_by_policy_gradient:
        classification_loss = _answer_loss(rollout, config)
    elif rollout.possible is not None:
        classification_loss = _likelihood_loss(rollout, rollout.possible, config)
    else:
        classification_loss = _cross_entropy(rollout, config.classify_every_step)
    rewards, discount = gaze_rewards(rollout, config), config.discount
    returns = discounted_returns(rewards, discount)[:-1]  # (T - 1, B)
    baselines, log_probs = rollout.baselines[:-1], rollout.log_probs[:-1]
    earned = lambda_returns(rewards, rollout.baselines, discount, config.gae_lambda)[:-1]
    # Detached: the baseline is fitted by its own loss, not by the policy's.
    advantages = earned - baselines.detach()
    policy_loss = -(log_probs * advantages).mean(1).sum()
    baseline_loss = functional.mse_loss(baselines, returns, reduction="sum") / returns.shape[1]
    # A random gaze follows no policy: there is nothing to learn from it.
    policy_coef = config.policy_coef if config.gaze == "learned" else 0.0
    total = classification_loss + policy_coef * policy_loss + config.baseline_coef * baseline_loss
    if rollout.entropies is not None:
        total = total - config.location_entropy_coef * rollout.entropies[:-1].mean(1).sum()
    if rollout.stops is not None:
        total = total + _stop_loss(rollout.stops, rollout, glimpse_cost)
    return Losses(total, classification_loss, policy_loss, baseline_loss)


def _cross_entropy(rollout: Rollout, every_step: bool) -> Tensor:
    """Return the cross-entropy at the last glimpse, plus its mean over all if asked for."""
    last = functional.cross_entropy(rollout.logits[-1], rollout.labels)
    if not every_step:
        return last
    num_glimpses = len(rollout.logits)
    mean = functional.cross_entropy(
        rollout.logits.flatten(0, 1), rollout.labels.repeat(num_glimpses)
    )
    return last + mean


def _likelihood_loss(rollout: Rollout, possible: Tensor, config: RAMConfig) -> Tensor:
    """Return the cross-entropy, of what rewards tell of the label instead of the label itself.

    That is minus the log-likelihood that the rewards of an episode have under the belief that one
    class is right all along.
    """
    log_likelihoods = belief_in(rollout.logits.log_softmax(2), possible)
    last = -log_likelihoods[-1].mean()
    return last - log_likelihoods.mean() if config.classify_every_step else last


def _stop_loss(stops: Tensor, rollout: Rollout, glimpse_cost: float) -> Tensor:
    """Return what stopping by these log-odds, (T, B), is expected to cost.

    An episode that is played to its end shows what stopping at each glimpse would have paid. So
    the expectation over all of them is at hand, and its gradient is the policy gradient without
    the noise of a draw.
    """
    times = torch.arange(len(stops), device=stops.device).unsqueeze(1)
    is_right = rollout.logits.argmax(2) == rollout.labels  # (T, B)
    payoffs = is_right.float() - glimpse_cost * times
    goes_on = functional.logsigmoid(-stops).cumsum(0)[:-1]  # beyond each glimpse but the last
    reached = torch.cat([torch.zeros_like(goes_on[:1]), goes_on])  # (T, B): log-likelihoods
    stops_there = torch.cat([functional.logsigmoid(stops[:-1]), torch.zeros_like(stops[-1:])])
    return -((reached + stops_there).exp() * payoffs).sum(0).mean()


def _answer_loss(rollout: Rollout, config: RAMConfig) -> Tensor:
    """Return REINFORCE's loss for the answered labels, less a share of their entropy.

    An answer is worth what it earns beyond what answers of its step earn on average, in standard
    deviations. A step where all earn alike teaches nothing.
    """
    log_beliefs = rollout.logits.log_softmax(2)  # (T, B, C)
    log_probs = log_beliefs.gather(2, rollout.choices.unsqueeze(2)).squeeze(2)  # (T, B)
    assert rollout.earned is not None and rollout.earned_moments is not None
    mean, mean_square = rollout.earned_moments.unsqueeze(2)  # (T, 1) each
    variance = mean_square - mean.square()
    pays = variance > MIN_VARIANCE
    advantages = (rollout.earned - mean) / variance.clamp(min=MIN_VARIANCE).sqrt() * pays
    entropy = -(log_beliefs.exp() * log_beliefs).sum(2) * pays  # (T, B)
    return -(log_probs * advantages + config.entropy_coef * entropy).mean(1).sum()
