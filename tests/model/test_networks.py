"""The five networks, against the formulas written out."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from agents.model.config import PRESETS, RAMConfig
from agents.model.networks import (
    CORES,
    ActionNetwork,
    BaselineNetwork,
    GlimpseNetwork,
    GRUCore,
    LocationNetwork,
    LSTMCore,
    RAMNetworks,
    ReLUCore,
)

B, K, G, C = 5, 3, 4, 10
# Two orders of summation in float32 differ by a few units in the last place.
TOLERANCE: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draw the same weights and inputs each time."""
    torch.manual_seed(0)


def small(preset: str, **settings: Any) -> RAMConfig:
    """Return a preset with networks small enough for a test."""
    sizes = {"hidden_size": 6, "feature_size": 7}
    sizes |= {"what_hidden_size": 8, "where_hidden_size": 9}
    return dataclasses.replace(PRESETS[preset], **(sizes | settings))


def affine(layer: nn.Linear, values: Tensor) -> Tensor:
    """Apply W x + b without the layer's own code."""
    return torch.einsum("oi,bi->bo", layer.weight, values) + layer.bias


def relu(values: Tensor) -> Tensor:
    """Apply max(x, 0)."""
    return values.clamp(min=0.0)


def test_glimpse_network_is_the_papers_formula() -> None:
    """G = relu(W_gh relu(W_h glimpse) + W_gl relu(W_l location)), with biases, in `paper`."""
    network = GlimpseNetwork((K, G, G), small("paper", glimpse_shift=0.0, glimpse_scale=1.0))
    glimpse, location = torch.rand(B, K, G, G), torch.rand(B, 2) * 2 - 1
    what = relu(affine(network.from_glimpse, glimpse.reshape(B, -1)))
    where = relu(affine(network.from_location, location))
    expected = relu(affine(network.what, what) + affine(network.where, where))
    torch.testing.assert_close(network(glimpse, location), expected, **TOLERANCE)


def test_glimpse_network_standardises_glimpse_and_features_in_default() -> None:
    """(glimpse - shift) / scale goes in; a layer norm comes before the last ReLU."""
    config = small("default", glimpse_shift=0.2, glimpse_scale=0.5)
    network = GlimpseNetwork((K, G, G), config)
    glimpse, location = torch.rand(B, K, G, G), torch.rand(B, 2) * 2 - 1
    what = relu(affine(network.from_glimpse, (glimpse.reshape(B, -1) - 0.2) / 0.5))
    where = relu(affine(network.from_location, location))
    joint = affine(network.what, what) + affine(network.where, where)
    deviation = joint - joint.mean(1, keepdim=True)
    variance = (deviation**2).mean(1, keepdim=True)
    expected = relu(deviation / torch.sqrt(variance + 1e-5))
    torch.testing.assert_close(network(glimpse, location), expected, rtol=1e-4, atol=1e-5)


def test_relu_core_is_the_papers_formula() -> None:
    """h_t = relu(W_hh h_{t-1} + W_hg g_t + b); the state is the hidden layer."""
    core = ReLUCore(7, 6)
    nn.init.normal_(core.from_hidden.weight)
    features, state = torch.randn(B, 7), torch.rand(B, 6)
    recurrent = torch.einsum("oi,bi->bo", core.from_hidden.weight, state)
    hidden, new_state = core(features, state)
    expected = relu(recurrent + affine(core.from_features, features))
    torch.testing.assert_close(hidden, expected, **TOLERANCE)
    assert torch.equal(hidden, new_state)
    assert core.state_size == 6


def test_relu_core_adds_up_at_first() -> None:
    """Before it has learned, the core adds what a glimpse says to what it holds, rectified."""
    core = ReLUCore(7, 6)
    features, state = torch.randn(B, 7), torch.rand(B, 6)
    hidden, _ = core(features, state)
    expected = relu(state + affine(core.from_features, features))
    torch.testing.assert_close(hidden, expected, **TOLERANCE)


