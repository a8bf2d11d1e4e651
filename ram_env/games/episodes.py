"""What episodes in progress are made of: the state that a `GlimpseTask` plays with."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ram_env.retina import Canvases

if TYPE_CHECKING:
    from ram_env.games.classify import GlimpseTask


class Episodes:
    """The state of B episodes, one per row; only `GlimpseTask` writes to it.

    Attributes:
        canvases: The scenes.
        index, label, scene_seed: int64 (B,).
        target_box: (row, column, height, width) of the target, int64 (B, 4).
        locations: (x, y) of every glimpse so far, float32 (B, T, 2).
        glimpses: The latest glimpse, float32 (B, K, g, g).
        num_taken: How many glimpses were taken, int64 (B,); 0 before the first reset.
        scored: Whether the episode has ended, bool (B,).
        scores: The latest class scores, float32 (B, C); NaN where none were given.
        prediction: The label of the last step, int64 (B,); -1 before it.
    """

    def __init__(self, num_episodes: int, task: "GlimpseTask") -> None:
        """Allocate the state of `num_episodes` episodes, none of them begun.

        Raises:
            ValueError: If they do not fit into memory.
        """
        task.check_memory(num_episodes)
        self.canvases = Canvases(num_episodes, task.canvas_shape, task.patch_size, task.num_scales)
        self.index = np.zeros(num_episodes, dtype=np.int64)
        self.label = np.zeros(num_episodes, dtype=np.int64)
        self.scene_seed = np.zeros(num_episodes, dtype=np.int64)
        self.target_box = np.zeros((num_episodes, 4), dtype=np.int64)
        self.locations = np.zeros((num_episodes, task.num_glimpses, 2), dtype=np.float32)
        glimpse_shape = (task.num_scales, task.patch_size, task.patch_size)
        self.glimpses = np.zeros((num_episodes, *glimpse_shape), dtype=np.float32)
        self.num_taken = np.zeros(num_episodes, dtype=np.int64)
        self.scored = np.zeros(num_episodes, dtype=bool)
        self.scores = np.full((num_episodes, task.num_classes), np.nan, dtype=np.float32)
        self.prediction = np.full(num_episodes, -1, dtype=np.int64)


class Outcome(NamedTuple):
    """What one step brought: M episodes, or a single one without the leading axis."""

    rewards: np.ndarray  # float64 (...)
    terminated: np.ndarray  # bool (...)
    prediction: np.ndarray  # int64 (...): the label answered
    is_success: np.ndarray  # bool (...): whether it is right


def any_of(flags: np.ndarray) -> bool:
    """Return whether any of some flags is set, bool (...); for one flag far faster than numpy."""
    return bool(flags) if flags.ndim == 0 else bool(np.count_nonzero(flags))
