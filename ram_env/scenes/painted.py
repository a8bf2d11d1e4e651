"""Scenes: images and scene seeds -> canvases and first locations. Pure: a seed is a scene.

The rules are those of DeepMind's `mnist-cluttered` generator: on black, crops of other images are
added as distractors, then the image itself; sums saturate at white. Every draw is a documented
integer hash of (scene seed, number of the draw), so a frozen scene survives library upgrades.
"""

from dataclasses import dataclass

import numpy as np

from ram_env.retina import Rows
from ram_env.scenes.distortion import NODES, distort
from ram_env.scenes.padding import PaddedImages

# The increment and the two multipliers of SplitMix64 (Steele, Lea, Flood 2014).
_INCREMENT = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)
_MULTIPLIERS = np.array(0xBF58476D1CE4E5B9, np.uint64), np.array(0x94D049BB133111EB, np.uint64)
_SHIFTS = np.array(30, np.uint64), np.array(27, np.uint64), np.array(31, np.uint64)
_HALF = np.array(32, dtype=np.uint64)

_IDENTITY = np.eye(2, dtype=np.float32)

# A location is drawn on a grid of 2**24 points, the finest that float32 holds exactly in [-1, 1).
_LOCATION_STEPS = 2**24
# The scene seed of image 0 in the frozen set of each split.
_FROZEN_SEEDS = {"validation": 10_000, "test": 0}
# Each number of a distortion is drawn in so many steps from -1 to 1.
_DISTORTION_STEPS = 2**24
_DRAWS_PER_SCENE = 5  # image, row, column, x, y
DRAWS_PER_DISTRACTOR = 5  # image, row and column of the crop, row and column on the canvas
_DRAWS_PER_MAP = 4
_DRAWS_PER_BEND = 2 * NODES**2  # row and column of each node


def mix_bits(values: np.ndarray) -> np.ndarray:
    """Scramble whole numbers with the finaliser of SplitMix64: uint64 (...) -> uint64 (...)."""
    values = (values ^ (values >> _SHIFTS[0])) * _MULTIPLIERS[0]
    values = (values ^ (values >> _SHIFTS[1])) * _MULTIPLIERS[1]
    return values ^ (values >> _SHIFTS[2])


