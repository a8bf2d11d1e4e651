"""Plays by an ONNX file, as a model does by itself."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ram_env.games.actions import Format

onnxruntime = pytest.importorskip("onnxruntime")  # of the extra


class OnnxGraph:
    """An ONNX file, on one core.

    Attributes:
        facts: Its metadata.
        inputs: The names of its inputs.
    """

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options)
        held = self._session.get_modelmeta().custom_metadata_map
        self.facts: dict[str, Any] = {name: json.loads(fact) for name, fact in held.items()}
        self.inputs = [it.name for it in self._session.get_inputs()]

    def __call__(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs by their names; what else the inputs hold is left out."""
        outputs = self._session.run(None, {name: inputs[name] for name in self.inputs})
        names = [it.name for it in self._session.get_outputs()]
        return dict(zip(names, outputs, strict=True))

    def first_state(self, batch_size: int) -> np.ndarray:
        """Return the state before the first glimpse."""
        return np.zeros((batch_size, self.facts["state_size"]), np.float32)


class OnnxPlayer:
    """Predicts by a file as the model that it is of."""

    def __init__(self, graph: OnnxGraph, action_format: Format) -> None:
        self.graph, self.action_format = graph, action_format

    def predict(
        self, observation: Any, state: Any = None, *_: Any, **__: Any
    ) -> tuple[Any, np.ndarray]:
        """Choose actions for a batch of observations; all episodes begin and end together."""
        state = self.graph.first_state(len(observation["location"])) if state is None else state
        seen = self.graph({**observation, "state": state})
        logits, stop = seen["logits"], seen.get("stop")
        where, stops = seen["next_location"], None if stop is None else stop > 0.0
        actions = self.action_format.encode(where, logits.argmax(1), logits, stops)
        return actions, seen["next_state"]
