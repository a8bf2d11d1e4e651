"""What is exported of a model of RAM? A look at a glimpse, or at a whole canvas."""

import copy
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn

from agents.base.files import Path
from agents.exporting.graphs import Look, RetinaGraph, WholeLook
from agents.exporting.onnx_file import facts_of, write_onnx
from ram_env.games.record import TaskRecord
from ram_env.games.settings import canvas_shape_of

MAX_SIDE = 512  # of a canvas in pixels: each look reads all of it


def export_look(
    path: Path,
    policy: Any,
    task: TaskRecord | None,
    trained: dict[str, Any],
    whole_look: bool,
    opset: int,
) -> None:
    """Write what a model does with one glimpse to an ONNX file; see `RAM.export_onnx`.

    Args:
        path: The file.
        policy: That of RAM.
        task: What it has learned; it must be known for a whole look.
        trained: How it was trained.
        whole_look: Whether the graph has the retina in it.
        opset: See `write_onnx`.

    Raises:
        ValueError: If there is no such opset, or no graph of this model.
        gymnasium.error.DependencyNotInstalled: If the extra `onnx` is missing.
    """
    if policy.config.gaze == "random":
        raise ValueError(
            "`model` must choose where it looks, got one of `gaze='random'`, which no graph draws: "
            "train one of `gaze='learned'`."
        )
    graph, inputs = _look(policy)
    _, num_scales, *colors, _, patch_size = inputs["glimpse"].shape
    more: dict[str, Any] = {"normalisation": "in the graph; `glimpse` is in [0, 1]"}
    if whole_look:
        assert task is not None
        shape = _canvas_shape(task)
        graph, inputs = _with_retina(graph, inputs, shape)
        more = {"normalisation": "in the graph; `canvas` is in 0..255", "canvas_shape": shape}
    facts = facts_of(
        "whole_look" if whole_look else "look",
        task,
        trained,
        patch_size=patch_size,
        num_scales=num_scales,
        channels=3 if colors else 1,
        state_size=policy.networks.state_size,
        **more,
        score_scale=policy.score_scale,
        stop="answer at once if `stop` is above 0" if policy.config.learn_stop else None,
    )
    write_onnx(path, graph, inputs, facts, opset)


def _look(policy: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return the graph of a look at a glimpse, and an example of what it takes in, of two rows."""
    networks = copy.deepcopy(policy.networks).cpu()
    is_grid = isinstance(policy.action_space, spaces.MultiDiscrete)
    parts = policy.observation_space.spaces
    inputs = {name: torch.ones(2, *part.shape) for name, part in parts.items()}
    if policy.config.location != "retinotopic":
        inputs.pop("reach", None)
    inputs["state"] = networks.initial_state(2)
    return Look(networks, int(policy.action_space.nvec[0]) if is_grid else None), inputs


def _with_retina(
    look: nn.Module, inputs: dict[str, Tensor], canvas_shape: tuple[int, int]
) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return the graph of a look at a canvas, and an example of what it takes in, of two rows."""
    _, num_scales, *_, patch_size = inputs["glimpse"].shape
    retina = RetinaGraph(patch_size, num_scales, canvas_shape)
    canvas = torch.zeros(2, *canvas_shape, dtype=torch.uint8)
    given = {"canvas": canvas, "location": inputs["location"], "state": inputs["state"]}
    return WholeLook(look, retina, "reach" in inputs), given


def _canvas_shape(task: TaskRecord) -> tuple[int, int]:
    """Return height and width of all scenes of a task.

    Raises:
        ValueError: If they differ, or are too large to be read at each look.
    """
    size, canvas_range = (task.arguments.get(it) for it in ("canvas_size", "canvas_range"))
    if size is not None and canvas_range is None:
        shape = canvas_shape_of(size)
        if max(shape) <= MAX_SIDE:
            return shape
    found = "pictures of many sizes" if size is None else f"canvases of {canvas_range or size}"
    raise ValueError(
        f"`whole_look` needs canvases of one size, at most {MAX_SIDE} pixels a side, got {found}: "
        "leave it out, and the graph takes glimpses, of any scene."
    )
