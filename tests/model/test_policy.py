"""`RAMPolicy`: from observations to actions."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from agents.base.errors import DivergenceError
from agents.model.config import PRESETS, make_config
from agents.model.networks import Thought
from agents.model.policy import Decision, RAMPolicy
from ram_env.games.tasks import CanvasTask

B, K, G, C = 6, 2, 4, 5
GLIMPSE = spaces.Box(0.0, 1.0, (K, G, G))
OBSERVATION = spaces.Dict(glimpse=GLIMPSE, location=spaces.Box(-1.0, 1.0, (2,)))
BOX = spaces.Box(-1.0, 1.0, (2 + C,))
GRID = 7
CELLS = spaces.MultiDiscrete([GRID, GRID, C])
SPACES = pytest.mark.parametrize("space", [BOX, CELLS], ids=["box", "multidiscrete"])


def make_policy(
    space: spaces.Space[Any] = BOX, preset: str = "default", gaze: str = "learned"
) -> RAMPolicy:
    """Return a policy whose mean locations differ clearly from one observation to the next."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "feature_size": 16, "what_hidden_size": 16}
    config = make_config(preset, gaze=gaze, **sizes)
    policy = RAMPolicy(OBSERVATION, space, lambda _: 1e-3, config)
    torch.nn.init.normal_(policy.networks.location_network.mean.weight)
    return policy


def observe(seed: int = 0, batch_size: int = B) -> dict[str, np.ndarray]:
    """Return a batch of random observations."""
    rng = np.random.default_rng(seed)
    return {
        "glimpse": rng.random((batch_size, K, G, G), dtype=np.float32),
        "location": rng.uniform(-1, 1, (batch_size, 2)).astype(np.float32),
    }


