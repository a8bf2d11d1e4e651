"""What is a scene of Megapixel MNIST? Several digits far apart on a large canvas, and scribbles.

The rules are those of the generators of attention sampling (Katharopoulos, Fleuret 2019,
arXiv:1905.03711) and of iterative patch selection (Bergner, Lippert, Mahendran 2023,
arXiv:2210.13007): tiles of the size of a digit overwrite what lies under them, black pixels too.
All follows from the seed.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from ram_env.hashing import STEPS, as_shares, draw_integers, spread_evenly
from ram_env.scenes.source import ScenePlans
from ram_env.scenes.sprites import FAR, Placed, far_rows

NUM_PATTERNS = 1000  # of scribbles, in each split
_STEEPEST = np.radians(72)
_STROKE_POINTS = 2  # of a stroke per pixel of the tile's longer side
_MIRRORED = 442  # of 1,000 second strokes
_DIMMEST = 204  # 0.8 of white

# The numbers of the draws; those of images, scribbles and places follow.
_CLASS, _LOCATION, _SIDE, _SINGLE, _IMAGES = 1, 2, 4, 5, 6
_DRAWS_PER_SCRIBBLE = 3  # pattern, row, column


@dataclass(frozen=True, eq=False)
class MegapixelPlans(ScenePlans):
    """What scenes of several digits consist of; `index` and `box` have an axis of D digits.

    A digit that is not there has index -1 and a box of zeros.

    Attributes:
        label: The answer to the question, int64 (...).
        scribbles: Pattern, row and column of each, int64 (..., S, 3); row -1: not there.
        shape: Height and width of the canvas, int64 (..., 2).
    """

    label: np.ndarray
    scribbles: np.ndarray
    shape: np.ndarray


class MegapixelPainter:
    """Plans scenes of several digits and makes their sprites: a `SpritePainter`.

    Args:
        images: uint8 (N, h, w).
        labels: The class of each, int64 (N,); every class has one.
        patterns: The scribbles to choose from, uint8 (P, h, w).
        canvas_shape: Height and width of the largest canvas.
        num_digits: How many digits of the class that is asked for.
        num_others: How many of other classes.
        num_scribbles: How many on the largest canvas; smaller ones have fewer, as their area.
        question: Which digit the label is of: `"majority"`, `"max"` or `"top"`.
        digits_on_top: Whether they are drawn after the scribbles.
        num_scenes: How many different scenes there are; None: as many as seeds.

    Attributes:
        bytes_on_the_way: What a scene takes while it is planned and its sprites are made.
        patterns, sprite_shapes, sprites_cover: See `ram_env.scenes.sprites.SpritePainter`.
    """

    sprites_cover = True

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        patterns: np.ndarray,
        canvas_shape: tuple[int, int],
        num_digits: int,
        num_others: int,
        num_scribbles: int,
        question: str,
        digits_on_top: bool,
        num_scenes: int | None,
    ) -> None:
        self._images, self._labels, self.patterns = images, labels, patterns
        self._canvas_shape = np.array(canvas_shape, dtype=np.int64)
        self._is_own = np.arange(num_digits + num_others) < num_digits
        self._num_scribbles, self._question = num_scribbles, question
        self._digits_on_top, self._num_scenes = digits_on_top, num_scenes
        # The images in the order of their classes; each class is a run of them.
        self._by_class = np.argsort(labels, kind="stable")
        self._count = np.bincount(labels)
        self._start = self._count.cumsum() - self._count
        self._size = np.array(images.shape[1:], dtype=np.int64)
        num_sprites = len(self._is_own) + num_scribbles
        self.smallest = smallest_canvas((images.shape[1], images.shape[2]), len(self._is_own))
        self.sprite_shapes: np.ndarray = np.tile(self._size, (num_sprites, 1))
        self.bytes_on_the_way = num_sprites * (2 * int(self._size.prod()) + 200)

    def __deepcopy__(self, memo: dict[int, Any]) -> "MegapixelPainter":
        """Return the painter itself: copies of an env share the images, which never change."""
        return self

    def plan(
        self,
        scene_seeds: np.ndarray,
        indices: None = None,
        canvas_range: tuple[int, int] | None = None,
        single_share: float = 0.0,
        canvas_size: np.ndarray | None = None,
    ) -> MegapixelPlans:
        """Decide what scenes consist of.

        Args:
            scene_seeds: int64 (...), not negative.
            indices: No image can be chosen: there are several.
            canvas_range: Lowest and highest side of the square canvases, each at least as large as
                its digits need; None: all are the same.
            single_share: The share of scenes with one digit alone.
            canvas_size: Which sides to take instead of those that the seeds choose, int64 (...).
        """
        seeds = np.atleast_1d(scene_seeds)
        sides = None if canvas_size is None else np.atleast_1d(canvas_size)
        plans = self._plan(seeds, canvas_range, single_share, sides)
        if np.ndim(scene_seeds):
            return plans
        parts = {it.name: getattr(plans, it.name)[0] for it in dataclasses.fields(plans)}
        return MegapixelPlans(**parts)

    def _plan(
        self,
        seeds: np.ndarray,
        canvas_range: tuple[int, int] | None,
        single_share: float,
        sides: np.ndarray | None,
    ) -> MegapixelPlans:
        """Do what `plan` does, of seeds int64 (M,)."""
        location = draw_integers(seeds, np.array([STEPS, STEPS]), _LOCATION)
        if self._num_scenes is not None:
            seeds = seeds % self._num_scenes  # the first location alone is always drawn anew
        single = draw_integers(seeds, np.array([STEPS]), _SINGLE) < single_share * STEPS
        is_there = ~single | (np.arange(len(self._is_own)) == 0)  # (M, D)
        shape = self._draw_shapes(seeds, canvas_range, single[:, 0], sides)
        classes = draw_integers(seeds, np.array([len(self._count)]), _CLASS)[:, 0]
        index = np.where(is_there, self._draw_images(seeds, classes), -1)
        corners = self._place_apart(seeds, shape, is_there)
        box = np.zeros((*index.shape, 4), dtype=np.int64)
        box[is_there, :2] = corners[is_there]
        box[is_there, 2:] = self._size
        return MegapixelPlans(
            index=index,
            box=box,
            location=as_shares(location).astype(np.float32),
            label=self._answers(classes, index, box),
            scribbles=self._draw_scribbles(seeds, shape),
            shape=shape,
        )

    def _draw_shapes(
        self,
        seeds: np.ndarray,
        canvas_range: tuple[int, int] | None,
        single: np.ndarray,
        sides: np.ndarray | None,
    ) -> np.ndarray:
        """Return the canvases, int64 (M, 2)."""
        if canvas_range is None:
            return np.broadcast_to(self._canvas_shape, (len(seeds), 2))
        if sides is None:
            draws = draw_integers(seeds, np.array([STEPS]), _SIDE)[:, 0]
            lowest, highest = canvas_range
            for_all = max(lowest, self.smallest), max(highest, self.smallest)
            of_one, of_all = spread_evenly(draws, *canvas_range), spread_evenly(draws, *for_all)
            sides = np.where(single, of_one, of_all)
        return np.stack([sides, sides], axis=-1)

    def _draw_images(self, seeds: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Return images of the class and of others, uniform and with replacement, int64 (M, D)."""
        count, start = self._count[classes, None], self._start[classes, None]
        bounds = np.where(self._is_own, count, len(self._labels) - count)
        draws = draw_integers(seeds, bounds, _IMAGES)
        place = draws + np.where(self._is_own, start, count * (draws >= start))
        return self._by_class[place]

    def _draw_scribbles(self, seeds: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """Return pattern, row and column of the scribbles, int64 (M, S, 3)."""
        room = np.maximum(shape - 2 * self._size, 0)  # a margin of a tile stays free
        pattern = np.full((len(seeds), 1), len(self.patterns))
        bounds = np.concatenate([pattern, np.maximum(room, 1)], axis=1)
        first = _IMAGES + len(self._is_own)
        draws = draw_integers(seeds, np.tile(bounds, self._num_scribbles), first)
        scribbles = draws.reshape(len(seeds), -1, _DRAWS_PER_SCRIBBLE)
        scribbles[..., 1:] += self._size
        share = (shape / self._canvas_shape).prod(axis=1) * (room.min(axis=1) > 0)
        number = np.floor(self._num_scribbles * share)[:, None]
        is_there = np.arange(self._num_scribbles) < number
        scribbles[..., 1] = np.where(is_there, scribbles[..., 1], -1)
        return scribbles

    def _place_apart(
        self, seeds: np.ndarray, shape: np.ndarray, is_there: np.ndarray
    ) -> np.ndarray:
        """Return corners of digits of which none overlap, each redrawn until it is so.

        Returns:
            int64 (M, D, 2); `FAR` where there is none.
        """
        num_digits = len(self._is_own)
        corners = np.full((*is_there.shape, 2), FAR)
        first = _IMAGES + num_digits + _DRAWS_PER_SCRIBBLE * self._num_scribbles
        bounds = shape - self._size + 1
        for digit in range(num_digits):
            rows, number = np.flatnonzero(is_there[:, digit]), first + 2 * digit
            while len(rows):
                corners[rows, digit] = draw_integers(seeds[rows], bounds[rows], number)
                apart = np.abs(corners[rows, :digit] - corners[rows, digit, None]) >= self._size
                rows = rows[~apart.any(axis=-1).all(axis=-1)]
                number += 2 * num_digits
        return corners

    def _answers(self, classes: np.ndarray, index: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Return the labels, int64 (M,)."""
        if self._question == "majority":
            return classes
        shown = np.where(index < 0, -1, self._labels[index])
        if self._question == "max":
            return shown.max(axis=1)
        rows = np.where(index < 0, np.iinfo(np.int64).max, box[..., 0])
        return np.take_along_axis(shown, rows.argmin(axis=1)[:, None], axis=1)[:, 0]

    def sprites(self, plans: MegapixelPlans) -> Placed:
        """Make the sprites of planned scenes: see `ram_env.scenes.sprites.SpritePainter`."""
        pattern, corners = plans.scribbles[..., 0], plans.scribbles[..., 1:]
        scribbles = Placed(self.patterns[pattern], corners, pattern)
        none = np.full_like(plans.index, -1)
        corners = np.where(plans.index[..., None] < 0, -1, plans.box[..., :2])
        digits = Placed(self._images[plans.index], corners, none)
        layers = (scribbles, digits) if self._digits_on_top else (digits, scribbles)
        axis = plans.index.ndim - 1
        parts = zip(*layers, strict=True)
        pixels, corners, pattern = (np.concatenate(part, axis=axis) for part in parts)
        far = far_rows(len(self.sprite_shapes))
        corners[..., 0] = np.where(corners[..., 0] < 0, far, corners[..., 0])
        return Placed(pixels.reshape(*plans.label.shape, -1), corners, pattern)


def smallest_canvas(image_shape: tuple[int, int], num_images: int) -> int:
    """Return the side of a square canvas on which the last of so many images always finds a place.

    An image keeps the corners of others out of (2 h - 1) x (2 w - 1) places.
    """
    height, width = image_shape
    taken = (num_images - 1) * (2 * height - 1) * (2 * width - 1)
    side = max(image_shape)
    while (side - height + 1) * (side - width + 1) <= taken:
        side += 1
    return side


def make_patterns(image_shape: tuple[int, int], first_seed: int) -> np.ndarray:
    """Draw scribbles: two strokes one pixel wide through corners of a tile, in bright grey.

    A stroke leaves its corner at an angle of up to 72 degrees from the vertical side, uniform; the
    second one is mirrored in 442 of 1,000 cases. Each pixel has a brightness of its own, 204..255.

    Args:
        image_shape: h and w of a tile.
        first_seed: The seed of the first one; others follow.

    Returns:
        uint8 (`NUM_PATTERNS`, h, w).
    """
    height, width = image_shape
    seeds = first_seed + np.arange(NUM_PATTERNS)
    grey = [255 - _DIMMEST + 1] * (height * width)
    draws = draw_integers(seeds, np.array([STEPS, STEPS, 1000, *grey]))
    strokes = np.zeros((2, NUM_PATTERNS, height, width), dtype=bool)
    number = np.arange(NUM_PATTERNS)[:, None]
    for stroke, angle in zip(strokes, draws[:, :2].T, strict=True):
        slope = np.tan(angle / STEPS * _STEEPEST)[:, None]  # columns per row
        longest = np.minimum(height - 0.51, (width - 0.51) / np.maximum(slope, 1e-9))
        rows = longest * np.linspace(0.0, 1.0, _STROKE_POINTS * max(image_shape))
        stroke[number, np.rint(rows).astype(int), np.rint(slope * rows).astype(int)] = True
    is_mirrored = draws[:, 2] < _MIRRORED
    strokes[1, is_mirrored] = strokes[1, is_mirrored, :, ::-1]
    brightness = _DIMMEST + draws[:, 3:].reshape(-1, height, width)
    return np.where(strokes.any(axis=0), brightness, 0).astype(np.uint8)
