"""What leaves as an ONNX file: it sees, thinks and looks on as the model that it is of."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.error import DependencyNotInstalled
from gymnasium.vector import AutoresetMode
from helpers import REAL_MNIST, images_of, made_up_image, needs_mnist
from hypothesis import given
from hypothesis import strategies as st
from onnx_player import OnnxGraph, OnnxPlayer
from sb3_contrib import RecurrentPPO
from small_ram import make_env, make_model
from stable_baselines3 import A2C, PPO, SAC

import ram_env
from agents import RAM, make_vec_env
from agents.base.pretrained import pretrained_rows, pretrained_task
from agents.evaluation.players import player_of_pretrained
from agents.exporting.graphs import RetinaGraph
from agents.exporting.policies import export_policy
from agents.policies import GlimpseEncoder
from ram_env.data.images import ImageDataset
from ram_env.games.record import TaskRecord
from ram_env.geometry import location_to_pixel
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases

by_model = pytest.mark.parametrize("name", sorted(pretrained_rows()))
B = 7  # another number of rows than the exporter was shown
ENCODER = {"features_extractor_class": GlimpseEncoder}
TOLERANCE = 1e-4  # of logits: float32 adds up in another order


@st.composite
def views(draw: st.DrawFn) -> tuple[int, int, tuple[int, int]]:
    """Draw patch size, number of scales and canvas shape."""
    sides = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    return draw(st.integers(1, 13)), draw(st.integers(1, 5)), sides


@given(views(), st.integers(0, 99))
def test_the_retina_of_a_graph_is_the_retina(
    view: tuple[int, int, tuple[int, int]], seed: int
) -> None:
    """Bit for bit, windows of odd and even sides, over the borders and in the corners."""
    patch_size, num_scales, shape = view
    rng, retina = np.random.default_rng(seed), Retina(patch_size, num_scales)
    locations = rng.choice([-1.0, 1.0, 0.0, *rng.uniform(-1, 1, 9)], (20, 2)).astype(np.float32)
    canvases = Canvases(20, shape, retina)
    canvases.visible[:] = rng.integers(256, size=canvases.visible.shape)
    expected = retina.glimpse(canvases, np.arange(20), location_to_pixel(locations, shape))
    graph = RetinaGraph(patch_size, num_scales, shape)
    seen = graph(torch.as_tensor(canvases.visible.copy()), torch.as_tensor(locations))
    np.testing.assert_array_equal(seen.numpy(), expected)


def coloured() -> dict[str, Any]:
    """Return the arguments of an env of pictures in colour."""
    images = np.stack([made_up_image(number, (30, 3 * 20)) for number in range(12)])
    labels = np.arange(12) % 3
    data = ImageDataset(images.reshape(12, 30, 20, 3), labels, ("a", "b", "c"), "made up")
    return {"dataset": data, "num_glimpses": 4, "patch_size": 12, "num_scales": 2}


RETINOTOPIC: dict[str, Any] = {"preset": "large", "growth_fraction": 0.0, "location_cell_size": 3}
LARGE: dict[str, Any] = {"observe_reach": True, "canvas_size": (41, 50), "patch_size": 9}
MODELS: dict[str, Callable[[], RAM]] = {
    "relu, grid": lambda: make_model(
        make_env(action_format="multidiscrete", reward="every_step"), preset="paper"
    ),
    "gru, stop": lambda: make_model(make_env(stop=True), learn_stop=True),
    "lstm": lambda: make_model(core="lstm", squash_location=False),
    "retinotopic": lambda: make_model(
        make_env(**LARGE, num_scales=2),
        location_memory=4,
        location_memory_scale=1,
        location_aversion=2.0,
        location_familiar=True,
        location_inhibition=True,
        location_aim="salient",
        **RETINOTOPIC,
    ),
    "colour, conv": lambda: make_model(
        make_vec_env("GlimpseImageFolder-v0", 4, env_kwargs=coloured()), glimpse_encoder="conv"
    ),
    "pictures": lambda: make_model(
        make_vec_env("GlimpseImageFolder-v0", 4, env_kwargs=coloured(), observe_reach=True),
        preset="pictures",
    ),
}
WHOLE: dict[str, Callable[[], RAM]] = {
    "cluttered": lambda: make_model(
        make_env(canvas_size=60, num_distractors=4, patch_size=12, num_scales=3)
    ),
    "one scale": lambda: make_model(make_env(canvas_size=28, patch_size=8, num_scales=1)),
    "retinotopic": MODELS["retinotopic"],
}


def restless(model: RAM) -> RAM:
    """Let a model that has not learned look here and there, beyond the borders too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.policy.networks.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
        if model.config.location != "retinotopic":
            model.policy.networks.location_network.mean.weight *= 30.0
    return model


