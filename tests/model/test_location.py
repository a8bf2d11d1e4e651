"""The retinotopic location: its formula, its geometry, and how RAM learns with it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_ram import STEPS, assert_equal_weights, make_env, make_model, weights
from torch import Tensor

from agents import RAM, make_vec_env
from agents.model.config import PRESETS, RAMConfig
from agents.model.location import (
    NUM_PATTERNS,
    RetinotopicNetwork,
    choice_among_cells,
    draw_one,
    familiarity,
    looked_at,
    relative_places,
    salient_points,
)
from agents.model.model_file import for_its_retina
from agents.model.networks import RAMNetworks

B, K, G, N, H, C = 3, 3, 8, 4, 6, 5
SETTINGS: dict[str, Any] = {"location": "retinotopic", "location_memory": 2}
SETTINGS |= {"glimpse_statistics": "running", "location_entropy_coef": 0.01}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draw the same weights and inputs each time."""
    torch.manual_seed(0)


def make_config(**changes: Any) -> RAMConfig:
    """Return small networks with a retinotopic location."""
    sizes: dict[str, Any] = {
        "hidden_size": H,
        "feature_size": 7,
        "what_hidden_size": 8,
        "where_hidden_size": 9,
    }
    return dataclasses.replace(PRESETS["default"], **sizes, **(SETTINGS | changes))


def logits_by_loops(
    network: RetinotopicNetwork, glimpse: Tensor, hidden: Tensor, seen: Tensor
) -> Tensor:
    """Return the logits of one example, cell by cell."""
    step, margin = G // N, G // N // 2
    question = network.question(network.gain * hidden).reshape(K, NUM_PATTERNS)
    wish = network.wish(torch.relu(network.hidden(hidden))).reshape(K, N, N)  # type: ignore[misc]
    wish = network.gain * wish
    logits = torch.zeros(K, N, N)
    for scale in range(K):
        image = torch.nn.functional.pad(glimpse[scale], (margin,) * 4)  # (3, g + 2m, g + 2m)
        for row in range(N):
            for column in range(N):
                top, left, side = row * step, column * step, step + 2 * margin
                window = image[:, top : top + side, left : left + side].reshape(-1)
                found = network.patterns(window)
                found = found + network.memory(seen[scale, row, column].reshape(1))  # type: ignore[misc]
                logits[scale, row, column] = torch.relu(found) @ question[scale]
    return (logits + wish).flatten()


@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_logits_are_those_of_each_cell_by_itself(gain: float) -> None:
    """The same network looks at every cell and a little around it, in colour too."""
    network = RetinotopicNetwork((K, 3, G, G), make_config(location_gain=gain))
    torch.nn.init.normal_(network.question.weight)
    glimpse, hidden, seen = torch.randn(B, K, 3, G, G), torch.randn(B, H), torch.rand(B, K, N, N)
    examples = zip(glimpse, hidden, seen, strict=True)
    expected = torch.stack([logits_by_loops(network, *example) for example in examples])
    torch.testing.assert_close(network(glimpse, hidden, seen), expected, rtol=1e-4, atol=1e-5)


def test_salience_draws_the_first_gaze_to_what_differs_from_the_mean() -> None:
    """Of all cells those that see a spot are the likeliest, bright or dark, whatever the state."""
    network = RetinotopicNetwork((1, G, G), make_config(location_salience=0.5, location_memory=0))
    spot, hidden = torch.zeros(2, 1, G, G), torch.rand(2, H)
    spot[:, :, 4, 2] = torch.tensor([[10.0], [-10.0]])
    logits = network(spot, hidden, None).reshape(2, N, N)
    step, margin = G // N, G // N // 2
    starts = torch.arange(N) * step - margin
    sees = [(starts <= at) & (at < starts + step + 2 * margin) for at in (4, 2)]
    near = sees[0][:, None] & sees[1]
    assert 1 <= near.sum() <= 4
    assert (logits[:, near].amin(1) > logits[:, ~near].amax(1)).all()


def test_cells_must_divide_the_patch() -> None:
    """Else they would not lie on its pixels."""
    with pytest.raises(ValueError, match="`location_cell_size` must divide `patch_size`, 8, got 3"):
        RetinotopicNetwork((K, G, G), make_config(location_cell_size=3))


