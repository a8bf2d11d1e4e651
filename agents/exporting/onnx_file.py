"""How does a module become an ONNX file? With names, any batch size, and what one must know."""

import json
import logging
import pathlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from gymnasium.error import DependencyNotInstalled
from torch import Tensor, nn

import ram_env
from agents.base.files import Path, write_atomically
from ram_env.arguments import whole_number
from ram_env.games.record import TaskRecord

FORMAT_VERSION = 1
LOWEST_OPSET, HIGHEST_OPSET = 18, 23  # of operators that PyTorch's exporter writes
OPSET = LOWEST_OPSET  # which most programs read


def write_onnx(
    path: Path, graph: nn.Module, inputs: dict[str, Tensor], facts: dict[str, Any], opset: int
) -> None:
    """Write a graph to a file that is whole at any moment; its folder is made.

    Args:
        path: The file.
        graph: On the CPU; takes inputs by their names, and returns outputs by theirs.
        inputs: An example of each, of at least two rows: (B, ...).
        facts: What the file says of itself: its metadata, each value in JSON.
        opset: Which set of operators it is written in.

    Raises:
        ValueError: If there is no such set.
        gymnasium.error.DependencyNotInstalled: If onnx or onnxscript is missing.
    """
    opset = whole_number("opset", opset, LOWEST_OPSET, HIGHEST_OPSET)
    try:
        import onnx
        import onnxscript  # noqa: F401  # which PyTorch's exporter needs
    except ImportError as error:
        raise DependencyNotInstalled(
            f"An ONNX file needs onnx and onnxscript, and one is missing ({error}): run "
            '`pip install "ram-env[onnx]"`.'
        ) from error
    by_name = _ByName(graph).eval()
    with torch.no_grad(), _quietly():
        output_names = list(by_name(inputs))
        program: Any = torch.onnx.export(
            by_name,
            (inputs, {}),  # the last dict would be taken for keywords
            dynamo=True,
            dynamic_shapes=({name: {0: "batch"} for name in inputs},),
            input_names=list(inputs),
            output_names=output_names,
            opset_version=opset,
            verbose=False,
        )
    proto = program.model_proto
    for part in (proto.graph.node, proto.graph.value_info):
        for it in part:
            del it.metadata_props[:]  # lines of code that it stems from
    onnx.helper.set_model_props(proto, {name: json.dumps(fact) for name, fact in facts.items()})
    file_path = pathlib.Path(path)
    file_path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file_path, lambda file: file.write(proto.SerializeToString()))


def facts_of(
    kind: str, task: TaskRecord | None, trained: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """Return what the file of any graph says of itself.

    Args:
        kind: Of graph.
        task: What the model has learned, if that is known.
        trained: How.
        **more: What only this kind of graph has to say.
    """
    arguments = {} if task is None else task.arguments
    return {
        "format": "ram-env",
        "format_version": FORMAT_VERSION,
        "graph": kind,
        "task": None if task is None else task.to_json(),
        "class_names": None if task is None else task.class_names,
        "num_glimpses": arguments.get("num_glimpses"),
        "first_location": [0.0, 0.0],
        **more,
        "trained": trained,
        "ram_env": ram_env.__version__,
    }


class _ByName(nn.Module):
    """Call a graph with a dict: so that inputs of any name are exported alike."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        self.called = graph  # `graph` itself is a name of PyTorch's

    def forward(self, inputs: dict[str, Tensor]) -> Any:
        return self.called(**inputs)


@contextmanager
def _quietly() -> Iterator[None]:
    """Let PyTorch's exporter not warn of itself, and distributions not look at their arguments.

    A graph has no way to refuse a value.
    """
    logger = logging.getLogger("torch.onnx")
    level, validates = logger.level, torch.distributions.Distribution._validate_args
    logger.setLevel(logging.ERROR)
    torch.distributions.Distribution.set_default_validate_args(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        torch.distributions.Distribution.set_default_validate_args(validates)