def softmax(values: np.ndarray) -> np.ndarray:
    """Return softmax over the last axis, in float64."""
    powers = np.exp(values.astype(np.float64) - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("std", [0.05, 0.3, 2.0])
def test_log_prob_on_the_canvas_is_the_normal_density(std: float) -> None:
    """It equals torch's own, summed over x and y."""
    policy = make_policy()
    policy.location_std.fill_(std)
    location, mean = 2 * torch.rand(3, B, 2) - 1, torch.randn(3, B, 2)
    expected = torch.distributions.Normal(mean, std).log_prob(location).sum(-1)
    torch.testing.assert_close(policy.log_prob(location, mean), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("std", [0.05, 0.3, 2.0])
def test_log_prob_beyond_a_border_is_that_of_the_border(std: float) -> None:
    """However far beyond: the logarithm of all that the normal distribution has there."""
    policy = make_policy()
    policy.location_std.fill_(std)
    mean = torch.rand(B, 2, dtype=torch.float64) - 0.5
    scale = std * 2**0.5
    right = (torch.special.erfc((1 - mean[:, 0]) / scale) / 2).log()
    above = (torch.special.erfc((1 + mean[:, 1]) / scale) / 2).log()
    for distance in (1.0, 1.5, 40.0):
        location = torch.tensor([distance, -distance], dtype=torch.float64).expand(B, 2)
        log_prob = policy.log_prob(location, mean)
        torch.testing.assert_close(log_prob, right + above, rtol=1e-5, atol=1e-5)


def test_a_mean_off_the_canvas_is_not_pushed_on_by_chance() -> None:
    """Samples beyond the border teach nothing, as the env sees all there; one within pulls back."""
    policy = make_policy()
    policy.location_std.fill_(0.15)
    mean = torch.full((3, 2), -2.5, requires_grad=True)
    location = torch.tensor([[-2.2, -2.8], [-9.0, -2.5], [-0.9, -1.1]])
    policy.log_prob(location, mean).sum().backward()
    assert mean.grad is not None
    assert (mean.grad[:2].abs() < 1e-6).all()
    assert mean.grad[2, 0] > 10
    assert abs(mean.grad[2, 1]) < 1e-6


def test_sample_is_mean_plus_std_times_noise() -> None:
    """Location = mean + std * noise, not clipped: `log_prob` must know what lies beyond."""
    policy = make_policy()
    policy.location_std.fill_(0.5)
    mean, noise = torch.tensor([[0.9, -0.25]]), torch.tensor([[2.0, 1.0]])
    torch.testing.assert_close(policy.sample_location(mean, noise), torch.tensor([[1.9, 0.25]]))


def test_location_std_starts_as_configured() -> None:
    """A new policy explores with the first std of the schedule, and a state dict holds it."""
    policy = make_policy(preset="paper")
    assert policy.state_dict()["location_std"].item() == np.float32(PRESETS["paper"].location_std)


def decide(
    policy: RAMPolicy, location: Tensor, logits: Tensor, uniform: Tensor | None = None
) -> Decision:
    """Return what a policy makes of thoughts of locations (B, 2) and class logits (B, C)."""
    return policy.act(Thought(logits, location, location[:, 0], location), uniform=uniform)


def test_decision_is_mean_and_likeliest_label_without_exploration() -> None:
    """Location, its log-likelihood, label and action say the same."""
    policy, mean = make_policy(), torch.rand(B, 2) - 0.5
    logits = torch.randn(B, C)
    decision = decide(policy, mean, logits)
    assert torch.equal(decision.location, mean)
    assert torch.equal(decision.log_prob, policy.log_prob(mean, mean))
    assert torch.equal(decision.labels, logits.argmax(1))
    np.testing.assert_array_equal(decision.actions[:, :2], mean.numpy())
    np.testing.assert_array_equal(decision.actions[:, 2:].argmax(1), logits.argmax(1).numpy())


def test_decision_explores_by_the_numbers_that_it_is_given() -> None:
    """Noise moves the location, uniform numbers draw the label; gradients reach the mean alone."""
    policy = make_policy()
    mean, logits = torch.zeros(B, 2, requires_grad=True), torch.zeros(B, C, requires_grad=True)
    noise, uniform = torch.randn(B, 2), (torch.arange(B) % C).unsqueeze(1) / C + 0.1
    thought = Thought(logits, mean, mean[:, 0], mean)
    decision = policy.act(thought, noise, uniform)
    assert torch.equal(decision.location, policy.sample_location(mean, noise))
    assert torch.equal(decision.log_prob, policy.log_prob(decision.location, mean))
    assert decision.labels.tolist() == [row % C for row in range(B)]
    assert decision.log_prob.requires_grad
    assert not decision.location.requires_grad and not decision.labels.requires_grad


@pytest.mark.parametrize("score_scale", [10.0, 25.0])
def test_scores_carry_the_belief(score_scale: float) -> None:
    """softmax(score_scale * scores) is softmax(logits) where no logit is 2 scales below the best.

    A score near 1 is a float32 with steps of 6e-8, ten times coarser in nats: hence the tolerance.
    """
    logits = torch.randn(B, C, generator=torch.Generator().manual_seed(0)) * 4.0
    policy = make_policy()
    policy.set_score_scale(score_scale)
    actions = decide(policy, torch.zeros(B, 2), logits).actions
    assert actions.dtype == np.float32
    belief = softmax(score_scale * actions[:, 2:])
    np.testing.assert_allclose(belief, softmax(logits.numpy()), rtol=1e-5)


def test_env_reads_the_belief_that_the_policy_holds() -> None:
    """The env's default score scale is the policy's."""
    task = CanvasTask(dataset="digits")
    logits = torch.randn(B, 10, generator=torch.Generator().manual_seed(0)) * 4.0
    policy = RAMPolicy(task.observation_space, task.action_space, lambda _: 1e-3)
    assert policy.score_scale == task.score_scale
    answers = task.format.decode(decide(policy, torch.zeros(B, 2), logits).actions)
    assert answers.scores is not None
    belief = np.exp(task.log_belief(answers.scores))
    np.testing.assert_allclose(belief, softmax(logits.numpy()), rtol=1e-5)


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=C, max_size=C),
    st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32)),
)
def test_any_action_is_in_the_box_and_keeps_the_label(
    logits: list[float], location: tuple[float, float]
) -> None:
    """Locations are clipped, scores lie in [-1, 1], and the best class stays the best.

    Classes within 1e-6 nats of each other are the same to a float32 score.
    """
    action = decide(POLICY, torch.tensor([location]), torch.tensor([logits])).actions[0]
    assert BOX.contains(action)
    np.testing.assert_array_equal(action[:2], np.clip(np.array(location, np.float32), -1.0, 1.0))
    assert logits[action[2:].argmax()] >= max(logits) - 1e-6


