"""The hybrid loss, against numbers computed by hand, and where its gradients go."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from agents.model.config import PRESETS, RAMConfig, make_config
from agents.model.losses import Losses, gaze_rewards, hybrid_loss
from agents.model.policy import RAMPolicy
from agents.model.rollout import (
    Rollout,
    discounted_returns,
    earned_by_answers,
    lambda_returns,
    narrowed,
)

# Beliefs of T=3 glimpses, B=2 episodes, C=2 classes; the truth is 0 and 1.
BELIEFS = [[[0.5, 0.5], [0.75, 0.25]], [[0.8, 0.2], [0.5, 0.5]], [[0.9, 0.1], [0.4, 0.6]]]
LABELS = [0, 1]
ANSWERS_AS_ACTIONS = make_config(
    "pure",
    answer_loss="policy_gradient",
    gaze_reward="env",
    discount=1.0,
    policy_coef=1.0,
    entropy_coef=0.01,
)
LAST_CROSS_ENTROPY = -(math.log(0.9) + math.log(0.6)) / 2
MEAN_CROSS_ENTROPY = -sum(math.log(p) for p in (0.5, 0.25, 0.8, 0.5, 0.9, 0.6)) / 6


def make_rollout(**parts: Any) -> Rollout:
    """Return the rollout that the numbers of this file are computed for."""
    rollout = Rollout(
        logits=torch.tensor(BELIEFS, dtype=torch.float64).log(),
        log_probs=torch.tensor([[-1.0, -2.0], [-3.0, 0.5], [7.0, 7.0]], dtype=torch.float64),
        baselines=torch.tensor([[0.5, 0.25], [0.75, 0.5], [0.5, 0.25]], dtype=torch.float64),
        rewards=torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64),
        choices=torch.tensor([[0, 1], [1, 1], [0, 0]]),
        labels=torch.tensor(LABELS),
    )
    return rollout._replace(**parts)


def earning(rollout: Rollout, earned: torch.Tensor) -> Rollout:
    """Return the rollout with what its answers earn, (T, B)."""
    moments = torch.stack([earned.mean(1), earned.square().mean(1)])
    return rollout._replace(earned=earned, earned_moments=moments)


def values(losses: Losses) -> list[float]:
    """Return total, classification, policy and baseline loss as numbers."""
    return [loss.item() for loss in losses]


@pytest.mark.parametrize(
    ("discount", "expected"),
    [
        (0.0, [[2.0, 5.0], [3.0, 6.0], [0.0, 0.0]]),
        (1.0, [[5.0, 11.0], [3.0, 6.0], [0.0, 0.0]]),
        (0.5, [[3.5, 8.0], [3.0, 6.0], [0.0, 0.0]]),
    ],
)
def test_discounted_returns_start_at_the_next_glimpse(
    discount: float, expected: list[list[float]]
) -> None:
    """R_t = r_{t+1} + discount * R_{t+1}; the reward of a glimpse is not due to its own gaze."""
    rewards = torch.tensor([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    assert discounted_returns(rewards, discount).tolist() == expected


@pytest.mark.parametrize(
    ("gae_lambda", "expected"), [(1.0, 12.0), (0.0, 2.0 + 0.5 * 0.6), (0.5, 2.0 + 0.5 * 10.3)]
)
def test_lambda_returns_foretell_what_comes_later(gae_lambda: float, expected: float) -> None:
    """R_t = r_{t+1} + discount * (lambda R_{t+1} + (1 - lambda) b_{t+1}); the last b counts not."""
    rewards = torch.tensor([[1.0], [2.0], [20.0]], dtype=torch.float64)  # as of any env
    baselines = torch.tensor([[9.0], [0.6], [9.0]])
    baselines.requires_grad_()
    returns = lambda_returns(rewards, baselines, 0.5, gae_lambda)
    assert returns.flatten().tolist() == pytest.approx([expected, 20.0, 0.0], rel=1e-6)
    assert not returns.requires_grad


def test_lambda_pays_gaze_and_answers_alike() -> None:
    """What a decision is paid beyond the baseline is made of lambda returns; the target is not."""
    rollout = make_rollout()
    config = dataclasses.replace(ANSWERS_AS_ACTIONS, gae_lambda=0.5, answer_earns="episode")
    returns = lambda_returns(rollout.rewards, rollout.baselines, 1.0, 0.5)
    beyond = (returns - rollout.baselines)[:-1]
    earned = earned_by_answers(rollout.rewards, rollout.baselines, config)
    torch.testing.assert_close(earned[:-1], rollout.rewards[:-1] + beyond)
    paper = dataclasses.replace(PRESETS["paper"], gae_lambda=0.5)
    losses, usual = hybrid_loss(rollout, paper), hybrid_loss(rollout, PRESETS["paper"])
    expected = -(rollout.log_probs[:-1] * beyond).mean(1).sum()
    torch.testing.assert_close(losses.policy_loss, expected)
    assert losses.baseline_loss == usual.baseline_loss


def test_paper_loss_by_hand() -> None:
    """Cross-entropy at the last glimpse + 0.3 REINFORCE + squared error of the baseline.

    Returns are 1 for episode 0, 0 for episode 1. Policy: -(mean(-1 * 0.5, -2 * -0.25) +
    mean(-3 * 0.25, 0.5 * -0.5)) = 0.5. Baseline: (0.25 + 0.0625 + 0.0625 + 0.25) / 2 = 0.3125.
    """
    losses = hybrid_loss(make_rollout(), PRESETS["paper"])
    total = LAST_CROSS_ENTROPY + 0.3 * 0.5 + 0.3125
    assert values(losses) == pytest.approx([total, LAST_CROSS_ENTROPY, 0.5, 0.3125], rel=1e-12)


def test_coefficients_weigh_the_parts() -> None:
    """Total = classification + policy_coef * policy + baseline_coef * baseline."""
    config = dataclasses.replace(PRESETS["paper"], policy_coef=0.25, baseline_coef=4.0)
    losses = hybrid_loss(make_rollout(), config)
    total = LAST_CROSS_ENTROPY + 0.25 * 0.5 + 4.0 * 0.3125
    assert values(losses) == pytest.approx([total, LAST_CROSS_ENTROPY, 0.5, 0.3125], rel=1e-12)


def test_a_random_gaze_learns_no_policy() -> None:
    """What was not chosen earns no credit: the policy loss is told but not learned from."""
    losses = hybrid_loss(make_rollout(), make_config("paper", gaze="random"))
    total = LAST_CROSS_ENTROPY + 0.3125
    assert values(losses) == pytest.approx([total, LAST_CROSS_ENTROPY, 0.5, 0.3125], rel=1e-12)


def test_classify_every_step_adds_the_mean_over_glimpses() -> None:
    """The cross-entropy after each glimpse is averaged and the last one counts once more."""
    losses = hybrid_loss(make_rollout(), make_config("paper", classify_every_step=True))
    expected = LAST_CROSS_ENTROPY + MEAN_CROSS_ENTROPY
    assert losses.classification_loss.item() == pytest.approx(expected, rel=1e-12)


def test_gaze_is_paid_the_rise_of_the_belief() -> None:
    """A glimpse pays what p(label) rises by; the last one makes it 1 for right, 0 for wrong."""
    beliefs = torch.tensor(BELIEFS, dtype=torch.float64)
    beliefs[2, 1] = torch.tensor([0.7, 0.3])  # the second episode's answer is wrong in the end
    paid = gaze_rewards(make_rollout(logits=beliefs.log()), make_config(gaze_reward="belief"))
    expected = [[0.0, 0.0], [0.8 - 0.5, 0.5 - 0.25], [1.0 - 0.8, 0.0 - 0.5]]
    np.testing.assert_allclose(paid, expected, rtol=0, atol=1e-12)


def test_pay_by_belief_adds_up_to_the_papers_reward() -> None:
    """All later pay of an episode is 1 or 0 for its answer, less what was believed before."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(5, 200, 10, generator=generator, dtype=torch.float64)
    labels = torch.randint(10, (200,), generator=generator)
    config = make_config(gaze_reward="belief")
    paid = gaze_rewards(make_rollout(logits=logits, labels=labels), config)
    is_success = (logits[-1].argmax(1) == labels).double()
    assert 0 < is_success.sum() < 200
    beliefs = logits.softmax(2)[:, range(200), labels]
    expected = is_success - beliefs[:-1]
    torch.testing.assert_close(discounted_returns(paid, 1.0)[:-1], expected, rtol=0, atol=1e-12)