def test_gru_core_is_the_gru_formula() -> None:
    """h_t = (1 - z) n + z h_{t-1}, with reset and update gates."""
    core = GRUCore(7, 6)
    features, state = torch.randn(B, 7), torch.randn(B, 6)
    given = features @ core.cell.weight_ih.T + core.cell.bias_ih
    held = state @ core.cell.weight_hh.T + core.cell.bias_hh
    reset = torch.sigmoid(given[:, :6] + held[:, :6])
    update = torch.sigmoid(given[:, 6:12] + held[:, 6:12])
    new = torch.tanh(given[:, 12:] + reset * held[:, 12:])
    hidden, new_state = core(features, state)
    torch.testing.assert_close(hidden, (1 - update) * new + update * state, **TOLERANCE)
    assert torch.equal(hidden, new_state)
    assert core.state_size == 6


def test_lstm_core_keeps_hidden_and_cell_side_by_side() -> None:
    """The state is [h, c]: 2 H numbers, of which only h is shown to the other networks."""
    core = LSTMCore(7, 6)
    features, state = torch.randn(B, 7), torch.randn(B, 12)
    gates = features @ core.cell.weight_ih.T + core.cell.bias_ih
    gates = gates + state[:, :6] @ core.cell.weight_hh.T + core.cell.bias_hh
    enter, forget, candidate, leave = gates.chunk(4, dim=1)
    cell = torch.sigmoid(forget) * state[:, 6:] + torch.sigmoid(enter) * torch.tanh(candidate)
    expected = torch.sigmoid(leave) * torch.tanh(cell)
    hidden, new_state = core(features, state)
    torch.testing.assert_close(hidden, expected, **TOLERANCE)
    torch.testing.assert_close(new_state, torch.cat([expected, cell], dim=1), **TOLERANCE)
    assert core.state_size == 12


def test_location_network_is_linear_in_paper() -> None:
    """Mean = W h + b."""
    network, hidden = LocationNetwork(small("paper")), torch.randn(B, 6)
    torch.testing.assert_close(network(hidden), affine(network.mean, hidden), **TOLERANCE)


def test_location_network_has_a_hidden_layer_and_tanh_in_default() -> None:
    """Mean = tanh(W relu(V h + a) + b)."""
    network, hidden = LocationNetwork(small("default", location_hidden_size=5)), torch.randn(B, 6)
    assert network.hidden is not None
    expected = torch.tanh(affine(network.mean, relu(affine(network.hidden, hidden))))
    torch.testing.assert_close(network(hidden), expected, **TOLERANCE)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_first_gaze_is_central(preset: str) -> None:
    """A new location network looks near the centre, whatever it sees."""
    hidden = torch.rand(1000, PRESETS[preset].hidden_size)
    assert LocationNetwork(PRESETS[preset])(hidden).abs().max() < 0.7


@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_gain_of_the_gaze(gain: float) -> None:
    """The mean of the next location is tanh(gain (W h + b))."""
    hidden = torch.randn(B, 6)
    network = LocationNetwork(small("catch", location_gain=gain))
    expected = torch.tanh(gain * affine(network.mean, hidden))
    torch.testing.assert_close(network(hidden), expected, **TOLERANCE)


def test_action_and_baseline_networks_are_linear() -> None:
    """Logits = W_a h + b_a, (B, C); baseline = w h + b, (B,)."""
    hidden = torch.randn(B, 6)
    action, baseline = ActionNetwork(6, C), BaselineNetwork(small("default"))
    torch.testing.assert_close(action(hidden), affine(action.logits, hidden), **TOLERANCE)
    expected = affine(baseline.value, hidden)[:, 0]
    torch.testing.assert_close(baseline(hidden), expected, **TOLERANCE)


@pytest.mark.parametrize("attached", [False, True])
def test_baseline_reads_a_state_detached_by_setting(attached: bool) -> None:
    """`baseline_gradient_to_core` alone decides whether its gradient reaches the hidden state."""
    hidden = torch.randn(B, 6, requires_grad=True)
    network = BaselineNetwork(small("default", baseline_gradient_to_core=attached))
    network(hidden).sum().backward()
    assert (hidden.grad is not None) == attached
    assert network.value.weight.grad is not None


def test_baseline_may_have_a_hidden_layer() -> None:
    """The baseline then is w relu(W h + b_h) + b."""
    hidden = torch.randn(B, 6)
    network: Any = BaselineNetwork(small("default", baseline_hidden_size=5))
    between = affine(network.hidden[0], hidden).relu()
    expected = affine(network.value, between)[:, 0]
    torch.testing.assert_close(network(hidden), expected, **TOLERANCE)


