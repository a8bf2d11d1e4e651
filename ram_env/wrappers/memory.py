"""What has an agent seen in its episode so far? No scene is looked into, only glimpses."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from ram_env.arguments import check_bytes
from ram_env.games.game import BYTES_PER_NUMBER, Game, Observation
from ram_env.geometry import (
    PixelGrid,
    Rows,
    enlarge,
    lay_scales,
    padded_shape,
    parts_of,
    window_side,
)
from ram_env.scenes.canvases import pad_canvases


class Memory(ABC):
    """What was seen in B episodes so far, one per row.

    Args:
        num_episodes: B.
        task: The task that is played.

    Attributes:
        space: The space of what is shown of one episode.

    Raises:
        ValueError: If it takes more bytes than there are.
    """

    space: spaces.Dict

    @abstractmethod
    def __init__(self, num_episodes: int, task: Game) -> None:
        """Make the memory, empty."""

    def begin(self, rows: Rows, observation: Observation) -> None:
        """Forget episodes, and take note of the first observation of those that follow."""
        self.forget(rows)
        self.add(rows, observation)

    @abstractmethod
    def forget(self, rows: Rows) -> None:
        """Forget all that was seen in some episodes."""

    @abstractmethod
    def add(self, rows: Rows, observation: Observation) -> None:
        """Take note of the next observation of some episodes, at most T in all of each.

        Args:
            rows: The episodes.
            observation: `glimpse`, float32 (..., K, g, g), and `location`, float32 (..., 2).
        """

    @abstractmethod
    def show(self, rows: Rows) -> Observation:
        """Return what was seen in some episodes, in fresh arrays."""


class Latest:
    """What is shown of the latest observation as it is, in each of B episodes.

    Args:
        num_episodes: B.
        parts: The spaces of these parts, by name.
    """

    def __init__(self, num_episodes: int, parts: Mapping[str, spaces.Space[Any]]) -> None:
        self._parts = {
            name: np.zeros((num_episodes, *(space.shape or ())), dtype=np.float32)
            for name, space in parts.items()
        }

    def add(self, rows: Rows, observation: Observation) -> None:
        """Take note of the next observation of some episodes."""
        for name, part in self._parts.items():
            part[rows] = observation[name]

    def show(self, rows: Rows) -> Observation:
        """Return the parts, in fresh arrays."""
        return {name: part.take(rows, axis=0) for name, part in self._parts.items()}


class HistoryMemory(Memory):
    """All glimpses and their locations, in the order of time, padded with 0 to T."""

    def __init__(self, num_episodes: int, task: Game) -> None:
        length = task.num_glimpses
        glimpse_shape = (length, *task.retina.glimpse_shape)
        check_bytes(
            BYTES_PER_NUMBER * num_episodes * (math.prod(glimpse_shape) + 3 * length),
            f"the histories of {num_episodes} envs of `num_glimpses` {length}",
        )
        shown = task.observation_space.spaces
        latest: Any = {it: shown[it] for it in shown if it not in ("glimpse", "location")}
        # As keywords, which keep their order: a dict would be sorted.
        self.space = spaces.Dict(
            glimpse=spaces.Box(0.0, 1.0, glimpse_shape, dtype=np.float32),
            location=spaces.Box(-1.0, 1.0, (length, 2), dtype=np.float32),
            mask=spaces.Box(0.0, 1.0, (length,), dtype=np.float32),
            **latest,
        )
        self._latest = Latest(num_episodes, latest)
        self._glimpses = np.zeros((num_episodes, *glimpse_shape), dtype=np.float32)
        self._locations = np.zeros((num_episodes, length, 2), dtype=np.float32)
        self._num_seen = np.zeros(num_episodes, dtype=np.int64)
        self._times = np.arange(length)

    def forget(self, rows: Rows) -> None:
        """Fill the rows with 0."""
        self._glimpses[rows] = 0.0
        self._locations[rows] = 0.0
        self._num_seen[rows] = 0

    def add(self, rows: Rows, observation: Observation) -> None:
        """Write the glimpse behind those before it."""
        time = self._num_seen[rows]
        self._glimpses[rows, time] = observation["glimpse"]
        self._locations[rows, time] = observation["location"]
        self._latest.add(rows, observation)
        self._num_seen[rows] = time + 1

    def show(self, rows: Rows) -> Observation:
        """Return the history.

        Returns:
            `glimpse`, float32 (..., T, K, g, g) in [0, 1], `location`, float32 (..., T, 2) in
            [-1, 1], and `mask`, float32 (..., T): 1 where there is a glimpse, else 0; beside them
            `reach` as it is, if it is observed.
        """
        return self._latest.show(rows) | {
            "glimpse": self._glimpses.take(rows, axis=0),
            "location": self._locations.take(rows, axis=0),
            "mask": (self._times < self._num_seen[rows][..., None]).astype(np.float32),
        }


class CanvasMemory(Memory):
    """A canvas on which every glimpse is painted where it was taken.

    Each pixel has the value of the finest scale that has seen it, the latest among equal ones. A
    sample of scale k fills the 2**k x 2**k pixels that it is the mean of.
    """

    def __init__(self, num_episodes: int, task: Game) -> None:
        canvas_shape = _canvas_shape_of(task)
        (height, width), (num_scales, side, _) = canvas_shape, task.retina.glimpse_shape
        padded = padded_shape(canvas_shape, side, num_scales)
        glimpse_shape = (num_scales, side, side)
        bytes_shown = BYTES_PER_NUMBER * (2 * height * width + math.prod(glimpse_shape))
        check_bytes(
            num_episodes * (5 * math.prod(padded) + bytes_shown),
            f"what {num_episodes} envs of `canvas_size` {height}x{width} have seen",
        )
        shown: Any = task.observation_space.spaces
        self.space = spaces.Dict(
            **shown,
            canvas=spaces.Box(0.0, 1.0, (height, width), dtype=np.float32),
            seen=spaces.Box(0.0, 1.0, (height, width), dtype=np.float32),
        )
        self._latest = Latest(num_episodes, shown)
        frame = (num_episodes, canvas_shape, task.retina)
        self._values = pad_canvases(*frame, np.float32)
        self._finest = pad_canvases(*frame, np.int8)
        self._unseen = num_scales  # coarser than all scales
        self._finest.inside[:] = self._unseen
        self._side = window_side(side, num_scales - 1)
        scales = np.arange(num_scales, dtype=np.int8)[:, None, None]
        self._scale_of_look = lay_scales(enlarge(scales, side))  # (w, w)
        self._pixel_grid = PixelGrid(canvas_shape)

    def forget(self, rows: Rows) -> None:
        """Paint the canvas black, and call it unseen; what is in its border is never shown."""
        self._values.inside[rows] = 0.0
        self._finest.inside[rows] = self._unseen

    def add(self, rows: Rows, observation: Observation) -> None:
        """Paint the glimpse over all that is not finer."""
        self._latest.add(rows, observation)
        if not isinstance(rows, np.ndarray):
            self._paint(rows, observation)
            return
        for part in parts_of(len(rows), 16 * self._side**2):
            self._paint(rows[part], {key: value[part] for key, value in observation.items()})

    def _paint(self, rows: Rows, observation: Observation) -> None:
        """Paint glimpses all at once: with look, values, scales and flags, 16 bytes per pixel."""
        row, column = self._pixel_grid.pixels_at(observation["location"]).T
        window = (rows, row, column)
        look = lay_scales(observation["glimpse"])
        value_windows = self._values.windows(self._side, self._side)
        finest_windows = self._finest.windows(self._side, self._side)
        finest = finest_windows[window]
        np.copyto(look, value_windows[window], where=finest < self._scale_of_look)
        value_windows[window] = look
        finest_windows[window] = np.minimum(finest, self._scale_of_look)

    def show(self, rows: Rows) -> Observation:
        """Return the canvas beside the latest observation.

        Returns:
            The latest observation, `canvas`, float32 (..., H, W) in [0, 1], 0 where nothing was
            seen, and `seen`, float32 (..., H, W): 1 where something was seen, else 0.
        """
        canvas = self._values.inside[rows]
        return self._latest.show(rows) | {
            # Several rows are a copy already, a single one is a view.
            "canvas": canvas if isinstance(rows, np.ndarray) else canvas.copy(),
            "seen": (self._finest.inside[rows] < self._unseen).astype(np.float32),
        }


def _canvas_shape_of(task: Game) -> tuple[int, int]:
    """Return height and width of all canvases of a task.

    Raises:
        ValueError: If there are none, or they differ.
    """
    canvas_shape: tuple[int, int] | None = getattr(task, "canvas_shape", None)
    if canvas_shape is None:
        raise ValueError(
            "`env` must have scenes on a canvas for the canvas to be remembered; pictures differ in"
            " their shapes: remember the history of glimpses instead."
        )
    canvas_range = getattr(task, "canvas_range", None)
    if canvas_range is not None:
        raise ValueError(
            "`env` must have canvases of one size for the canvas to be remembered, got "
            f"`canvas_range` {canvas_range}: choose `canvas_size` instead, or remember the history "
            "of glimpses."
        )
    return canvas_shape


def task_of(env: Any, space: spaces.Space[Any]) -> Game:
    """Return the task of an env, or of many, that shows what the task does.

    Args:
        env: A gymnasium env or vector env.
        space: The space of what one env shows.

    Raises:
        ValueError: If it is no env of this package, or wrappers show something else.
    """
    task = getattr(env.unwrapped, "task", None)
    if not isinstance(task, Game):
        raise ValueError(
            "`env` must be a GlimpseEnv or, for a vector wrapper, a GlimpseVectorEnv, got "
            f"{env.unwrapped}: the envs of Gymnasium's vector envs are wrapped one by one."
        )
    if space != task.observation_space:
        raise ValueError(
            f"`env` must show the observation of its task, {task.observation_space}, got {env}: "
            "put this wrapper inside those that change the observation."
        )
    return task
