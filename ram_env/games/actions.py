"""What does an action mean? Three formats, each a space with its reader and its writer."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

from ram_env.arguments import as_array, shown

SCORE_SCALE = 10.0  # by default a score of 1 is worth so many nats of belief

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
    stops: np.ndarray | None = None  # bool (...): answer now; None if the format cannot say it


class Format(ABC):
    """What an action means: how it is read, and how an agent writes it.

    Attributes:
        space: The action space of one env.
        num_classes: C.
        stop: Whether an action can say that it is the answer: "answer now".
    """

    space: spaces.Space[Any]
    num_classes: int
    stop: bool

    @abstractmethod
    def decode(self, actions: Any) -> Answers:
        """Read an action of the space, or M of them laid out as `batch_space(space, M)` does.

        Raises:
            ValueError: If an action has the wrong shape or type, or a value that is not finite or
                (for whole numbers) not in the space.
        """

    @abstractmethod
    def encode(
        self,
        locations: np.ndarray,
        labels: np.ndarray,
        logits: np.ndarray | None = None,
        stops: np.ndarray | None = None,
    ) -> Any:
        """Write actions that `decode` reads as these locations and labels.

        Args:
            locations: (x, y), float (..., 2); out of [-1, 1] is clipped.
            labels: int64 (...), in 0..C-1.
            logits: The log-belief in each class, up to a constant, float (..., C), highest for the
                label. Only a format with scores has room for it; None is certainty.
            stops: Whether to answer now, bool (...). Only a format with `stop` has room for it;
                None is to go on.

        Returns:
            Actions in the layout and type of the space.

        Raises:
            ValueError: If a location or a logit is not finite.
        """

    @abstractmethod
    def without_stop(self, actions: Any) -> Any:
        """Return the same actions, none of which says to answer now."""


class BoxFormat(Format):
    """`Box(-1, 1, (2 + C,))`: location (x, y), then a score per class; the label is the argmax.

    With `stop` a last number follows: over 0 it says to answer now.
    """

    def __init__(
        self, num_classes: int, score_scale: float = SCORE_SCALE, stop: bool = False
    ) -> None:
        self.num_classes, self.score_scale, self.stop = num_classes, score_scale, stop
        self._shape = (2 + num_classes + stop,)
        self.space = spaces.Box(-1.0, 1.0, self._shape, dtype=np.float32)

    def decode(self, actions: Any) -> Answers:
        """Split float (..., 2 + C) into location and scores."""
        values = _checked_floats("action", actions, self._shape)
        scores = values[..., 2 : 2 + self.num_classes]
        stops = values[..., -1] > 0.0 if self.stop else None
        return Answers(values[..., :2], scores.argmax(axis=-1), scores, stops)

    def encode(
        self,
        locations: np.ndarray,
        labels: np.ndarray,
        logits: np.ndarray | None = None,
        stops: np.ndarray | None = None,
    ) -> np.ndarray:
        """Put locations before scores: the best class has 1, those under 2 scales less -1."""
        where = _clipped_locations(locations)
        if logits is None:
            what = np.where(np.arange(self.num_classes) == labels[..., None], 1.0, -1.0)
        else:
            _check_finite("logits", logits)
            # Relative to the best class: softmax stays as it is, and the best does not saturate.
            below = logits - logits.max(axis=-1, keepdims=True)
            what = np.maximum(1.0 + below / self.score_scale, -1.0)
        parts = [where, what]
        if self.stop:
            parts.append(np.where(_flags(stops, labels), 1.0, -1.0)[..., None])
        return np.concatenate(parts, axis=-1, dtype=np.float32)

    def without_stop(self, actions: Any) -> Any:
        """Return the same actions, none of which says to answer now."""
        return _with_last(actions, -1.0) if self.stop else actions


class MultiDiscreteFormat(Format):
    """`MultiDiscrete([grid, grid, C])`: the cell (x, y) to look at, and the label.

    With `stop` a last 2 follows: 1 says to answer now, 0 to go on.
    """

    def __init__(self, num_classes: int, location_grid: int, stop: bool = False) -> None:
        self.num_classes, self._grid, self.stop = num_classes, location_grid, stop
        self._sizes = np.array([location_grid, location_grid, num_classes] + [2] * stop)
        self.space = spaces.MultiDiscrete(self._sizes)

    def decode(self, actions: Any) -> Answers:
        """Read whole numbers (..., 3); the centre of cell i is at (2 i + 1) / grid - 1."""
        values = _checked_integers("action", actions, self._sizes)
        locations = (2.0 * values[..., :2] + 1.0) / self._grid - 1.0
        stops = values.T[3] == 1 if self.stop else None
        return Answers(locations.astype(np.float32), values.T[2], None, stops)

    def encode(
        self,
        locations: np.ndarray,
        labels: np.ndarray,
        logits: np.ndarray | None = None,
        stops: np.ndarray | None = None,
    ) -> np.ndarray:
        """Put the cells under the locations, floor((l + 1) / 2 * grid), before the labels."""
        cells = np.floor((_clipped_locations(locations) + 1.0) / 2.0 * self._grid)
        cells = np.minimum(cells, self._grid - 1)  # the border belongs to the last cell
        parts = [cells, labels[..., None]]
        if self.stop:
            parts.append(_flags(stops, labels)[..., None])
        return np.concatenate(parts, axis=-1).astype(self.space.dtype)

    def without_stop(self, actions: Any) -> Any:
        """Return the same actions, none of which says to answer now."""
        return _with_last(actions, 0) if self.stop else actions


class DictFormat(Format):
    """`Dict(location: Box(-1, 1, (2,)), label: Discrete(C))`: the plainest.

    With `stop` there is a key of this name, `Discrete(2)`: 1 says to answer now, 0 to go on.
    """

    def __init__(self, num_classes: int, stop: bool = False) -> None:
        self.num_classes, self.stop = num_classes, stop
        self._num_labels, self._two = np.array(num_classes), np.array(2)
        parts: list[tuple[str, spaces.Space[Any]]] = [
            ("location", spaces.Box(-1.0, 1.0, (2,), dtype=np.float32)),
            ("label", spaces.Discrete(num_classes)),
        ]
        if stop:
            parts.append(("stop", spaces.Discrete(2)))
        self.space = spaces.Dict(parts)
        self._keys = set(self.space.spaces)

    def decode(self, actions: Any) -> Answers:
        """Read float locations (..., 2) and whole-number labels (...)."""
        if not isinstance(actions, dict) or set(actions) != self._keys:
            keys = (
                sorted(map(str, actions)) if isinstance(actions, dict) else type(actions).__name__
            )
            wanted = "`location`, `label` and `stop`" if self.stop else "`location` and `label`"
            raise ValueError(f"`action` must be a dict of {wanted}, got {keys}.")
        locations = _checked_floats("location", actions["location"], (2,))
        labels = _checked_integers("label", actions["label"], self._num_labels)
        if labels.shape != locations.shape[:-1]:
            raise ValueError(
                "`action` must hold a label for each location, got locations of shape "
                f"{locations.shape} and labels of shape {labels.shape}."
            )
        if not self.stop:
            return Answers(locations, labels, None)
        stops = _checked_integers("stop", actions["stop"], self._two)
        if stops.shape != labels.shape:
            raise ValueError(
                f"`action` must hold a `stop` for each label, got labels of shape {labels.shape} "
                f"and stops of shape {stops.shape}."
            )
        return Answers(locations, labels, None, stops == 1)

    def encode(
        self,
        locations: np.ndarray,
        labels: np.ndarray,
        logits: np.ndarray | None = None,
        stops: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Put locations beside labels."""
        label = np.asarray(labels, dtype=np.int64)
        action: dict[str, np.ndarray]
        action = {"location": _clipped_locations(locations).astype(np.float32), "label": label}
        if self.stop:
            action["stop"] = _flags(stops, label).astype(np.int64)
        return action

    def without_stop(self, actions: Any) -> Any:
        """Return the same actions, none of which says to answer now."""
        return {**actions, "stop": np.zeros_like(actions["stop"])} if self.stop else actions