@pytest.mark.parametrize("attached", [False, True])
def test_location_network_reads_a_state_detached_by_setting(attached: bool) -> None:
    """`policy_gradient_to_core` alone decides whether the mean's gradient reaches the core."""
    networks = RAMNetworks((K, G, G), C, small("paper", policy_gradient_to_core=attached))
    # The last layer starts near zero; a large one makes a missing gradient visible.
    nn.init.normal_(networks.location_network.mean.weight)
    thought = networks(torch.rand(B, K, G, G), torch.zeros(B, 2), networks.initial_state(B))
    thought.mean.sum().backward()
    reached = {name.split(".")[0] for name, p in networks.named_parameters() if p.grad is not None}
    shaping = {"core_network", "glimpse_network"} if attached else set()
    assert reached == {"location_network"} | shaping


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_heads_are_exact_in_mixed_precision(preset: str) -> None:
    """Bfloat16 holds 8 bits of a location: it would miss by half a pixel on a canvas of 300."""
    networks = RAMNetworks((K, G, G), C, small(preset))
    state = networks.initial_state(B)
    with torch.autocast("cpu", torch.bfloat16):
        thought = networks(torch.rand(B, K, G, G), torch.rand(B, 2) * 2 - 1, state)
        assert networks.location_network(thought.state).dtype == torch.float32
    for part in (thought.logits, thought.mean, thought.baseline):
        assert part.dtype == torch.float32
        assert not part.bfloat16().float().equal(part)


@pytest.mark.parametrize("core", ["relu", "gru", "lstm"])
def test_networks_together_are_the_networks_in_turn(core: str) -> None:
    """`RAMNetworks` feeds glimpse -> core -> location, action and baseline."""
    networks = RAMNetworks((K, G, G), C, small("default", core=core))
    glimpse, location = torch.rand(B, K, G, G), torch.rand(B, 2)
    state = torch.randn(B, networks.state_size)
    thought = networks(glimpse, location, state)
    hidden, new_state = networks.core_network(networks.glimpse_network(glimpse, location), state)
    assert torch.equal(thought.state, new_state)
    assert torch.equal(thought.logits, networks.action_network(hidden))
    assert torch.equal(thought.mean, networks.location_network(hidden))
    assert torch.equal(thought.baseline, networks.baseline_network(hidden))


@pytest.mark.parametrize(("core", "state_size"), [("relu", 6), ("gru", 6), ("lstm", 12)])
def test_initial_state_is_zeros(core: str, state_size: int) -> None:
    """Before the first glimpse nothing is remembered."""
    networks = RAMNetworks((K, G, G), C, small("default", core=core))
    assert torch.equal(networks.initial_state(B), torch.zeros(B, state_size))


def test_paper_preset_has_the_papers_layers() -> None:
    """12x12 at 3 scales and (x, y) -> 128, 128 -> 256 -> 256 -> 2, C and 1; counted by hand."""
    networks = RAMNetworks((3, 12, 12), 10, PRESETS["paper"])
    shapes = {name: tuple(p.shape) for name, p in networks.named_parameters() if p.dim() == 2}
    assert shapes == {
        "glimpse_network.from_glimpse.weight": (128, 432),
        "glimpse_network.from_location.weight": (128, 2),
        "glimpse_network.what.weight": (256, 128),
        "glimpse_network.where.weight": (256, 128),
        "core_network.from_features.weight": (256, 256),
        "core_network.from_hidden.weight": (256, 256),
        "location_network.mean.weight": (2, 256),
        "action_network.logits.weight": (10, 256),
        "baseline_network.value.weight": (1, 256),
    }
    first_layers = (432 * 128 + 128) + (2 * 128 + 128)
    glimpse_network = first_layers + 2 * (128 * 256 + 256)
    core_network = (256 * 256 + 256) + 256 * 256
    heads = (256 * 2 + 2) + (256 * 10 + 10) + (256 + 1)
    count = sum(parameter.numel() for parameter in networks.parameters())
    assert count == glimpse_network + core_network + heads == 256_525


def test_every_core_that_can_be_chosen_is_there() -> None:
    """The choices of the setting `core` are the networks that there are."""
    (core,) = [field for field in dataclasses.fields(RAMConfig) if field.name == "core"]
    assert core.metadata["choices"] == tuple(CORES)
