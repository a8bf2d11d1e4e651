"""What is RAM taught by? Cross-entropy for the eye, REINFORCE with a baseline for the gaze.

Source: Mnih et al. 2014, arXiv:1406.6247, section 3.2.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.model.config import RAMConfig

MIN_VARIANCE = 1e-8  # of what answers earn: less is rounding


class Rollout(NamedTuple):
    """B whole episodes of T glimpses, time-major. Row t belongs to glimpse t."""

    logits: Tensor  # (T, B, C): class logits after the glimpse
    log_probs: Tensor  # (T, B): of the location chosen after the glimpse; the last one is not used
    baselines: Tensor  # (T, B): expected return
    rewards: Tensor  # (T, B): what the env paid for the step after the glimpse
    choices: Tensor  # (T, B): the label answered after the glimpse, int64
    labels: Tensor  # (B,): the truth, int64; -1 where unknown
    earned_moments: Tensor  # (2, T): mean and mean square of what answers earn, of all processes
    entropies: Tensor | None = None  # (T, B): of the choice among cells, if locations are those
    stops: Tensor | None = None  # (T, B): log-odds of answering after the glimpse, if learned
    glimpse_moments: Tensor | None = None  # (2, K) or (2, K, 3): mean and mean square of pixels


class Losses(NamedTuple):
    """The parts of the loss and their weighted sum, scalars."""

    total: Tensor
    classification_loss: Tensor
    policy_loss: Tensor
    baseline_loss: Tensor


def discounted_returns(rewards: Tensor, discount: float) -> Tensor:
    """Return what each decision brings later: R_t = r_{t+1} + discount * R_{t+1}.

    Args:
        rewards: (T, B); r_t is paid for glimpse t, so the location chosen after it first earns
            r_{t+1}.
        discount: In 0..1.

    Returns:
        (T, B); the last row is 0, as nothing comes after it.
    """
    returns = torch.zeros_like(rewards)
    for t in range(len(rewards) - 2, -1, -1):
        returns[t] = rewards[t + 1] + discount * returns[t + 1]
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
    beyond = discounted_returns(rewards, config.discount) - baselines.detach()
    beyond[-1] = 0.0  # nothing comes after the last step
    return rewards + config.discount * beyond


def gaze_rewards(rollout: Rollout, config: RAMConfig) -> Tensor:
    """Return what each glimpse pays the location that led to it, (T, B); no gradient.

    `"belief"` is the paper's reward, paid as it is earned: from p(label) before the glimpse to
    p(label) after it, and after the last one to 1 if the answer is right, else to 0. An episode's
    pay adds up to that 1 or 0, less the belief that the first glimpse gave for nothing. So does
    `"auto"`, undecided. Where no labels are read, the classes that rewards leave possible are the
    label.
    """
    if config.gaze_reward == "env":
        return rollout.rewards
    log_beliefs = rollout.logits.detach().log_softmax(2)  # (T, B, C)
    answers = rollout.logits[-1].argmax(1)
    if config.learn_class_from == "reward":
        possible = possible_classes(rollout)
        log_likelihoods = belief_in(log_beliefs, possible)
        is_right = possible.gather(1, answers.unsqueeze(1)).squeeze(1)
    else:
        labels = rollout.labels.expand(len(log_beliefs), -1).unsqueeze(2)  # (T, B, 1)
        log_likelihoods = log_beliefs.gather(2, labels).squeeze(2)  # (T, B)
        is_right = answers == rollout.labels
    if config.gaze_reward == "log_likelihood":
        return log_likelihoods.clamp(min=config.log_likelihood_floor)
    beliefs = log_likelihoods.exp()
    beliefs[-1] = is_right
    return beliefs.diff(dim=0, prepend=beliefs[:1])


def possible_classes(rollout: Rollout) -> Tensor:
    """Return the classes that an episode's rewards leave possible, bool (B, C).

    An answer that was paid is right, and all others are wrong; one that was not paid is wrong.
    """
    is_paid = rollout.rewards > 0.0  # (T, B)
    answers = functional.one_hot(rollout.choices, rollout.logits.shape[2]).bool()  # (T, B, C)
    right = (answers & is_paid.unsqueeze(2)).any(0)
    not_wrong = ~(answers & ~is_paid.unsqueeze(2)).any(0)
    possible = torch.where(right.any(1, keepdim=True), right, not_wrong)
    return possible | ~possible.any(1, keepdim=True)  # all, where an env contradicts itself


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
    if config.learn_class_from == "labels":
        classification_loss = _cross_entropy(rollout, config.classify_every_step)
    elif config.answers_by_policy_gradient:
        classification_loss = _answer_loss(rollout, config)
    else:
        classification_loss = _reward_likelihood_loss(rollout, config.classify_every_step)
    returns = discounted_returns(gaze_rewards(rollout, config), config.discount)[:-1]  # (T - 1, B)
    baselines, log_probs = rollout.baselines[:-1], rollout.log_probs[:-1]
    # Detached: the baseline is fitted by its own loss, not by the policy's.
    advantages = returns - baselines.detach()
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


def _reward_likelihood_loss(rollout: Rollout, every_step: bool) -> Tensor:
    """Return the cross-entropy, of what rewards tell of the label instead of the label itself.

    That is minus the log-likelihood that the rewards of an episode have under the belief that one
    class is right all along.
    """
    log_beliefs = rollout.logits.log_softmax(2)  # (T, B, C)
    log_likelihoods = belief_in(log_beliefs, possible_classes(rollout))
    last = -log_likelihoods[-1].mean()
    return last - log_likelihoods.mean() if every_step else last


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
    mean, mean_square = rollout.earned_moments.unsqueeze(2)  # (T, 1) each
    variance = mean_square - mean.square()
    pays = variance > MIN_VARIANCE
    earned = earned_by_answers(rollout.rewards, rollout.baselines, config)
    advantages = (earned - mean) / variance.clamp(min=MIN_VARIANCE).sqrt() * pays
    entropy = -(log_beliefs.exp() * log_beliefs).sum(2) * pays  # (T, B)
    return -(log_probs * advantages + config.entropy_coef * entropy).mean(1).sum()
