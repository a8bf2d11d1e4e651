"""The three action formats: the space that an agent acts in, and what an action means."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from ram_env.arguments import as_array, shown

# As arrays: numpy would convert a Python number at each use, which takes longer than clipping.
_LOWEST, _HIGHEST = np.array(-1.0, dtype=np.float32), np.array(1.0, dtype=np.float32)


class ActionFormat(StrEnum):
    """How an agent says where to look next and which class it believes in."""

    BOX = "box"
    MULTIDISCRETE = "multidiscrete"
    DICT = "dict"


class Answers(NamedTuple):
    """What agents answered: M of them, or a single one without the leading axis."""

    locations: np.ndarray  # float32 (..., 2): next (x, y), clipped to [-1, 1]
    labels: np.ndarray  # int64 (...), in 0..C-1
    scores: np.ndarray | None  # float32 (..., C), clipped to [-1, 1]; None if the format has none


class ActionDecoder(ABC):
    """One action format.

    Attributes:
        space: The action space of one env.
    """

    space: spaces.Space[Any]

    @abstractmethod
    def decode(self, actions: Any) -> Answers:
        """Read an action of the space, or M of them laid out as `batch_space(space, M)` does.

        Raises:
            ValueError: If an action has the wrong shape or type, or a value that is not finite or
                (for whole numbers) not in the space.
        """


class BoxDecoder(ActionDecoder):
    """`Box(-1, 1, (2 + C,))`: location (x, y), then a score per class; the label is the argmax."""

    def __init__(self, num_classes: int) -> None:
        """Make the space for `num_classes` classes."""
        self._num_classes = num_classes
        self.space = spaces.Box(-1.0, 1.0, (2 + num_classes,), dtype=np.float32)

    def decode(self, actions: Any) -> Answers:
        """Split float (..., 2 + C) into location and scores."""
        values = _checked_floats("action", actions, (2 + self._num_classes,))
        scores = values[..., 2:]
        return Answers(values[..., :2], scores.argmax(axis=-1), scores)


class MultiDiscreteDecoder(ActionDecoder):
    """`MultiDiscrete([grid, grid, C])`: the cell (x, y) to look at, and the label."""

    def __init__(self, num_classes: int, location_grid: int) -> None:
        """Make the space for `num_classes` classes and `location_grid` cells along each side."""
        self._grid = location_grid
        self._sizes = np.array([location_grid, location_grid, num_classes])
        self.space = spaces.MultiDiscrete(self._sizes)

    def decode(self, actions: Any) -> Answers:
        """Read whole numbers (..., 3); the centre of cell i is at (2 i + 1) / grid - 1."""
        values = _checked_integers("action", actions, self._sizes)
        locations = (2.0 * values[..., :2] + 1.0) / self._grid - 1.0
        return Answers(locations.astype(np.float32), values.T[2], None)


class DictDecoder(ActionDecoder):
    """`Dict(location: Box(-1, 1, (2,)), label: Discrete(C))`: the plainest."""

    def __init__(self, num_classes: int) -> None:
        """Make the space for `num_classes` classes."""
        self._num_classes = np.array(num_classes)
        location = spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)
        self.space = spaces.Dict(location=location, label=spaces.Discrete(num_classes))

    def decode(self, actions: Any) -> Answers:
        """Read float locations (..., 2) and whole-number labels (...)."""
        if not isinstance(actions, dict) or set(actions) != {"location", "label"}:
            keys = (
                sorted(map(str, actions)) if isinstance(actions, dict) else type(actions).__name__
            )
            raise ValueError(f"`action` must be a dict of `location` and `label`, got {keys}.")
        locations = _checked_floats("location", actions["location"], (2,))
        labels = _checked_integers("label", actions["label"], self._num_classes)
        if labels.shape != locations.shape[:-1]:
            raise ValueError(
                "`action` must hold a label for each location, got locations of shape "
                f"{locations.shape} and labels of shape {labels.shape}."
            )
        return Answers(locations, labels, None)


def make_decoder(
    action_format: ActionFormat, num_classes: int, location_grid: int
) -> ActionDecoder:
    """Make the decoder of an action format; `location_grid` matters to `multidiscrete` only."""
    match action_format:
        case ActionFormat.BOX:
            return BoxDecoder(num_classes)
        case ActionFormat.MULTIDISCRETE:
            return MultiDiscreteDecoder(num_classes, location_grid)
        case ActionFormat.DICT:
            return DictDecoder(num_classes)


def select_actions(actions: Any, rows: np.ndarray) -> Any:
    """Take some rows of a batch of actions in any format."""
    if isinstance(actions, dict):
        return {key: np.asarray(value)[rows] for key, value in actions.items()}
    return np.asarray(actions)[rows]


def check_count(actions: Any, number: int) -> None:
    """Refuse a batch that does not hold so many actions.

    Raises:
        ValueError: If it does not, or a part of it does not make an array.
    """
    parts = actions if isinstance(actions, dict) else {"actions": actions}
    shapes = {key: as_array("actions", part).shape for key, part in parts.items()}
    if not shapes or any(shape[:1] != (number,) for shape in shapes.values()):
        got = ", ".join(f"{key!s} of shape {shape}" for key, shape in shapes.items()) or "none"
        raise ValueError(
            f"`actions` must hold one action for each of the {number} sub-envs, got {got}."
        )


def _checked_floats(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 (..., *shape), clipped to [-1, 1]."""
    array = as_array(name, values)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"`{name}` must be an array of numbers, got dtype {array.dtype}.")
    _check_shape(name, array, shape)
    is_finite = np.isfinite(array)
    if np.count_nonzero(is_finite) < array.size:
        wrong = array[~is_finite][0]
        raise ValueError(f"`{name}` must be finite, got {wrong}: check what the agent computes.")
    return np.maximum(np.minimum(array, _HIGHEST), _LOWEST).astype(np.float32, copy=False)


def _checked_integers(name: str, values: Any, bounds: np.ndarray) -> np.ndarray:
    """Return int64 (..., *bounds.shape), each in 0..bound - 1."""
    array = as_array(name, values)
    if array.dtype.kind not in "iu":
        raise ValueError(f"`{name}` must be whole numbers, got dtype {array.dtype}.")
    _check_shape(name, array, bounds.shape)
    if ((array < 0) | (array >= bounds)).any():
        highest = (bounds - 1).tolist()
        raise ValueError(f"`{name}` must be in 0..{highest}, got {shown(array.tolist())}.")
    return array.astype(np.int64, copy=False)


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Refuse actions of another shape; what comes before it are the axes of a batch."""
    own = array.shape[-len(shape) :] if shape else ()
    if own != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {own}.")