POLICY = make_policy()


def test_cells_of_locations() -> None:
    """The edges -1 and 1 lie in the first and the last cell; locations beyond are clipped."""
    x = torch.tensor([-1.0, 1.0, -9.0, 9.0, 0.0, -5 / 7 - 1e-4, -5 / 7 + 1e-4, 0.999])
    locations, logits = torch.stack([x, -x], dim=1), torch.zeros(len(x), C)
    actions = decide(make_policy(CELLS), locations, logits).actions
    assert actions[:, 0].tolist() == [0, 6, 0, 6, 3, 0, 1, 6]
    assert actions[:4, 1].tolist() == [6, 0, 6, 0]
    assert all(CELLS.contains(action) for action in actions)


@pytest.mark.parametrize("place", ["location", "logits"])
@pytest.mark.parametrize("drawn", [False, True])
@SPACES
def test_numbers_that_are_not_finite_are_an_error(
    space: spaces.Space[Any], drawn: bool, place: str
) -> None:
    """Nothing that is no number becomes a cell or a label, likeliest or drawn."""
    parts = {"location": torch.zeros(B, 2), "logits": torch.zeros(B, C)}
    parts[place][-1, 0] = float("nan")
    uniform = torch.rand(B, 1) if drawn else None
    with pytest.raises(DivergenceError, match=r"not finite.*lower `learning_rate`"):
        decide(make_policy(space), **parts, uniform=uniform)


@SPACES
def test_a_drawn_label_is_what_the_env_reads(space: spaces.Space[Any]) -> None:
    """Whatever the belief is, in both formats; scores leave no doubt."""
    uniform = (torch.arange(C).unsqueeze(1) + 0.5) / C
    decision = decide(make_policy(space), torch.zeros(C, 2), torch.zeros(C, C), uniform)
    assert decision.labels.tolist() == list(range(C))
    if space is BOX:
        np.testing.assert_array_equal(decision.actions[:, 2:], 2 * np.eye(C) - 1)
    else:
        assert decision.actions[:, 2].tolist() == list(range(C))