def assert_plays_alike(model: RAM, graph: OnnxGraph, env: Any) -> np.ndarray:
    """Play episodes by a model, and let the graph see and say the same at each step.

    Returns where it looked, (T, B, 2).
    """
    observation, whole = env.reset(seed=5)[0], "canvas" in graph.inputs
    state, other = model.policy.networks.initial_state(B), graph.first_state(B)
    places, looks_on = [], None
    for _ in range(4):
        location = observation["location"]
        places.append(location)
        if looks_on is not None:  # the env has looked where the graph said
            np.testing.assert_allclose(looks_on, location, atol=1e-5)
        seen = {**observation, "state": other}
        if whole:
            canvases = [env.unwrapped.view(row).canvas for row in range(B)]
            seen["canvas"] = np.stack(canvases)
        found = graph(seen)
        tensors = {name: torch.as_tensor(part) for name, part in observation.items()}
        with torch.no_grad():
            thought = model.policy(tensors, state)
        np.testing.assert_allclose(found["logits"], thought.logits, atol=TOLERANCE)
        np.testing.assert_allclose(found["next_state"], thought.state, atol=TOLERANCE)
        if thought.stop is not None:
            np.testing.assert_allclose(found["stop"], thought.stop, atol=TOLERANCE)
        if whole:
            np.testing.assert_array_equal(found["glimpse"], observation["glimpse"])
        state, other, looks_on = thought.state, found["next_state"], found["next_location"]
        actions = model.policy.look_on(model.policy.act(thought).actions)
        observation = env.step(actions)[0]
    assert np.ptp(places, axis=0).max() > 0.1, "the gaze never moved"
    return np.stack(places)


def games_of(model: RAM) -> Any:
    """Return the games that a model has learned, which do not restart by themselves."""
    assert model.task is not None and model.env is not None
    arguments: dict[str, Any] = dict(model.env.get_attr("task")[0].data_arguments)
    arguments = model.task.arguments | arguments | {"num_glimpses": 5}
    if model.task.env_id == "GlimpseImageFolder-v0":
        arguments |= coloured() | {"num_glimpses": 5}
    mode = AutoresetMode.DISABLED
    return gym.make_vec(model.task.env_id, B, autoreset_mode=mode, **arguments)


@pytest.mark.parametrize("name", MODELS)
def test_a_look_is_the_models(name: str, tmp_path: Path) -> None:
    """Every core, gaze and encoder, over whole episodes: logits, state, stop, next location."""
    model = restless(MODELS[name]())
    model.export_onnx(tmp_path / "new" / "look.onnx")
    graph = OnnxGraph(tmp_path / "new" / "look.onnx")
    has_reach = model.config.location == "retinotopic"
    names = ["glimpse", "location", *["reach"] * has_reach, "state"]
    assert graph.inputs == names
    places = assert_plays_alike(model, graph, games_of(model))
    if name == "lstm":  # its locations are not squashed
        assert np.abs(places).max() == 1.0, "it never looked beyond the border"


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_look_sees_what_the_env_shows(name: str, tmp_path: Path) -> None:
    """Glimpses bit for bit, all else as of a look."""
    model = restless(WHOLE[name]())
    model.export_onnx(tmp_path / "look.onnx", whole_look=True)
    graph = OnnxGraph(tmp_path / "look.onnx")
    assert graph.inputs == ["canvas", "location", "state"]
    assert_plays_alike(model, graph, games_of(model))