def draw_integers(scene_seeds: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Draw one uniform whole number per scene and bound by hashing (scene seed, draw number).

    Args:
        scene_seeds: int64 (...), not negative.
        bounds: Exclusive upper bounds, int64 (D,), each in 1..2**32.

    Returns:
        int64 (..., D); column d lies in 0..bounds[d] - 1. Its bias is under bounds[d] / 2**32.
    """
    draws = np.arange(1, len(bounds) + 1, dtype=np.uint64) * _INCREMENT
    # Never without an axis: numpy warns of an overflow of single numbers, and a hash means it.
    streams = mix_bits(scene_seeds[..., None].astype(np.uint64) + _INCREMENT)  # (..., 1)
    hashes = mix_bits(streams + draws)  # (..., D)
    return (((hashes >> _HALF) * bounds.astype(np.uint64)) >> _HALF).astype(np.int64)


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


@dataclass(frozen=True, eq=False)
class ScenePlans:
    """What scenes consist of, all that their seeds decide. Row and column are top-left corners.

    Attributes:
        index: Which image is the target, int64 (...).
        corner: (row, column) of the target on the canvas, int64 (..., 2).
        location: The random first location (x, y), float32 (..., 2), in [-1, 1).
        distractors: Per distractor the image, the crop's (row, column) in it and its (row, column)
            on the canvas, int64 (..., D, 5).
        map: The linear map that the target is redrawn through, float32 (..., 2, 2); see `distort`.
        node_shifts: And how it is bent, float32 (..., 2, `NODES`, `NODES`), or None: not at all.
    """

    index: np.ndarray
    corner: np.ndarray
    location: np.ndarray
    distractors: np.ndarray
    map: np.ndarray
    node_shifts: np.ndarray | None


class ScenePainter:
    """Draws scenes made of one set of images.

    Args:
        images: uint8 (N, h, w), at most 2**32 of them.
        canvas_shape: Height and width of a canvas in pixels, at least h and w.
        num_distractors: How many crops of other images clutter each scene.
        distractor_size: Side of a crop in pixels, at most the smaller side of an image.
        distortion: By how much at most each number of the target's map differs from the identity.
        elastic_distortion: How far at most each node of the grid that bends the target is shifted,
            as a share of the image's height and width.
    """

    def __init__(
        self,
        images: np.ndarray,
        canvas_shape: tuple[int, int],
        num_distractors: int,
        distractor_size: int,
        distortion: float = 0.0,
        elastic_distortion: float = 0.0,
    ) -> None:
        """Prepare the draws; nothing is copied."""
        (num_images, height, width), (canvas_height, canvas_width) = images.shape, canvas_shape
        size = distractor_size
        scene = [num_images, canvas_height - height + 1, canvas_width - width + 1]
        scene += [_LOCATION_STEPS, _LOCATION_STEPS]
        distractor = [num_images, height - size + 1, width - size + 1]
        distractor += [canvas_height - size + 1, canvas_width - size + 1]
        bounds = scene + distractor * num_distractors
        # Last, and only if needed: all else of a scene is the same with and without distortion.
        bounds += [_DISTORTION_STEPS] * (_DRAWS_PER_MAP if distortion else 0)
        bounds += [_DISTORTION_STEPS] * (_DRAWS_PER_BEND if elastic_distortion else 0)
        self._bounds = np.array(bounds, dtype=np.int64)
        self._num_distractors = num_distractors
        self._distortion = distortion
        self._elastic_distortion = elastic_distortion
        self._images = PaddedImages(images)
        self._size = distractor_size

    def plan(self, scene_seeds: np.ndarray) -> ScenePlans:
        """Decide what the scenes consist of.

        Args:
            scene_seeds: int64 (...), not negative.
        """
        draws = draw_integers(scene_seeds, self._bounds)
        steps = draws[..., 3:5].astype(np.float64) / (_LOCATION_STEPS / 2) - 1.0
        end = _DRAWS_PER_SCENE + DRAWS_PER_DISTRACTOR * self._num_distractors
        distractors = draws[..., _DRAWS_PER_SCENE:end]
        bend = end + (_DRAWS_PER_MAP if self._distortion else 0)
        return ScenePlans(
            index=draws.T[0],
            corner=draws[..., 1:3],
            location=steps.astype(np.float32),
            distractors=distractors.reshape(*draws.shape[:-1], -1, DRAWS_PER_DISTRACTOR),
            map=self._map(draws[..., end:bend]),
            node_shifts=self._node_shifts(draws[..., bend:]),
        )

    def _map(self, draws: np.ndarray) -> np.ndarray:
        """Return the maps, float32 (..., 2, 2), that draws, int64 (..., 4 or 0), stand for."""
        if not self._distortion:
            return _IDENTITY
        shares = _shares(draws).reshape(*draws.shape[:-1], 2, 2)
        return (self._distortion * shares + _IDENTITY).astype(np.float32)

    def _node_shifts(self, draws: np.ndarray) -> np.ndarray | None:
        """Return the shifts of the nodes in pixels that draws, int64 (..., 50 or 0), stand for."""
        if not self._elastic_distortion:
            return None
        shares = _shares(draws).reshape(*draws.shape[:-1], 2, NODES, NODES)
        sides = np.array(self._images.inside.shape[1:])[:, None, None]
        return (self._elastic_distortion * sides * shares).astype(np.float32)

    def paint(self, canvases: PaddedImages, rows: Rows, plans: ScenePlans) -> None:
        """Paint scenes over some canvases.

        Args:
            canvases: uint8; changed in place.
            rows: Which canvas each scene goes to.
            plans: What the scenes consist of.
        """
        canvases.inside[rows] = 0
        if self._num_distractors:
            crops = self._images.windows(self._size, self._size)
            windows = canvases.windows_inside(self._size, self._size)
            for image, crop_row, crop_column, row, column in zip(*plans.distractors.T, strict=True):
                add_saturating(windows, (rows, row, column), crops[image, crop_row, crop_column])
        targets = self._images.inside[plans.index]
        if self._distortion or self._elastic_distortion:
            targets = distort(targets, plans.map, plans.node_shifts)
        row, column = plans.corner.T
        windows = canvases.windows_inside(*targets.shape[-2:])
        add_saturating(windows, (rows, row, column), targets)


def _shares(draws: np.ndarray) -> np.ndarray:
    """Return draws of a distortion, int64 (...), as float64 (...) in [-1, 1)."""
    return draws.astype(np.float64) / (_DISTORTION_STEPS / 2) - 1.0


def add_saturating(
    windows: np.ndarray, corners: tuple[Rows, Rows, Rows], patches: np.ndarray
) -> None:
    """Add patches to canvases; sums over 255 become 255.

    Args:
        windows: Every window of the canvases in the size of a patch, a view as of
            `sliding_windows`, uint8 (B, rows, columns, h, w); the canvases are changed in place.
        corners: Canvas, row and column of each patch's top-left pixel; at most one patch per
            canvas.
        patches: uint8 (..., h, w).
    """
    # ~ of a pixel is 255 - pixel: what there is room for under white.
    windows[corners] = np.minimum(windows[corners], ~patches) + patches