def test_pay_takes_no_gradient() -> None:
    """What a gaze is paid does not shape the beliefs it is computed from."""
    for gaze_reward in ("belief", "log_likelihood", "information", "surprise"):
        logits = make_rollout().logits.clone().requires_grad_()
        paid = gaze_rewards(make_rollout(logits=logits), make_config(gaze_reward=gaze_reward))
        assert not paid.requires_grad


def test_gaze_is_paid_by_the_next_log_likelihood() -> None:
    """With discount 0 the return of a gaze is log p(label) after the glimpse it leads to."""
    losses = hybrid_loss(make_rollout(), make_config(gaze_reward="log_likelihood"))
    returns = [[math.log(0.8), math.log(0.5)], [math.log(0.9), math.log(0.6)]]
    log_probs, baselines = [[-1.0, -2.0], [-3.0, 0.5]], [[0.5, 0.25], [0.75, 0.5]]
    advantages = np.array(returns) - np.array(baselines)
    policy = -(np.array(log_probs) * advantages).mean(axis=1).sum()
    baseline = (advantages**2).sum() / 2
    assert values(losses)[2:] == pytest.approx([policy, baseline], rel=1e-12)


def test_gaze_is_paid_for_information() -> None:
    """A glimpse pays what log p(label) rises by, from the floor on."""
    beliefs = torch.tensor(BELIEFS, dtype=torch.float64)
    beliefs[0, 0] = torch.tensor([1e-30, 1.0])
    config = make_config(gaze_reward="information", log_likelihood_floor=-2.0)
    paid = gaze_rewards(make_rollout(logits=beliefs.log()), config)
    rises = [
        [math.log(0.8) + 2.0, math.log(0.5 / 0.25)],
        [math.log(0.9 / 0.8), math.log(0.6 / 0.5)],
    ]
    np.testing.assert_allclose(paid, [[0.0, 0.0], *rises], rtol=0, atol=1e-12)