@pytest.fixture(scope="module")
def graph_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], OnnxGraph]:
    """The files of the models that come with the package, each written once."""
    folder, graphs = tmp_path_factory.mktemp("graphs"), dict[str, OnnxGraph]()

    def graph_of(name: str) -> OnnxGraph:
        if name not in graphs:
            RAM.from_pretrained(name, device="cpu").export_onnx(folder / name)
            graphs[name] = OnnxGraph(folder / name)
        return graphs[name]

    return graph_of


@by_model
def test_shipped_models_say_the_same(name: str, graph_of: Callable[[str], OnnxGraph]) -> None:
    """On frozen test scenes, at equal locations."""
    images = "mnist" if REAL_MNIST else "digits"
    player = player_of_pretrained(name, num_scenes=200, **images_of(name, images))
    model: Any = player.model
    told = Comparison(model, graph_of(name))
    player.scenes.evaluate(told)
    assert told.largest_difference <= TOLERANCE


class Comparison:
    """Predicts by a model, and asks a graph the same questions."""

    def __init__(self, model: RAM, graph: OnnxGraph) -> None:
        self.model, self.graph, self.largest_difference = model, graph, 0.0

    def predict(self, observation: Any, state: Any = None, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Answer as the model, and note how far the logits of the graph are from its own."""
        size = len(observation["location"])
        before = self.graph.first_state(size) if state is None else state[0]
        tensors = {name: torch.as_tensor(part) for name, part in observation.items()}
        with torch.no_grad():
            thought = self.model.policy(tensors, torch.as_tensor(before))
        found = self.graph({**observation, "state": before})
        difference = np.abs(found["logits"] - thought.logits.numpy()).max()
        self.largest_difference = max(self.largest_difference, float(difference))
        return self.model.policy.act(thought).actions, (thought.state.numpy(),)


@needs_mnist
@pytest.mark.slow
@by_model
def test_shipped_models_are_as_good(name: str, graph_of: Callable[[str], OnnxGraph]) -> None:
    """All 10,000 test scenes, each side where it wants to look."""
    player = player_of_pretrained(name)
    model: Any = player.model
    other = OnnxPlayer(graph_of(name), model.policy._action_format)
    errors = [player.scenes.evaluate(each).num_errors for each in (model, other)]
    assert abs(errors[0] - errors[1]) <= 3, errors


def test_a_file_says_what_one_must_know(graph_of: Callable[[str], OnnxGraph]) -> None:
    """All that there is to a look, and where the model comes from."""
    facts = dict(graph_of("cluttered").facts)
    assert TaskRecord.from_json(facts.pop("task")) == pretrained_task("cluttered")
    trained = facts.pop("trained")
    assert (trained["seed"], trained["episodes"]) == (0, 16_000_000)
    assert facts == {
        "format": "ram-env",
        "format_version": 1,
        "graph": "look",
        "class_names": [str(digit) for digit in range(10)],
        "num_glimpses": 8,
        "first_location": [0.0, 0.0],
        "patch_size": 12,
        "num_scales": 3,
        "channels": 1,
        "state_size": 256,
        "normalisation": "in the graph; `glimpse` is in [0, 1]",
        "score_scale": 10.0,
        "stop": None,
        "ram_env": ram_env.__version__,
    }


def test_a_file_of_a_model_without_a_task_knows_its_sizes(tmp_path: Path) -> None:
    """One of somebody's own env, or of an earlier release; no path of this machine is in it."""
    model = make_model(make_env(patch_size=4, stop=True), learn_stop=True)
    model.task = None
    model.export_onnx(tmp_path / "look.onnx", opset=23, trained={"by": "us"})
    facts = OnnxGraph(tmp_path / "look.onnx").facts
    assert (facts["task"], facts["class_names"], facts["num_glimpses"]) == (None, None, None)
    assert (facts["patch_size"], facts["num_scales"], facts["state_size"]) == (4, 1, 16)
    assert facts["stop"] == "answer at once if `stop` is above 0"
    assert facts["trained"]["by"] == "us"
    assert (
        str(Path(ram_env.__file__).parents[1]).encode() not in (tmp_path / "look.onnx").read_bytes()
    )
    with pytest.raises(ValueError, match="the model does not know its task"):
        model.export_onnx(tmp_path / "look.onnx", whole_look=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RAM.from_pretrained("cluttered1000", device="cpu"), "got canvases of 1000: leave"),
        (MODELS["colour, conv"], "got pictures of many sizes: leave it out"),
        (
            lambda: make_model(make_env(canvas_range=(28, 40))),
            r"got canvases of \[28, 40\]: leave it out",
        ),
    ],
)
def test_whole_looks_are_of_one_canvas(
    make: Callable[[], RAM], message: str, tmp_path: Path
) -> None:
    """Where there is none, the line names the other graph."""
    with pytest.raises(ValueError, match=f"`whole_look` needs canvases of one size.*{message}"):
        make().export_onnx(tmp_path / "look.onnx", whole_look=True)