def choice(
    location: tuple[float, float], reach: float, best: int, glimpse: Tensor | None = None
) -> Any:
    """Return a choice that is all but sure of one cell."""
    logits = torch.full((1, K * N * N), 0.0)
    logits[0, best] = 50.0
    where = torch.tensor([location]), torch.full((1, 2), reach)
    return choice_among_cells(logits, *where, K, N, glimpse)


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        (2 * 16 + 4 * 1 + 3, (0.1 + 0.75 * 0.4, -0.2 - 0.25 * 0.4)),  # widest, row 1, column 3
        (1 * 16 + 4 * 0 + 1, (0.1 - 0.25 * 0.2, -0.2 - 0.75 * 0.2)),
        (0 * 16 + 4 * 3 + 0, (0.1 - 0.75 * 0.1, -0.2 + 0.75 * 0.1)),  # finest
    ],
)
def test_likeliest_cell_lies_where_the_retina_sees_it(
    best: int, expected: tuple[float, float]
) -> None:
    """Rows go down and columns to the right, in windows that halve from scale to scale."""
    found = choice((0.1, -0.2), 0.4, best).likeliest()
    torch.testing.assert_close(found, torch.tensor([expected]))


def test_draws_are_uniform_in_the_cell_on_the_scene() -> None:
    """Of a cell across the border only what lies on the scene is looked at, evenly."""
    found = choice((0.9, 0.0), 0.4, 2 * 16 + 4 * 1 + 2)  # x from 0.9 to 1.1, y from -0.2 to 0
    points = torch.cat([found.draw(torch.rand(1, 3))[0] for _ in range(2000)])
    assert points.min(0).values.tolist() == pytest.approx([0.9, -0.2], abs=0.005)
    assert points.max(0).values.tolist() == pytest.approx([1.0, 0.0], abs=0.005)
    assert points.mean(0).tolist() == pytest.approx([0.95, -0.1], abs=0.005)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_draws_lie_in_a_share_of_the_cell(spread: float) -> None:
    """That share around its middle; without any it is the middle itself."""
    found = choice((0.0, 0.0), 0.4, 2 * 16 + 4 * 1 + 2)  # x from 0 to 0.2, y from -0.2 to 0
    points = torch.cat([found.draw(torch.rand(1, 3), spread)[0] for _ in range(500)])
    assert points.mean(0).tolist() == pytest.approx([0.1, -0.1], abs=0.01)
    ways = points - torch.tensor([0.1, -0.1])
    assert ways.abs().amax(0).tolist() == pytest.approx([0.1 * spread] * 2, abs=0.003)


@pytest.mark.parametrize("num_colors", [1, 3])
def test_salient_points_are_centres_of_what_stands_out(num_colors: int) -> None:
    """Of bright and dark alike, in each cell by itself; at its middle if nothing differs there."""
    step, places = G // N, (torch.arange(G // N) + 0.5) / (G // N)
    glimpse = torch.randn(B, K, num_colors, G, G)
    glimpse[0, 1] = 0.0
    shape = (B, K, G, G) if num_colors == 1 else glimpse.shape
    for number, (scale, row, column) in enumerate(np.ndindex(K, N, N)):
        found = salient_points(glimpse.reshape(shape), N, torch.full((B,), number))
        for example, point in enumerate(found):
            square = glimpse[example, scale].abs().mean(0)
            square = square[step * row :, step * column :][:step, :step]
            square = square - square.min()
            expected = torch.full((2,), 0.5)
            if square.any():
                weights_here = square / square.sum()
                expected[0] = (weights_here * places).sum()
                expected[1] = (weights_here * places[:, None]).sum()
            torch.testing.assert_close(point, expected)


def test_an_aim_lies_at_its_point_of_the_whole_cell() -> None:
    """Also of a cell across the border, as its pixels do; and draws come as near as they should."""
    glimpse = torch.zeros(1, K, G, G)
    glimpse[0, 2, 3, 4] = 1.0  # in row 1 and column 2, at (0.25, 0.75) of them
    best = 2 * 16 + 4 * 1 + 2
    found = choice((0.9, 0.0), 0.4, best, glimpse)  # x from 0.9 to 1.1, y from -0.2 to 0
    torch.testing.assert_close(found.likeliest(), torch.tensor([[0.95, -0.05]]))
    torch.testing.assert_close(found.draw(torch.rand(1, 3), 0.0)[0], found.likeliest())
    halfway, _ = found.draw(torch.tensor([[0.5, 0.0, 0.0]]), 0.5)
    torch.testing.assert_close(halfway, torch.tensor([[0.925, -0.125]]))
    beyond = choice((0.9, 0.0), 0.4, best, glimpse.roll(1, -1))  # in x from 1.05
    assert beyond.likeliest()[0, 0] == 1.0


