"""How is a scene painted? Images and a scene seed -> a canvas and a first location.

The rules are those of DeepMind's `mnist-cluttered` generator: on black, crops of other images are
added as distractors, then the image itself; sums saturate at white. All follows from the seed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ram_env.geometry import Rows, padded_shape
from ram_env.hashing import draw_integers
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases
from ram_env.scenes.distortion import NODES, distort
from ram_env.scenes.padding import PaddedImages
from ram_env.scenes.source import ScenePlans

_IDENTITY = np.eye(2, dtype=np.float32)

# A location is drawn on a grid of 2**24 points, the finest that float32 holds exactly in [-1, 1).
_LOCATION_STEPS = 2**24
# Each number of a distortion is drawn in so many steps from -1 to 1.
_DISTORTION_STEPS = 2**24
_DRAWS_PER_SCENE = 5  # image, row, column, x, y
_DRAWS_PER_DISTRACTOR = 5  # image, row and column of the crop, row and column on the canvas
_DRAWS_PER_MAP = 4
_DRAWS_PER_BEND = 2 * NODES**2  # row and column of each node


@dataclass(frozen=True, eq=False)
class PaintedPlans(ScenePlans):
    """What painted scenes consist of. Row and column are top-left corners.

    Attributes:
        distractors: Per distractor the image, the crop's (row, column) in it and its (row, column)
            on the canvas, int64 (..., D, 5).
        map: The linear map that the target is redrawn through, float32 (..., 2, 2); see `distort`.
        node_shifts: And how it is bent, float32 (..., 2, `NODES`, `NODES`), or None: not at all.
    """

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

    Attributes:
        bytes_on_the_way: What a scene takes while it is painted: its plan, and copies of the target
            as it is, as it is added, and of what is below.
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
        self.canvas_shape = canvas_shape
        self._bounds = np.array(bounds, dtype=np.int64)
        self._target_shape = np.array([height, width])
        self._num_distractors = num_distractors
        self._distortion = distortion
        self._elastic_distortion = elastic_distortion
        self._images = PaddedImages(images)
        self._size = distractor_size
        self.bytes_on_the_way = plan_bytes(num_distractors) + 4 * height * width

    def __deepcopy__(self, memo: dict[int, Any]) -> "ScenePainter":
        """Return the painter itself: copies of an env share the images, which never change."""
        return self

    def plan(self, scene_seeds: np.ndarray, indices: np.ndarray | None = None) -> PaintedPlans:
        """Decide what scenes consist of.

        Args:
            scene_seeds: int64 (...), not negative.
            indices: Which images to show instead of those that the seeds choose, int64 (...).
        """
        draws = draw_integers(scene_seeds, self._bounds)
        steps = draws[..., 3:5].astype(np.float64) / (_LOCATION_STEPS / 2) - 1.0
        end = _DRAWS_PER_SCENE + _DRAWS_PER_DISTRACTOR * self._num_distractors
        distractors = draws[..., _DRAWS_PER_SCENE:end]
        bend = end + (_DRAWS_PER_MAP if self._distortion else 0)
        box = np.empty((*draws.shape[:-1], 4), dtype=np.int64)
        box[..., :2] = draws[..., 1:3]
        box[..., 2:] = self._target_shape
        return PaintedPlans(
            index=draws.T[0] if indices is None else indices,
            box=box,
            location=steps.astype(np.float32),
            distractors=distractors.reshape(*draws.shape[:-1], -1, _DRAWS_PER_DISTRACTOR),
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

    def paint(self, canvases: PaddedImages, rows: Rows, plans: PaintedPlans) -> None:
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
        row, column, _, _ = plans.box.T
        windows = canvases.windows_inside(*targets.shape[-2:])
        add_saturating(windows, (rows, row, column), targets)


class Painted(Canvases):
    """Scenes on canvases: the `SceneSource` for canvases of up to some hundred pixels a side."""

    def __init__(self, num_scenes: int, painter: ScenePainter, retina: Retina) -> None:
        super().__init__(num_scenes, painter.canvas_shape, retina)
        self._painter = painter

    def plan(self, scene_seeds: np.ndarray, indices: np.ndarray | None = None) -> PaintedPlans:
        """Decide what scenes consist of: see `ScenePainter.plan`."""
        return self._painter.plan(scene_seeds, indices)

    def begin(self, rows: Rows, plans: PaintedPlans) -> None:
        """Paint planned scenes over those of some rows."""
        self._painter.paint(self.padded, rows, plans)

    def shapes_of(self, rows: Rows) -> np.ndarray:
        """Return height and width of canvases: see `SceneSource.shapes_of`."""
        return np.broadcast_to(self._painter.canvas_shape, (*np.shape(rows), 2))

    def picture(self, row: int) -> np.ndarray:
        """Return a copy of one canvas, uint8 (H, W)."""
        return self.visible[row].copy()


def painted_bytes(canvas_shape: tuple[int, int], retina: Retina) -> int:
    """Return how many bytes a painted scene takes."""
    height, width = padded_shape(canvas_shape, retina.patch_size, retina.num_scales)
    return height * width


def plan_bytes(num_distractors: int) -> int:
    """Return how many bytes a plan takes while it is made."""
    return 4 * 8 * _DRAWS_PER_DISTRACTOR * num_distractors  # hashed in four steps


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