@pytest.mark.parametrize("opset", [17, 24, True, "18"])
def test_an_unknown_opset_is_refused(opset: Any, tmp_path: Path) -> None:
    """With those that there are."""
    with pytest.raises(ValueError, match="`opset` must be"):
        make_model().export_onnx(tmp_path / "look.onnx", opset=opset)


def test_a_random_gaze_is_refused(tmp_path: Path) -> None:
    """A graph gives the same answer to the same question."""
    with pytest.raises(ValueError, match=r"`model` must choose.*`gaze='random'`"):
        make_model(gaze="random").export_onnx(tmp_path / "look.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_extra_is_one_line(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to install, and nothing is written."""
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "ram-env\[onnx\]"'):
        make_model().export_onnx(tmp_path / "look.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "memory", "network", "arguments"),
    [
        (PPO, "history", ENCODER, {"action_format": "multidiscrete"}),
        (A2C, "canvas", {}, {}),
        (SAC, "history", {}, {}),
        (RecurrentPPO, "none", ENCODER, {"action_format": "multidiscrete"}),
    ],
    ids=lambda it: getattr(it, "__name__", None),
)
def test_other_policies_act_the_same(
    kind: Any, memory: str, network: dict[str, Any], arguments: dict[str, Any], tmp_path: Path
) -> None:
    """As `predict` does, deterministically, with a memory of their own or without."""
    env = make_vec_env("GlimpseMNIST-v0", B, 3, memory=memory, dataset="digits", **arguments)
    is_recurrent = kind is RecurrentPPO
    name = "MultiInputLstmPolicy" if is_recurrent else "MultiInputPolicy"
    layers = network | {"net_arch": [16]}
    policy = kind(name, env, seed=0, device="cpu", policy_kwargs=layers).policy
    with torch.no_grad():
        for weight in policy.parameters():
            weight *= 4.0  # so that actions reach the borders
    export_policy(tmp_path / "act.onnx", policy, None, {}, memory, opset=18)
    graph = OnnxGraph(tmp_path / "act.onnx")
    assert (graph.facts["graph"], graph.facts["memory"]) == ("policy", memory)
    observation: Any = env.reset()
    state, starts, chosen = None, np.ones(B, bool), []
    other: Any = np.zeros((B, 2, 1, policy.lstm_actor.hidden_size if is_recurrent else 0), "f4")
    for _ in range(3):
        actions, state = policy.predict(observation, state, starts, deterministic=True)
        found = graph({**observation, "state": other})
        np.testing.assert_allclose(found["actions"], actions, atol=1e-5)
        observation, other = env.step(actions)[0], found.get("next_state")
        starts = np.zeros(B, bool)
        chosen.append(actions)
    assert np.ptp(chosen, axis=(0, 1)).max() > 0.1, "all actions are alike"