def test_cells_wholly_outside_the_scene_are_never_chosen() -> None:
    """However much the network wishes for them."""
    found = choice((0.9, 0.0), 0.4, 2 * 16 + 4 * 1 + 3)  # x from 1.1
    for _ in range(100):
        location, log_prob = found.draw(torch.rand(1, 3))
        assert location.abs().max() <= 1.0
        assert log_prob > -6.0  # one of 48 at most
    assert found.entropy() < torch.tensor(48.0).log()
    where = torch.full((5000, 2), 0.9), torch.full((5000, 2), 0.4)  # the last cells lie outside
    many = choice_among_cells(torch.randn(5000, K * N * N), *where, K, N)
    _, log_probs = many.draw(torch.full((5000, 3), 1.0 - 2.0**-24))  # the largest below 1
    assert log_probs.min() > -20.0


def test_one_is_drawn_as_often_as_it_is_likely() -> None:
    """Frequencies of 20,000 draws, within 5 standard deviations; nothing impossible."""
    chances = torch.tensor([0.0, 0.5, 0.3, 0.15, 0.05, 0.0])
    logits = chances.log().expand(20_000, -1)
    shares = draw_one(logits, torch.rand(20_000, 1)).bincount(minlength=6) / 20_000
    torch.testing.assert_close(shares, chances, atol=5 * (0.25 / 20_000) ** 0.5, rtol=0.0)
    ends = torch.tensor([[0.0], [1.0 - 2.0**-24]])  # the smallest, and the largest below 1
    assert draw_one(logits[:2], ends).tolist() == [1, 4]


def test_cells_are_drawn_as_often_as_they_are_likely() -> None:
    """The log-likelihood is that of the cell; the entropy is its mean, negative."""
    logits = torch.randn(1, K * N * N)
    args = (torch.zeros(1, 2), torch.full((1, 2), 0.5), K, N)
    uniform = torch.cat([(torch.arange(4000)[:, None] + 0.5) / 4000, torch.rand(4000, 2)], dim=1)
    many = choice_among_cells(logits.expand(4000, -1), args[0].expand(4000, 2), *args[1:])
    _, log_probs = many.draw(uniform)
    likely = logits.softmax(1).flatten()
    for cell, probability in enumerate(likely.tolist()):
        frequency = (log_probs - likely[cell].log()).abs().lt(1e-5).double().mean().item()
        assert frequency == pytest.approx(probability, abs=1 / 2000), cell
    entropy = choice_among_cells(logits, *args).entropy()
    assert entropy.item() == pytest.approx(-(likely * likely.log()).sum().item(), rel=1e-5)


def test_what_was_looked_at_lies_on_the_cells() -> None:
    """A look at the same place fills the finest cells, and a quarter of the widest's middle."""
    looks = torch.tensor([[[0.3, 0.1, 1.0], [9.0, 9.0, 0.0]]])  # the second is none
    location, reach = torch.tensor([[0.3, 0.1]]), torch.full((1, 2), 0.4)
    places = relative_places(looks, location, reach, K)
    seen = looked_at(places, looks, N)
    assert seen[0, 0].tolist() == [[1.0] * N] * N
    middle = torch.zeros(N, N)
    middle[1:3, 1:3] = 1.0
    assert torch.equal(seen[0, 1], middle)
    assert seen[0, 2].sum().item() == pytest.approx(1.0)  # a quarter of each of four
    moved = relative_places(looks, location + torch.tensor([[0.4, 0.0]]), reach, K)
    assert looked_at(moved, looks, N)[0, 2, :, 0].sum().item() == pytest.approx(0.5)


def test_a_wider_window_counts_as_looked_at() -> None:
    """Then the finest cells around a look are full too, and of wider ones as many as it covers."""
    looks, location = torch.tensor([[[0.3, 0.1, 1.0]]]), torch.tensor([[0.3, 0.1]])
    places = relative_places(looks, location, torch.full((1, 2), 0.4), K)
    finest, wider = (looked_at(places, looks, N, scale) for scale in (0, 1))
    assert wider[0, :2].tolist() == [[[1.0] * N] * N] * 2
    assert torch.equal(wider[0, 2], finest[0, 1])