def make_format(
    name: str, num_classes: int, location_grid: int, score_scale: float, stop: bool = False
) -> Format:
    """Make an action format; the grid matters to `multidiscrete` only, the scale to `box`."""
    if name == ActionFormat.BOX:
        return BoxFormat(num_classes, score_scale, stop)
    if name == ActionFormat.MULTIDISCRETE:
        return MultiDiscreteFormat(num_classes, location_grid, stop)
    return DictFormat(num_classes, stop)


def action_format_of(
    space: spaces.Space[Any], score_scale: float = SCORE_SCALE, stop: bool = False
) -> Format:
    """Return the format whose space an action space is.

    Args:
        space: The action space of one env.
        score_scale: That of the env; the space does not tell it.
        stop: Whether the last number of a `Box` is the one that says to answer now: of C classes
            with it and of C + 1 without, the spaces are the same. An env of ours tells it as its
            attribute `stop`; the other spaces tell it themselves.

    Raises:
        ValueError: If no format has this space.
    """
    made: Format | None = None
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.shape[0] > 2 + stop:
        made = BoxFormat(space.shape[0] - 2 - stop, score_scale, stop)
    elif isinstance(space, spaces.MultiDiscrete) and space.nvec.shape in [(3,), (4,)]:
        grid, _, num_classes, *more = space.nvec.tolist()
        made = MultiDiscreteFormat(num_classes, grid, stop=bool(more))
    elif isinstance(space, spaces.Dict):
        label = space.spaces.get("label")
        if isinstance(label, spaces.Discrete):
            made = DictFormat(int(label.n), stop="stop" in space.spaces)
    if made is None or made.space != space:
        raise ValueError(
            "`space` must be Box(-1, 1, (2 + C,)), MultiDiscrete([grid, grid, C]) or a Dict of "
            "`location` and `label`, as the action spaces of ram_env are, or with `stop` "
            f"Box(-1, 1, (2 + C + 1,)), MultiDiscrete([grid, grid, C, 2]) or a Dict of `stop` too, "
            f"got {space}."
        )
    return made


