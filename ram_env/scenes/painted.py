"""How is a scene painted? Images and a scene seed -> a canvas and a first location.

The rules are those of DeepMind's `mnist-cluttered` generator: on black, crops of other images are
added as distractors, then the image itself; sums saturate at white. All follows from the seed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ram_env.geometry import Rows, padded_shape
from ram_env.hashing import STEPS, as_shares, draw_integers, spread_evenly
from ram_env.retina import Retina
from ram_env.scenes.canvases import Canvases, PaddedImages
from ram_env.scenes.distortion import NODES, distort
from ram_env.scenes.source import ScenePlans
from ram_env.scenes.sprites import Placed, far_rows

_IDENTITY = np.eye(2, dtype=np.float32)

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
        shape: Height and width of the canvas, int64 (2,), or (..., 2) where they differ.
    """

    distractors: np.ndarray
    map: np.ndarray
    node_shifts: np.ndarray | None
    shape: np.ndarray


class ScenePainter:
    """Draws scenes made of one set of images.

    Canvas and number of distractors may differ from scene to scene: then they are the largest.

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
        patterns, sprite_shapes, sprites_cover: See `ram_env.scenes.sprites.SpritePainter`. Sums
            saturate the same in any order; the target is first since what lies over others is
            worked on.
    """

    patterns = np.zeros((0, 1, 1), dtype=np.uint8)
    sprites_cover = False

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
        scene = [num_images, canvas_height - height + 1, canvas_width - width + 1, STEPS, STEPS]
        distractor = [num_images, height - size + 1, width - size + 1]
        distractor += [canvas_height - size + 1, canvas_width - size + 1]
        bounds = scene + distractor * num_distractors
        # Last, and only if needed: all else of a scene is the same with and without distortion.
        bounds += [STEPS] * (_DRAWS_PER_MAP if distortion else 0)
        bounds += [STEPS] * (_DRAWS_PER_BEND if elastic_distortion else 0)
        self.canvas_shape = canvas_shape
        self.sprite_shapes: np.ndarray = np.array(
            [(height, width)] + [(size, size)] * num_distractors
        )
        self._shape = np.array(canvas_shape, dtype=np.int64)
        self._bounds = np.array(bounds, dtype=np.int64)
        # 1 at each draw whose bound grows with the canvas: rows and columns on it.
        grows = [0, 1, 1, 0, 0] + [0, 0, 0, 1, 1] * num_distractors
        self._grows = np.array(grows + [0] * (len(bounds) - len(grows)), dtype=np.int64)
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

    def plan(
        self,
        scene_seeds: np.ndarray,
        indices: np.ndarray | None = None,
        canvas_range: tuple[int, int] | None = None,
        distractors_range: tuple[int, int] | None = None,
        canvas_size: np.ndarray | None = None,
        num_distractors: np.ndarray | None = None,
    ) -> PaintedPlans:
        """Decide what scenes consist of.

        A scene whose canvas and number of distractors were drawn or chosen is, distortion aside,
        that of an env that has this canvas and this number always.

        Args:
            scene_seeds: int64 (...), not negative.
            indices: Which images to show instead of those that the seeds choose, int64 (...).
            canvas_range: Lowest and highest side of the square canvases; None: all are the same.
            distractors_range: Lowest and highest number of distractors; None: always the same.
            canvas_size: Which sides to take instead of those that the seeds choose, int64 (...).
            num_distractors: Which numbers to take instead, int64 (...).
        """
        bounds, shape = self._bounds, self._shape
        if canvas_range is not None:
            if canvas_size is None:
                canvas_size = self._draw_sides(scene_seeds, canvas_range)
            bounds = bounds + self._grows * (canvas_size[..., None] - shape[0])
            shape = np.stack([canvas_size, canvas_size], axis=-1)
        draws = draw_integers(scene_seeds, bounds)
        end = _DRAWS_PER_SCENE + _DRAWS_PER_DISTRACTOR * self._num_distractors
        distractors = draws[..., _DRAWS_PER_SCENE:end]
        distractors = distractors.reshape(*draws.shape[:-1], -1, _DRAWS_PER_DISTRACTOR)
        if distractors_range is not None:
            if num_distractors is None:
                num_distractors = self._draw_numbers(scene_seeds, distractors_range)
            _leave_out(distractors, num_distractors)
        bend = end + (_DRAWS_PER_MAP if self._distortion else 0)
        box = np.empty((*draws.shape[:-1], 4), dtype=np.int64)
        box[..., :2] = draws[..., 1:3]
        box[..., 2:] = self._target_shape
        return PaintedPlans(
            index=draws.T[0] if indices is None else indices,
            box=box,
            location=as_shares(draws[..., 3:5]).astype(np.float32),
            distractors=distractors,
            map=self._map(draws[..., end:bend]),
            node_shifts=self._node_shifts(draws[..., bend:]),
            shape=shape,
        )

    def _draw_sides(self, scene_seeds: np.ndarray, canvas_range: tuple[int, int]) -> np.ndarray:
        """Return the sides that the seeds choose, log-uniform, int64 (...)."""
        # Behind all other draws, which are the same with and without.
        draws = draw_integers(scene_seeds, np.array([STEPS]), len(self._bounds) + 1)
        return spread_evenly(draws[..., 0], *canvas_range)

    def _draw_numbers(
        self, scene_seeds: np.ndarray, distractors_range: tuple[int, int]
    ) -> np.ndarray:
        """Return the numbers of distractors that the seeds choose, uniform, int64 (...)."""
        lowest, highest = distractors_range
        bounds = np.array([highest - lowest + 1])
        return lowest + draw_integers(scene_seeds, bounds, len(self._bounds) + 2)[..., 0]

    def _map(self, draws: np.ndarray) -> np.ndarray:
        """Return the maps, float32 (..., 2, 2), that draws, int64 (..., 4 or 0), stand for."""
        if not self._distortion:
            return _IDENTITY
        shares = as_shares(draws).reshape(*draws.shape[:-1], 2, 2)
        return (self._distortion * shares + _IDENTITY).astype(np.float32)

    def _node_shifts(self, draws: np.ndarray) -> np.ndarray | None:
        """Return the shifts of the nodes in pixels that draws, int64 (..., 50 or 0), stand for."""
        if not self._elastic_distortion:
            return None
        shares = as_shares(draws).reshape(*draws.shape[:-1], 2, NODES, NODES)
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
            columns: Any = plans.distractors.T
            if not isinstance(rows, np.ndarray):
                columns = columns.tolist()  # Python's numbers: numpy indexes slower by its own
            for image, crop_row, crop_column, row, column in zip(*columns, strict=True):
                add_saturating(windows, (rows, row, column), crops[image, crop_row, crop_column])
        targets = self._targets(plans)
        row, column, _, _ = plans.box.T
        windows = canvases.windows_inside(*targets.shape[-2:])
        add_saturating(windows, (rows, row, column), targets)

    def sprites(self, plans: PaintedPlans) -> Placed:
        """Make the sprites of planned scenes: see `ram_env.scenes.sprites.SpritePainter`."""
        leading = plans.box.shape[:-1]
        pixels = [self._targets(plans)]
        if self._num_distractors:  # without any, they may be larger than an image
            crops = self._images.windows(self._size, self._size)
            image, crop_row, crop_column = np.moveaxis(plans.distractors[..., :3], -1, 0)
            pixels.append(crops[image, crop_row, crop_column])
        flat = [part.reshape(*leading, -1) for part in pixels]
        corners = [plans.box[..., None, :2], plans.distractors[..., 3:]]
        patterns = np.full((*leading, len(self.sprite_shapes)), -1)
        return Placed(np.concatenate(flat, axis=-1), np.concatenate(corners, axis=-2), patterns)

    def _targets(self, plans: PaintedPlans) -> np.ndarray:
        """Return the images to be classified, uint8 (..., h, w)."""
        targets = self._images.inside[plans.index]
        if self._distortion or self._elastic_distortion:
            targets = distort(targets, plans.map, plans.node_shifts)
        return targets


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


def _leave_out(distractors: np.ndarray, num_distractors: np.ndarray) -> None:
    """Put those of distractors, int64 (..., D, 5), beyond a number, int64 (...), far away."""
    number = distractors.shape[-2]
    is_absent = np.arange(number) >= num_distractors[..., None]
    distractors[..., 3] = np.where(is_absent, far_rows(number), distractors[..., 3])


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