def test_surprise_is_the_information_that_is_to_be_expected() -> None:
    """Averaged over labels as likely as believed; never negative, and nothing if nothing moves."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 3, 5, generator=generator, dtype=torch.float64)
    logits[3] = logits[2]
    paid = gaze_rewards(make_rollout(logits=logits), make_config(gaze_reward="surprise"))
    expected = torch.zeros_like(paid)
    for label in range(5):
        labels = torch.full((3,), label)
        config = make_config(gaze_reward="information")
        information = gaze_rewards(make_rollout(logits=logits, labels=labels), config)
        expected += logits.softmax(2)[..., label] * information
    torch.testing.assert_close(paid, expected, rtol=0, atol=1e-12)
    assert (paid >= 0.0).all() and (paid[[0, 3]] == 0.0).all()


def test_log_likelihood_is_floored() -> None:
    """A belief of nearly 0 in the truth pays the floor, not minus infinity."""
    beliefs = torch.tensor(BELIEFS, dtype=torch.float64)
    beliefs[1, 0] = torch.tensor([1e-30, 1.0])
    rollout = make_rollout(logits=beliefs.log(), baselines=torch.zeros(3, 2, dtype=torch.float64))
    config = make_config(gaze_reward="log_likelihood", log_likelihood_floor=-2.0)
    losses = hybrid_loss(rollout, config)
    returns = [-2.0, math.log(0.5), math.log(0.9), math.log(0.6)]
    expected = sum(value**2 for value in returns) / 2
    assert losses.baseline_loss.item() == pytest.approx(expected, rel=1e-12)


def test_last_log_prob_is_not_used() -> None:
    """Nobody looks where the last location points to."""
    log_probs = make_rollout().log_probs.clone().requires_grad_()
    hybrid_loss(make_rollout(log_probs=log_probs), PRESETS["paper"]).total.backward()
    assert log_probs.grad is not None
    assert (log_probs.grad[:-1] != 0).all()
    assert (log_probs.grad[-1] == 0).all()


def test_loss_of_answers_as_actions_by_hand() -> None:
    """The answered label is an action: -log p(choice) * (reward - mean) / std, less entropy.

    The last step alone pays. Choices are 0 and 0 there, with beliefs 0.9 and 0.4; rewards 1 and 0
    are one standard deviation above and below their mean.
    """
    rollout = make_rollout()
    losses = hybrid_loss(earning(rollout, rollout.rewards), ANSWERS_AS_ACTIONS)
    entropy = -sum(p * math.log(p) for p in (0.9, 0.1, 0.4, 0.6)) / 2
    label_loss = -(math.log(0.9) - math.log(0.4)) / 2 - 0.01 * entropy
    total = label_loss + 0.5 + 0.3125
    assert values(losses) == pytest.approx([total, label_loss, 0.5, 0.3125], rel=1e-12)


def test_every_answer_that_is_paid_for_is_learned_from() -> None:
    """Rewards at each step credit the answer of that step alone, whatever comes later."""
    rewards = torch.tensor([[0.5, 0.0], [0.0, 0.5], [0.0, 0.0]], dtype=torch.float64)
    logits = make_rollout().logits.clone().requires_grad_()
    rollout = earning(make_rollout(logits=logits, rewards=rewards), rewards)
    config = dataclasses.replace(ANSWERS_AS_ACTIONS, entropy_coef=0.0)
    loss = hybrid_loss(rollout, config).classification_loss
    # Beliefs in the choices: 0.5 and 0.25 after the first glimpse, 0.2 and 0.5 after the second.
    expected = -(math.log(0.5) - math.log(0.25) - math.log(0.2) + math.log(0.5)) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    loss.backward()
    assert logits.grad is not None
    assert [bool(part.any()) for part in logits.grad] == [True, True, False]


def test_an_answer_may_earn_what_later_steps_pay() -> None:
    """With `answer_earns='episode'`: its own step's pay, and the rest beyond the baseline.

    After the last step nothing comes, whatever its baseline foretells.
    """
    rollout = make_rollout()
    config = dataclasses.replace(ANSWERS_AS_ACTIONS, answer_earns="episode", discount=0.5)
    earned = earned_by_answers(rollout.rewards, rollout.baselines, config)
    # Returns are 0.5 and 1 for the first episode, 0 for the other, until the last step.
    expected = [[0.5 * (0.5 - 0.5), 0.5 * -0.25], [0.5 * (1.0 - 0.75), 0.5 * -0.5], [1.0, 0.0]]
    assert earned.tolist() == expected
    at_once = earned_by_answers(rollout.rewards, rollout.baselines, ANSWERS_AS_ACTIONS)
    assert at_once.equal(rollout.rewards)
    loss = hybrid_loss(earning(rollout, earned), config)
    # One standard deviation above or below the mean of two; choices have these beliefs.
    choices = [(0.5, 0.25), (0.2, 0.5), (0.9, 0.4)]
    entropy = -sum(p * math.log(p) for row in BELIEFS for pair in row for p in pair) / 2
    label_loss = -sum(math.log(a) - math.log(b) for a, b in choices) / 2 - 0.01 * entropy
    assert loss.classification_loss.item() == pytest.approx(label_loss, rel=1e-12)


# Three answers of four episodes, among five classes: paid at once, paid late, never, and to all.
ANSWERED = [[3, 0, 1, 0], [3, 2, 1, 1], [4, 2, 0, 2]]
PAID = [[1, 0, 0, 1], [1, 1, 0, 0], [0, 1, 0, 0]]
POSSIBLE = [[3], [2], [2, 3, 4], [0]]


def left_possible(num_classes: int, answers: torch.Tensor, paid: torch.Tensor) -> torch.Tensor:
    """Return what is possible after answers (T, B) that were paid or not, bool (B, C)."""
    possible = torch.ones(answers.shape[1], num_classes, dtype=torch.bool)
    for answered, is_paid in zip(answers, paid, strict=True):
        possible = narrowed(possible, answered, is_paid)
    return possible


def told_rollout(**parts: Any) -> Rollout:
    """Return a rollout of the answers above, with beliefs drawn at random."""
    generator = torch.Generator().manual_seed(2)
    told: dict[str, Any] = {"labels": torch.full((4,), -1), "choices": torch.tensor(ANSWERED)}
    told["logits"] = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64)
    told["rewards"] = torch.tensor(PAID, dtype=torch.float64) / 3
    told |= {name: torch.zeros(3, 4, dtype=torch.float64) for name in ("log_probs", "baselines")}
    told |= parts
    possible = left_possible(5, told["choices"], told["rewards"] > 0)
    return make_rollout(**told, possible=possible)


def test_what_rewards_leave_possible() -> None:
    """A paid answer is right and all else wrong; an unpaid one is wrong."""
    possible = left_possible(5, torch.tensor(ANSWERED), torch.tensor(PAID).bool())
    assert [row.nonzero()[:, 0].tolist() for row in possible] == POSSIBLE


def test_where_rewards_contradict_each_other_all_is_possible() -> None:
    """An env that has paid no answer at all has told nothing."""
    answers = torch.arange(5)[:, None]
    unpaid = torch.zeros(5, 1, dtype=torch.bool)
    assert left_possible(5, answers, unpaid).all()


def test_pure_loss_is_the_likelihood_of_the_rewards() -> None:
    """Minus the log of the belief in what is possible: at the end, and its mean over glimpses."""
    rollout = told_rollout()
    beliefs = rollout.logits.softmax(2)
    logs = [[math.log(sum(row[b, POSSIBLE[b]])) for b in range(4)] for row in beliefs]
    expected = -np.mean(logs[-1]) - np.mean(logs)
    loss = hybrid_loss(rollout, PRESETS["pure"]).classification_loss
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    last_alone = hybrid_loss(rollout, make_config("pure", classify_every_step=False))
    assert last_alone.classification_loss.item() == pytest.approx(-np.mean(logs[-1]), rel=1e-12)


def test_pure_gaze_is_paid_the_rise_of_the_belief_in_what_is_possible() -> None:
    """As with labels; at the end 1 if the likeliest class is possible, else 0."""
    rollout = told_rollout()
    beliefs = rollout.logits.softmax(2)
    in_possible = np.array([[sum(row[b, POSSIBLE[b]]) for b in range(4)] for row in beliefs])
    answers = beliefs[-1].argmax(1).tolist()
    in_possible[-1] = [answer in known for answer, known in zip(answers, POSSIBLE, strict=True)]
    assert set(in_possible[-1]) == {0.0, 1.0}
    expected = np.diff(in_possible, axis=0, prepend=in_possible[:1])
    paid = gaze_rewards(rollout, PRESETS["pure"])
    np.testing.assert_allclose(paid, expected, rtol=0, atol=1e-12)


def test_rewards_that_tell_the_label_teach_as_the_label_does() -> None:
    """Where every episode has a paid answer, both give the same loss."""
    truth = torch.tensor([3, 2, 1, 0])
    answers = truth.expand(3, -1)
    rollout = told_rollout(choices=answers, rewards=torch.ones(3, 4), labels=truth)
    told = hybrid_loss(rollout, PRESETS["pure"])
    shown = hybrid_loss(rollout, make_config(gaze_reward="belief"))
    assert values(told) == pytest.approx(values(shown), rel=1e-12)


@pytest.mark.parametrize("config", [ANSWERS_AS_ACTIONS, PRESETS["pure"]])
def test_pure_loss_reads_no_label(config: RAMConfig) -> None:
    """Unknown labels (-1) give the same loss and gradient, bit for bit."""
    outcomes = []
    for labels in ([0, 1, 1, 0], [-1, -1, -1, -1]):
        logits = told_rollout().logits.clone().requires_grad_()
        rollout = told_rollout(logits=logits, labels=torch.tensor(labels))
        rollout = earning(rollout, rollout.rewards)
        losses = hybrid_loss(rollout, config)
        losses.total.backward()
        assert logits.grad is not None
        outcomes.append((values(losses), logits.grad.tolist()))
    assert outcomes[0] == outcomes[1]


def test_one_glimpse_leaves_only_the_classification() -> None:
    """With T=1 there is no gaze to learn: the other losses are 0 and finite."""
    whole = make_rollout()
    timed = ("logits", "log_probs", "baselines", "rewards", "choices")
    rollout = whole._replace(**{name: getattr(whole, name)[:1] for name in timed})
    losses = hybrid_loss(rollout, PRESETS["paper"])
    first = -(math.log(0.5) + math.log(0.25)) / 2
    assert values(losses) == pytest.approx([first, first, 0.0, 0.0], rel=1e-12)


# Where gradients go.

B, T, K, G, C = 4, 3, 2, 4, 5


def make_policy(config: RAMConfig) -> RAMPolicy:
    """Return a policy with networks small enough for a test."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "feature_size": 16}
    sizes |= {"what_hidden_size": 16, "where_hidden_size": 16}
    observation_space = spaces.Dict(
        glimpse=spaces.Box(0.0, 1.0, (K, G, G)), location=spaces.Box(-1.0, 1.0, (2,))
    )
    action_space = spaces.Box(-1.0, 1.0, (2 + C,))
    config = dataclasses.replace(config, **sizes)
    policy = RAMPolicy(observation_space, action_space, lambda _: 1e-3, config)
    # The last layer starts near zero; a large one makes a leaking gradient visible.
    torch.nn.init.normal_(policy.networks.location_network.mean.weight)
    return policy