@SPACES
def test_predict_one_is_predict_many(space: spaces.Space[Any]) -> None:
    """One observation gives the action that it gives in a batch, without the first dimension."""
    policy, batch = make_policy(space), observe()
    actions, states = policy.predict(batch, deterministic=True)
    assert states is not None
    assert actions.shape == (B, len(space.sample())) and states[0].shape == (B, 16)
    for row in range(B):
        one = {key: value[row] for key, value in batch.items()}
        action, state = policy.predict(one, deterministic=True)
        assert state is not None
        assert space.contains(action)
        # Matrices of other sizes are multiplied in another order.
        np.testing.assert_allclose(action, actions[row], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(state[0], states[0][[row]], rtol=1e-5, atol=1e-5)


def test_predict_deterministically_takes_the_mean() -> None:
    """Without exploration the location is the mean, and a second call returns the same."""
    policy, batch = make_policy(), observe()
    actions, _ = policy.predict(batch, deterministic=True)
    tensors = {key: torch.as_tensor(value) for key, value in batch.items()}
    thought = policy(tensors, policy.networks.initial_state(B))
    np.testing.assert_array_equal(actions[:, :2], thought.mean.detach().numpy())
    np.testing.assert_array_equal(policy.predict(batch, deterministic=True)[0], actions)


def test_predict_explores_with_the_current_std() -> None:
    """Sampled locations have the mean and the standard deviation asked for."""
    policy, one = make_policy(), observe(batch_size=1)
    torch.nn.init.zeros_(policy.networks.location_network.mean.weight)
    policy.location_std.fill_(0.1)
    batch = {key: value.repeat(20_000, axis=0) for key, value in one.items()}
    torch.manual_seed(0)
    locations = policy.predict(batch)[0][:, :2]
    # 5 standard errors of a mean and of a standard deviation of 20,000 numbers.
    np.testing.assert_allclose(locations.mean(axis=0), 0.0, atol=5 * 0.1 / np.sqrt(20_000))
    np.testing.assert_allclose(locations.std(axis=0), 0.1, atol=5 * 0.1 / np.sqrt(40_000))


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_random_gaze_is_uniform(deterministic: bool) -> None:
    """Both coordinates fill the canvas evenly, whatever is seen; a repetition is the same."""
    policy = make_policy(gaze="random")
    batch = {key: value.repeat(4_000, axis=0) for key, value in observe(batch_size=5).items()}
    torch.manual_seed(0)
    actions, state = policy.predict(batch, deterministic=deterministic)
    second, _ = policy.predict(batch, state, deterministic=deterministic)
    for locations in (actions[:, :2], second[:, :2]):
        assert np.abs(locations).max() <= 1
        x, y = np.minimum((locations + 1) * 2, 3).astype(int).T  # cells of a 4 x 4 grid
        counts = np.bincount(4 * x + y, minlength=16)
        assert np.abs(counts - 20_000 / 16).max() < 5 * np.sqrt(20_000 / 16)
    assert not np.array_equal(actions[:, :2], second[:, :2])
    if deterministic:
        assert np.array_equal(policy.predict(batch, deterministic=True)[0], actions)


def test_predict_draws_the_label_in_pure_mode_only_when_it_explores() -> None:
    """In `pure` the class is an action: drawn when exploring, the best when deterministic."""
    policy = make_policy(CELLS, "pure")
    batch = {key: value.repeat(5_000, axis=0) for key, value in observe(batch_size=1).items()}
    torch.manual_seed(0)
    assert set(policy.predict(batch)[0][:, 2]) == set(range(C))
    assert len(set(policy.predict(batch, deterministic=True)[0][:, 2])) == 1


@SPACES
def test_state_carries_memory(space: spaces.Space[Any]) -> None:
    """The second action depends on the first glimpse, through the state alone."""
    policy = make_policy(space)
    _, state = policy.predict(observe(0), deterministic=True)
    _, other = policy.predict(observe(1), deterministic=True)
    second = observe(2)
    new = policy.predict(second, state, np.zeros(B, bool), True)[1]
    same = policy.predict(second, state, None, True)[1]
    different = policy.predict(second, other, np.zeros(B, bool), True)[1]
    assert new is not None and same is not None and different is not None
    np.testing.assert_array_equal(new[0], same[0])
    assert (np.abs(new[0] - different[0]).max(axis=1) > 1e-3).all()


def test_episode_start_forgets_row_by_row() -> None:
    """Rows that begin an episode act as with no state, the others as with theirs; bit for bit."""
    policy = make_policy()
    _, state = policy.predict(observe(0), deterministic=True)
    second = observe(1)
    fresh, _ = policy.predict(second, None, None, True)
    going_on, _ = policy.predict(second, state, np.zeros(B, bool), True)
    starts = np.array([True, False, False, True, False, True])
    mixed, _ = policy.predict(second, state, starts, True)
    np.testing.assert_array_equal(mixed, np.where(starts[:, None], fresh, going_on))
    assert not np.array_equal(fresh, going_on)


def test_predict_leaves_a_given_state_alone() -> None:
    """The state handed in is not written to."""
    policy = make_policy()
    _, state = policy.predict(observe(0), deterministic=True)
    assert state is not None
    before = state[0].copy()
    policy.predict(observe(1), state, np.ones(B, bool), True)
    np.testing.assert_array_equal(state[0], before)


@pytest.mark.parametrize("training", [True, False])
def test_predict_restores_train_mode(training: bool) -> None:
    """Whoever was training goes on training."""
    policy = make_policy()
    policy.set_training_mode(training)
    policy.predict(observe())
    assert policy.training == training
    assert policy.networks.training == training


def test_predict_takes_numbers_of_other_types() -> None:
    """Float64, which numpy makes of most things, is as good as float32."""
    policy, batch = make_policy(), observe()
    wide = {key: value.astype(np.float64) for key, value in batch.items()}
    actions, _ = policy.predict(wide, deterministic=True)
    np.testing.assert_array_equal(actions, policy.predict(batch, deterministic=True)[0])


@pytest.mark.parametrize(
    ("observation", "got"),
    [
        (observe()["glimpse"], "ndarray"),
        ({"glimpse": observe()["glimpse"]}, r"\['glimpse'\]"),
        (observe() | {"label": np.zeros(B)}, "'label'"),
    ],
)
def test_predict_refuses_other_observations(observation: Any, got: str) -> None:
    """What is no dict of a glimpse and a location is told; the policy is as it was."""
    policy = make_policy()
    policy.set_training_mode(True)
    with pytest.raises(ValueError, match=r"`observation` must be a dict of .*, got .*" + got):
        policy.predict(observation)
    assert policy.training


@pytest.mark.parametrize("rows", [1, B - 1])
def test_predict_refuses_the_state_of_other_envs(rows: int) -> None:
    """A state belongs to as many observations as it was made from; the policy is as it was."""
    policy = make_policy()
    policy.set_training_mode(True)
    _, state = policy.predict(observe(batch_size=rows))
    with pytest.raises(ValueError, match=rf"`state` .* \({B}, 16\), got \[\({rows}, 16\)\]"):
        policy.predict(observe(), state)
    assert policy.training


def test_predict_of_stable_baselines3_is_a_first_glimpse() -> None:
    """`_predict`, which the base class asks for, acts as at the start of episodes."""
    policy, batch = make_policy(), observe()
    tensors = {key: torch.as_tensor(value) for key, value in batch.items()}
    actions = policy._predict(tensors, deterministic=True)
    assert not actions.requires_grad
    np.testing.assert_array_equal(actions.numpy(), policy.predict(batch, deterministic=True)[0])


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("save", r"`model\.save\(path\)`"),
        ("load", r"`RAM\.load\(path\)`"),
        ("evaluate_actions", r"`policy\(observation, state\)`"),
        ("get_distribution", r"`policy\(observation, state\)`"),
        ("predict_values", r"`policy\(observation, state\)`"),
    ],
)
@pytest.mark.parametrize("owner", [RAMPolicy, make_policy()], ids=["class", "instance"])
def test_what_other_policies_have_is_refused_with_what_to_do(
    owner: Any, name: str, instead: str
) -> None:
    """Neither a pickle nor a missing attribute: the error names what RAM has instead."""
    with pytest.raises(NotImplementedError, match=rf"no `{name}` of its own: .*{instead}"):
        getattr(owner, name)("path", device="cpu")