def test_what_was_looked_at_is_avoided_at_first() -> None:
    """By as much as asked for, whatever is there; how much each scale avoids is learned."""
    network = RetinotopicNetwork((K, G, G), make_config(location_aversion=3.0))
    glimpse, hidden = torch.randn(B, K, G, G), torch.randn(B, H)
    assert network.memory is not None and network.aversion is not None
    torch.nn.init.zeros_(network.memory.weight)
    seen = torch.rand(B, K, N, N)
    plain = network(glimpse, hidden, torch.zeros_like(seen))
    avoided = network(glimpse, hidden, seen)
    torch.testing.assert_close(avoided, plain - 3.0 * seen.flatten(1))
    with torch.no_grad():
        network.aversion.bias[0] = -1.0
    drawn = network(glimpse, hidden, seen).reshape(B, K, N, N)
    torch.testing.assert_close(drawn[:, 0], plain.reshape(B, K, N, N)[:, 0] + seen[:, 0])


def test_a_window_is_as_familiar_as_the_part_that_was_seen() -> None:
    """Of the most similar of the earlier ones; places that were none do not count."""
    location, reach = torch.zeros(1, 2), torch.full((1, 2), 0.4)  # the finest reaches 0.1
    for offset, expected in (
        ((0.0, 0.0), 1.0),
        ((0.1, 0.0), 0.5),
        ((0.1, 0.1), 0.25),
        ((0.2, 0), 0),
    ):
        looks = torch.tensor([[[*offset, 1.0], [0.9, 0.9, 1.0], [0.0, 0.0, 0.0]]])
        places = relative_places(looks, location, reach, K)
        assert familiarity(places, looks, 0).item() == pytest.approx(expected, abs=1e-6)
    assert familiarity(places, looks, 1).item() == pytest.approx(0.5)  # twice as wide


def test_what_is_familiar_is_told_to_the_glimpse_network() -> None:
    """A second look at one place differs from a look at a new one, after the same way."""
    networks = RAMNetworks((K, G, G), C, make_config(location_familiar=True, location_memory=3))
    glimpse, reach, seen = torch.rand(B, K, G, G), torch.full((B, 2), 0.4), []
    for start in (0.0, 0.5):  # then one step to 0 again, or to where nothing was seen
        state = networks.initial_state(B)
        for x in (start, -0.5, 0.0):
            location = torch.tensor([[x, 0.0]]).expand(B, 2)
            thought = networks(glimpse, location, state, reach)
            state = thought.state
        seen.append(thought.logits)
    assert not torch.allclose(*seen)


