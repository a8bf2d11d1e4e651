"""What leaves as an ONNX file: it sees, thinks and looks on as the model that it is of."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from helpers import made_up_image
from hypothesis import given
from hypothesis import strategies as st
from onnx_player import OnnxGraph
from small_ram import make_env, make_model

from agents import RAM, make_vec_env
from agents.base.pretrained import pretrained_rows
from agents.exporting.graphs import RetinaGraph
from ram_env.data.images import ImageDataset
from ram_env.geometry import location_to_pixel
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases

by_model = pytest.mark.parametrize("name", sorted(pretrained_rows()))
B = 7  # another number of rows than the exporter was shown
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
        make_env(**LARGE, num_scales=2), location_memory=4, **RETINOTOPIC
    ),
    "colour, conv": lambda: make_model(
        make_vec_env("GlimpseImageFolder-v0", 4, env_kwargs=coloured()), preset="pictures"
    ),
}
WHOLE: dict[str, Callable[[], RAM]] = {
    "cluttered": lambda: make_model(
        make_env(canvas_size=60, num_distractors=4, patch_size=12, num_scales=3)
    ),
    "retinotopic": MODELS["retinotopic"],
}


def restless(model: RAM) -> RAM:
    """Let a model that has not learned look here and there, beyond the borders too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.policy.networks.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return model


def assert_plays_alike(model: RAM, graph: OnnxGraph, env: Any) -> None:
    """Play episodes by a model, and let the graph see and say the same at each step."""
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
    names = ["glimpse", "location", *["reach"] * (name == "retinotopic"), "state"]
    assert graph.inputs == names
    assert_plays_alike(model, graph, games_of(model))


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_look_sees_what_the_env_shows(name: str, tmp_path: Path) -> None:
    """Glimpses bit for bit, all else as of a look."""
    model = restless(WHOLE[name]())
    model.export_onnx(tmp_path / "look.onnx", whole_look=True)
    graph = OnnxGraph(tmp_path / "look.onnx")
    assert graph.inputs == ["canvas", "location", "state"]
    assert_plays_alike(model, graph, games_of(model))