def play(policy: RAMPolicy) -> Rollout:
    """Play episodes of random glimpses in which each sampled location is fed to the next step."""
    torch.manual_seed(1)
    state, location = policy.networks.initial_state(B), torch.zeros(B, 2)
    steps = []
    for _ in range(T):
        thought = policy({"glimpse": torch.rand(B, K, G, G), "location": location}, state)
        state = thought.state
        location = policy.sample_location(thought.mean, torch.randn(B, 2))
        log_prob = policy.log_prob(location, thought.mean)
        steps.append((thought.logits, log_prob, thought.baseline, torch.rand(B)))
    logits, log_probs, baselines, rewards = (torch.stack(part) for part in zip(*steps, strict=True))
    labels = torch.tensor([0, 1, 2, 3])
    choices = labels.flip(0).expand(T, -1)
    possible = torch.ones(B, C, dtype=torch.bool)
    return Rollout(logits, log_probs, baselines, rewards, choices, labels, possible)


def reached_networks(config: RAMConfig, part: str) -> set[str]:
    """Return the networks that one part of the loss gives a gradient other than 0."""
    policy = make_policy(config)
    getattr(hybrid_loss(play(policy), config), part).backward()
    return {
        name.split(".")[0].removesuffix("_network")
        for name, parameter in policy.networks.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_cross_entropy_trains_eye_core_and_classifier(preset: str) -> None:
    """Cross-entropy reaches glimpse, core and action networks, and no other."""
    reached = reached_networks(PRESETS[preset], "classification_loss")
    assert reached == {"glimpse", "core", "action"}


@pytest.mark.parametrize("preset", ["default", "paper", "pure"])
def test_baseline_loss_trains_the_baseline_alone(preset: str) -> None:
    """The squared error of the baseline reaches no other network."""
    assert reached_networks(PRESETS[preset], "baseline_loss") == {"baseline"}


@pytest.mark.parametrize("preset", ["default", "paper", "pure"])
def test_policy_loss_shapes_the_core_where_the_setting_says_so(preset: str) -> None:
    """With `policy_gradient_to_core`, REINFORCE reaches core and glimpse networks too."""
    reached = reached_networks(PRESETS[preset], "policy_loss")
    assert reached == {"location", "core", "glimpse"}
    kept_away = dataclasses.replace(PRESETS[preset], policy_gradient_to_core=False)
    assert reached_networks(kept_away, "policy_loss") == {"location"}


def test_sample_is_detached() -> None:
    """No gradient leads through the sample into the next glimpse or the log-probability."""
    policy = make_policy(PRESETS["paper"])
    mean = torch.randn(B, 2, requires_grad=True)
    location = policy.sample_location(mean, torch.randn(B, 2))
    assert not location.requires_grad


def test_gradient_of_log_prob_is_deviation_over_variance() -> None:
    """D log_prob / d mean = (location - mean) / std**2, on the canvas."""
    policy = make_policy(PRESETS["paper"])
    mean = torch.zeros(B, 2, requires_grad=True)
    location = policy.sample_location(mean, torch.randn(B, 2))
    policy.log_prob(location, mean).sum().backward()
    expected = (location - mean.detach()) / PRESETS["paper"].location_std ** 2
    assert mean.grad is not None
    torch.testing.assert_close(mean.grad, expected)


@pytest.mark.parametrize("preset", ["paper", "default"])
def test_loss_gradient_of_the_last_layer_of_the_gaze_by_hand(preset: str) -> None:
    """D policy_loss / d bias = -mean over B, sum over t of advantage * (l - mean) / std**2."""
    config = dataclasses.replace(PRESETS[preset], squash_location=False)
    policy = make_policy(config)
    policy.networks.location_network.mean.weight.data.mul_(0.1)  # so that all stays on the canvas
    kept: list[torch.Tensor] = []
    policy.networks.location_network.register_forward_hook(
        lambda module, inputs, output: kept.append(output.detach())
    )
    locations: list[torch.Tensor] = []
    sample = policy.sample_location
    policy.sample_location = lambda *inputs: locations.append(sample(*inputs)) or locations[-1]  # type: ignore[func-returns-value, method-assign]
    rollout = play(policy)
    hybrid_loss(rollout, config).policy_loss.backward()
    returns = discounted_returns(gaze_rewards(rollout, config), config.discount)
    advantages = returns - rollout.baselines.detach()
    assert (torch.stack(locations).abs() < 1.0).all()
    slopes = (torch.stack(locations) - torch.stack(kept)) / config.location_std**2
    expected = -(advantages[:-1, :, None] * slopes[:-1]).mean(1).sum(0)
    bias = policy.networks.location_network.mean.bias
    assert bias.grad is not None
    torch.testing.assert_close(bias.grad, expected, rtol=1e-4, atol=1e-5)