def test_a_gaze_may_aim_at_what_is_salient() -> None:
    """In the cell that sees a single spot it is the spot, in all others the middle."""
    networks = RAMNetworks((1, G, G), C, make_config(location_aim="salient"))
    glimpse = torch.zeros(B, 1, G, G)
    glimpse[:, :, 5, 2] = 1.0
    where = torch.zeros(B, 2), networks.initial_state(B), torch.full((B, 2), 0.4)
    cells = networks(glimpse, *where).cells
    for number, (row, column) in enumerate(np.ndindex(N, N)):
        x, y = (2.5, 5.5) if (row, column) == (2, 1) else (2 * column + 1.0, 2 * row + 1.0)
        expected = torch.tensor([x, y]) * (0.8 / G) - 0.4
        found = cells.aim(torch.full((B,), number))
        torch.testing.assert_close(found, expected.expand(B, 2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("colors", [(), (3,)])
def test_what_was_looked_at_is_hidden_if_asked_for(colors: tuple[int, ...]) -> None:
    """Whatever is there, the same cells draw the gaze; wide ones that hold more do still."""
    shape = (K, *colors, G, G)
    logits: dict[bool, dict[str, Tensor]] = {}
    for inhibits in (False, True):
        torch.manual_seed(0)
        settings: dict[str, Any] = {"location_inhibition": inhibits, "location_aversion": 4.0}
        networks = RAMNetworks(shape, C, make_config(**settings))
        for layer in ("question", "wish", "memory", "aversion"):  # what is seen counts alone
            torch.nn.init.zeros_(getattr(networks.location_network, layer).weight)
        location, reach = torch.zeros(B, 2), torch.full((B, 2), 0.4)
        known, new = torch.zeros(B, *shape), torch.zeros(B, *shape)
        known[:, 0, ..., :, :] = 1.0  # all of the finest window
        new[:, 2, ..., 0, 0] = 1.0  # a corner of the widest
        logits[inhibits] = {}
        for name, glimpse in {"nothing": 0.0 * new, "known": known, "new": new}.items():
            state = networks(glimpse, location, networks.initial_state(B), reach).state
            cells = networks(glimpse, location, state, reach).cells
            logits[inhibits][name] = cells.logits.reshape(B, K, N, N)
    hidden = logits[True]
    torch.testing.assert_close(hidden["known"], hidden["nothing"])
    assert not torch.allclose(logits[False]["known"], logits[False]["nothing"])
    assert not torch.allclose(hidden["new"], hidden["nothing"])
    # The finest window fills a quarter of the widest's side: half of each of its four middle cells.
    repelled = logits[False]["nothing"] - hidden["nothing"]
    torch.testing.assert_close(repelled[:, 0], torch.zeros(B, N, N))
    middle = torch.zeros(N, N, dtype=torch.bool)
    middle[1:3, 1:3] = True
    assert (repelled[:, 2][:, middle] < -0.5).all()
    torch.testing.assert_close(repelled[:, 2][:, ~middle], torch.zeros(B, N * N - 4))


def test_scenes_of_any_size_look_alike() -> None:
    """The same glimpses after the same moves, in pixels, are the same to the networks."""
    networks = RAMNetworks((K, G, G), C, make_config())
    glimpses, moves = torch.rand(3, B, K, G, G), torch.rand(3, B, 2) * 0.1
    seen = []
    for size in (1.0, 1e-3):
        state, location = networks.initial_state(B), torch.zeros(B, 2)
        for glimpse, move in zip(glimpses, moves, strict=True):
            location = location + size * move
            thought = networks(glimpse, location, state, torch.full((B, 2), 0.3 * size))
            state = thought.state
        seen.append((thought.logits, thought.cells.logits, thought.baseline))
    for one, other in zip(*seen, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("absolute", [False, True])
def test_location_is_known_if_asked_for(absolute: bool) -> None:
    """The same glimpses after the same moves elsewhere on the scene, away from its borders."""
    networks = RAMNetworks((K, G, G), C, make_config(location_absolute=absolute))
    glimpse, reach, seen = torch.rand(B, K, G, G), torch.full((B, 2), 0.1), []
    for start in (-0.5, 0.5):
        state, location = networks.initial_state(B), torch.full((B, 2), start)
        state = networks(glimpse, location, state, reach).state
        seen.append(networks(glimpse, location + 0.05, state, reach).logits)
    here, there = seen
    assert torch.allclose(here, there, rtol=1e-3, atol=1e-5) is not absolute


def test_earlier_locations_are_remembered_in_the_state() -> None:
    """The latest first, and no more than asked for."""
    networks = RAMNetworks((K, G, G), C, make_config())
    state, locations = networks.initial_state(B), torch.rand(3, B, 2)
    for location in locations:
        state = networks(torch.rand(B, K, G, G), location, state, torch.ones(B, 2)).state
    looks = state[:, -6:].reshape(B, 2, 3)
    assert torch.equal(looks[:, 0, :2], locations[2])
    assert torch.equal(looks[:, 1, :2], locations[1])
    assert (looks[..., 2] == 1.0).all()


@pytest.mark.parametrize("is_wider", [True, False])
def test_a_trained_gaze_goes_on_with_another_retina(is_wider: bool) -> None:
    """It sees and wishes for the same where both retinas see; beyond it sees nothing here."""
    config, ratio = make_config(location_memory=0), 2 * (G + 4) / G
    shapes = (K, G, G), (K + 1, G + 4, G + 4)
    narrow, wide = (RAMNetworks(shape, C, config) for shape in shapes)
    trained, other = (narrow, wide) if is_wider else (wide, narrow)
    weights = trained.state_dict()
    other.load_state_dict(weights | for_its_retina(other, weights))
    few, many = narrow.initial_state(B), wide.initial_state(B)
    with torch.no_grad():  # what the widest scale alone tells of the way
        wide.glimpse_network.from_location.weight[:, 2 * K :] = 0.0
    for location in torch.rand(3, B, 2) * 0.1:
        glimpse, reach = torch.zeros(B, K + 1, G + 4, G + 4), torch.full((B, 2), 0.5)
        glimpse[:, :K, 2:-2, 2:-2] = torch.rand(B, K, G, G)
        less = narrow(glimpse[:, :K, 2:-2, 2:-2], location, few, reach)
        more = wide(glimpse, location, many, ratio * reach)
        few, many = less.state, more.state
        torch.testing.assert_close(less.logits, more.logits)
        cells = more.cells.logits.reshape(B, K + 1, N + 2, N + 2)[:, :K, 1:-1, 1:-1]
        torch.testing.assert_close(less.cells.logits, cells.flatten(1))


@pytest.mark.parametrize(
    "changes",
    [{"glimpse_encoder": "conv"}, {"location_absolute": True}, {"location_hidden_size": 7}],
)
def test_nothing_is_laid_over_networks_of_another_kind(changes: dict[str, Any]) -> None:
    """Their layers take other numbers; of another size, those that are as they were fit anyway."""
    weights = RAMNetworks((K, G, G), C, make_config()).state_dict()
    other = RAMNetworks((K + 1, G, G), C, make_config(**changes))
    own = other.state_dict()
    for name, weight in for_its_retina(other, weights).items():
        assert "location_hidden_size" in changes and weight.shape == own[name].shape


# Learning


@pytest.fixture
def env() -> Any:
    """Return games that show how far the retina reaches."""
    return make_env(observe_reach=True)


def test_env_must_show_the_reach() -> None:
    """And is told so if it does not."""
    with pytest.raises(ValueError, match="observe_reach=True"):
        make_model(**SETTINGS)


def test_same_seed_same_weights() -> None:
    """As for every other setting; another seed gives others."""
    first, second, third = (
        weights(make_model(make_env(observe_reach=True), seed, **SETTINGS).learn(5 * STEPS))
        for seed in (3, 3, 4)
    )
    assert_equal_weights(first, second)
    name = "networks.location_network.patterns.weight"
    assert not torch.equal(first[name], third[name])


def test_training_changes_every_network_and_the_statistics(env: Any) -> None:
    """After some updates no weight and no normalisation is what it was."""
    model = make_model(env, location_aversion=3.0, **SETTINGS)
    before = weights(model)
    model.learn(5 * STEPS)
    for name, value in model.policy.networks.state_dict().items():
        assert not torch.equal(before[f"networks.{name}"], value), name


@pytest.mark.parametrize(
    "changes",
    [{"glimpse_statistics": "data"}, {}, {"location_aim": "salient", "location_inhibition": True}],
)
def test_saved_model_acts_and_learns_on_the_same(
    changes: dict[str, Any], env: Any, tmp_path: Path
) -> None:
    """Its optimiser, its statistics and its memory of locations included."""
    model = make_model(env, **(SETTINGS | changes)).learn(3 * STEPS)
    model.save(tmp_path / "model")
    loaded = RAM.load(tmp_path / "model", make_env(observe_reach=True), device="cpu")
    model.set_env(make_env(observe_reach=True))
    for each in (model, loaded):
        each.env.seed(77)
        each.learn(4 * STEPS, reset_num_timesteps=False)
    assert_equal_weights(weights(loaded), weights(model))


def test_statistics_approach_those_of_the_glimpses(env: Any) -> None:
    """What a scale is normalised by follows what is seen."""
    model = make_model(env, **SETTINGS)
    networks = model.policy.networks.glimpse_network
    moments = torch.tensor([[0.3], [0.25]])  # hence a standard deviation of 0.4
    for _ in range(1000):
        model.policy.renew_statistics(moments)
    assert networks.get_buffer("shift").item() == pytest.approx(0.3, abs=1e-3)
    assert networks.get_buffer("scale").item() == pytest.approx(0.4, abs=1e-3)


def test_entropy_is_rewarded(env: Any) -> None:
    """A large weight keeps the choice even."""
    sure, even = (
        make_model(env, **(SETTINGS | {"location_entropy_coef": coef, "policy_coef": 0.0}))
        for coef in (0.0, 10.0)
    )
    for model in (sure, even):
        torch.nn.init.normal_(model.policy.networks.location_network.wish.bias, std=2.0)
    entropies = []
    for model in (sure, even):
        model.learn(40 * STEPS)
        observation = {key: torch.as_tensor(it) for key, it in env.reset().items()}
        cells = model.policy(observation, model.policy.networks.initial_state(4)).cells
        entropies.append(cells.entropy().mean().item())
    assert entropies[1] > entropies[0] + 0.1


def test_canvases_grow_from_the_smallest_that_the_task_allows() -> None:
    """Five digits need more room than the range that was asked for begins with."""
    arguments: dict[str, Any] = {"dataset": "digits", "canvas_range": (28, 600), "num_glimpses": 2}
    env = make_vec_env("GlimpseMegapixelMNIST-v0", 4, observe_reach=True, **arguments)
    lowest, _ = env.get_attr("task")[0].option_limits["canvas_size"]
    assert lowest > 28
    make_model(env, **(SETTINGS | {"growth_fraction": 0.5})).learn(3 * 4 * 2)