@pytest.mark.parametrize(
    "space",
    [
        GLIMPSE,
        spaces.Dict(glimpse=GLIMPSE),
        spaces.Dict(glimpse=GLIMPSE, location=spaces.Box(-1.0, 1.0, (3,))),
        spaces.Dict(
            glimpse=GLIMPSE, location=spaces.Box(-1.0, 1.0, (2,)), label=spaces.Discrete(3)
        ),
    ],
    ids=["box", "no location", "3d location", "more keys"],
)
def test_other_observation_spaces_are_refused(space: spaces.Space[Any]) -> None:
    """The error names what is expected."""
    with pytest.raises(ValueError, match=r"`observation_space` must be a Dict of `glimpse`"):
        RAMPolicy(space, BOX, lambda _: 1e-3)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.Box(-1.0, 1.0, (2,)),
        spaces.Box(-1.0, 1.0, (3, 3)),
        spaces.MultiDiscrete([7, 10]),
        spaces.MultiDiscrete(np.array([[7, 7, 10]])),
    ],
    ids=str,
)
def test_other_action_spaces_are_refused(space: spaces.Space[Any]) -> None:
    """The error names what is expected."""
    with pytest.raises(ValueError, match=r"`action_space` must be Box \(2 \+ C,\)"):
        RAMPolicy(OBSERVATION, space, lambda _: 1e-3)
