"""Where do the pixels come from? What every source of scenes can do, and which are frozen."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ram_env.geometry import Rows
from ram_env.retina import Visible

NUM_FROZEN = 10_000  # scenes of each split, where they are seeds alone
LONGEST_SIDE = 512  # in pixels, of the picture of a scene that people are shown
# The scene seed of image 0 in the frozen set of each split.
_FROZEN_SEEDS = {"validation": 10_000, "test": 0}


@dataclass(frozen=True, eq=False)
class ScenePlans:
    """What scenes consist of, all that their seeds decide; a source adds what else it needs.

    Attributes:
        index: Which image is the target, int64 (...).
        box: Row, column, height and width of the target on the canvas, int64 (..., 4).
        location: The random first location (x, y), float32 (..., 2), in [-1, 1).
    """

    index: np.ndarray
    box: np.ndarray
    location: np.ndarray


class SceneSource(Visible, Protocol):
    """The scenes of B episodes, one per row: planned from seeds, then looked at.

    No canvas need be held: a source may as well compose windows when they are looked at, or read
    them from files, and scenes may differ in shape. Beside its class stands a function that says
    how many bytes a scene takes, for that is asked before anything is made.
    """

    def plan(self, scene_seeds: np.ndarray, indices: np.ndarray | None = None) -> Any:
        """Decide what scenes consist of; nothing is changed.

        Args:
            scene_seeds: int64 (...), not negative; all of a scene follows from its seed.
            indices: Which images to show instead of those that the seeds choose, int64 (...).

        Returns:
            The source's own kind of `ScenePlans`.
        """

    def begin(self, rows: Rows, plans: Any) -> None:
        """Put planned scenes in the place of those of some rows."""

    def pixels_at(self, rows: Rows, locations: np.ndarray) -> np.ndarray:
        """Return the pixels (row, column), int64 (..., 2), under locations in [-1, 1]."""

    def shapes_of(self, rows: Rows) -> np.ndarray:
        """Return height and width of scenes in pixels, int64 (..., 2)."""

    def picture(self, row: int) -> np.ndarray:
        """Return a fresh picture of one scene for people, uint8 (h, w) or (h, w, 3)."""


def frozen_scenes(split: str, indices: np.ndarray) -> dict[str, np.ndarray]:
    """Return the `reset` options of frozen scenes: what results are measured on.

    Args:
        split: `"test"`: image i has scene seed i; `"validation"`: image i has 10,000 + i.
        indices: Which images, int64 (M,).

    Raises:
        ValueError: If the split has no frozen scenes.
    """
    if split not in _FROZEN_SEEDS:
        raise ValueError(f"`split` must be one of {sorted(_FROZEN_SEEDS)}, got {split!r}.")
    return {"index": indices, "scene_seed": indices + _FROZEN_SEEDS[split]}
