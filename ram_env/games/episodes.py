"""What is there to know of episodes in progress? The state that a `GlimpseTask` plays with."""

import math

import numpy as np

from ram_env.scenes.source import SceneSource

# Of what is shown: float32 as it is held, as it is returned now, before and at the end, and as low
# and high of the space of a vector env; two flags there.
BYTES_PER_NUMBER = 26
_BYTES_PER_EPISODE = 3000  # random numbers, infos and all else of one size


class Episodes:
    """The state of B episodes, one per row; only `GlimpseTask` writes to it.

    Attributes:
        scenes: The scenes that are played.
        label, scene_seed: int64 (B,).
        index: Of the target, int64 (B,), or of each of D targets, (B, D).
        target_box: (row, column, height, width) of the target, int64 (B, 4) or (B, D, 4).
        locations: (x, y) of every glimpse so far, float32 (B, T, 2).
        glimpses: The latest glimpse, float32 (B, K, g, g).
        num_taken: How many glimpses were taken, int64 (B,); 0 before the first reset.
        ended: Whether the episode has ended, bool (B,).
        scores: The latest class scores, float32 (B, C); NaN where none were given.
        prediction: The label of the last step, int64 (B,); -1 before it.
    """

    def __init__(
        self,
        scenes: SceneSource,
        num_episodes: int,
        num_glimpses: int,
        glimpse_shape: tuple[int, int, int],
        num_classes: int,
        targets_shape: tuple[int, ...] = (),
    ) -> None:
        self.scenes = scenes
        self.index = np.zeros((num_episodes, *targets_shape), dtype=np.int64)
        self.label = np.zeros(num_episodes, dtype=np.int64)
        self.scene_seed = np.zeros(num_episodes, dtype=np.int64)
        self.target_box = np.zeros((num_episodes, *targets_shape, 4), dtype=np.int64)
        self.locations = np.zeros((num_episodes, num_glimpses, 2), dtype=np.float32)
        self.glimpses = np.zeros((num_episodes, *glimpse_shape), dtype=np.float32)
        self.num_taken = np.zeros(num_episodes, dtype=np.int64)
        self.ended = np.zeros(num_episodes, dtype=bool)
        self.scores = np.full((num_episodes, num_classes), np.nan, dtype=np.float32)
        self.prediction = np.full(num_episodes, -1, dtype=np.int64)


def episode_bytes(num_glimpses: int, glimpse_shape: tuple[int, ...], num_classes: int) -> int:
    """Return how many bytes an episode takes beside its scene."""
    numbers = math.prod(glimpse_shape) + num_classes
    return BYTES_PER_NUMBER * numbers + 8 * num_glimpses + _BYTES_PER_EPISODE


def any_of(flags: np.ndarray) -> bool:
    """Return whether any of some flags is set, bool (...); for one flag far faster than numpy."""
    return bool(flags) if flags.ndim == 0 else bool(np.count_nonzero(flags))