def log_belief(scores: np.ndarray, score_scale: float) -> np.ndarray:
    """Return log softmax(score_scale * scores): float32 (..., C) -> float64 (..., C)."""
    logits = score_scale * scores.astype(np.float64)
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


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
    _check_finite(name, array)
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


def _flags(stops: np.ndarray | None, labels: np.ndarray) -> np.ndarray:
    """Return flags of the shape of the labels, bool (...); None are not set."""
    return np.zeros(np.shape(labels), dtype=bool) if stops is None else np.asarray(stops)


def _with_last(actions: Any, value: float) -> np.ndarray:
    """Return a copy of actions whose last number is another."""
    copied = np.array(actions)
    copied[..., -1] = value
    return copied


def _clipped_locations(locations: np.ndarray) -> np.ndarray:
    """Return finite locations in [-1, 1], of the type that they have."""
    _check_finite("locations", locations)
    return np.clip(locations, -1.0, 1.0)


def _check_finite(name: str, array: np.ndarray) -> None:
    is_finite = np.isfinite(array)
    if np.count_nonzero(is_finite) < array.size:
        wrong = array[~is_finite][0]
        raise ValueError(f"`{name}` must be finite, got {wrong}: check what the agent computes.")


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Refuse actions of another shape; what comes before it are the axes of a batch."""
    own = array.shape[-len(shape) :] if shape else ()
    if own != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {own}.")
