"""How is a scene seen without a canvas? As a list of small images: of any size, at one cost.

What a window sees of a sprite is read from a summed-area table, and sprites that share pixels share
them out when the scene is made, so that every window is a plain sum.
"""

import math
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import numpy as np

from ram_env.geometry import Rows, pixels_in, window_side
from ram_env.retina import Retina, white_sums
from ram_env.scenes.source import LONGEST_SIDE

FAR = -(2**40)  # a row far above every canvas


def far_rows(num_sprites: int) -> np.ndarray:
    """Return the rows of sprites that a scene does without, far from canvas and others, int64 (N,).

    So they need no flag: no window meets them, and they share no pixels.
    """
    return FAR * np.arange(1, num_sprites + 1)


class Placed(NamedTuple):
    """The sprites of some scenes; one that a scene does without lies in its row of `far_rows`."""

    pixels: np.ndarray  # uint8 (..., L), fresh: those of one sprite after those of the other
    corners: np.ndarray  # int64 (..., N, 2): row and column of the top-left pixel of each
    patterns: np.ndarray  # int64 (..., N): which pattern each is; -1: none


class SpritePainter(Protocol):
    """What makes scenes out of sprites.

    Attributes:
        patterns: Sprites that many scenes share, uint8 (P, h, w): their tables are made once.
        sprite_shapes: Height and width of each sprite, the undermost first, int64 (N, 2).
        sprites_cover: Whether a sprite hides those under it, black pixels too; else they add up,
            and sums saturate at 255.
    """

    patterns: np.ndarray
    sprite_shapes: np.ndarray
    sprites_cover: bool

    def plan(self, *args: Any, **kwargs: Any) -> Any:
        """Decide what scenes consist of: `ScenePlans` with a `shape`, int64 (2,) or (..., 2).

        Its arguments are those of `SceneSource.plan`, then what else the source is told to choose.
        """

    def sprites(self, plans: Any) -> Placed:
        """Make the sprites of planned scenes."""


class _Alike(NamedTuple):
    """Sprites of one shape that follow each other."""

    sprites: slice
    shape: tuple[int, int]
    pixels: slice  # of the pixels of a scene
    tables: slice  # of the tables of a scene


class Sprites:
    """Scenes as lists of sprites: a `SceneSource` that holds no canvas, for canvases of any size.

    Bit for bit it shows what a canvas with the same sprites would.

    Args:
        num_scenes: How many at once.
        painter: What makes them.
        retina: The retina that will look at them.

    Attributes:
        choices: What the painter's `plan` is told beside seeds and images, from now on.
        white, bytes_on_the_way: See `ram_env.retina.Visible`.
    """

    def __init__(
        self, num_scenes: int, painter: SpritePainter, retina: Retina, **choices: Any
    ) -> None:
        self._painter, self.choices = painter, choices
        self.white = white_sums(retina)
        self.bytes_on_the_way = glimpse_bytes(retina)
        shapes = painter.sprite_shapes
        self._sizes = shapes.T  # (2, N)
        self._alike = _alike(shapes)
        self._pixel_starts = _starts(shapes)
        self._table_starts = _starts(shapes + 1)
        shared = summed_area_tables(painter.patterns)
        self._shapes = np.ones((num_scenes, 2), dtype=np.int64)
        self._corners = np.zeros((2, num_scenes, len(shapes)), dtype=np.int64)
        num_sums = int((shapes + 1).prod(axis=1).sum())
        # The tables of the patterns, then those of each scene, and where that of a sprite begins.
        self._tables = np.zeros(shared.size + num_scenes * num_sums, dtype=np.uint32)
        self._tables[: shared.size] = shared.reshape(-1)
        self._own_tables = (shared.size, num_sums)
        self._pattern_size = math.prod(shared.shape[1:])
        self._starts = np.zeros((num_scenes, len(shapes)), dtype=np.int64)
        under, over = np.triu_indices(len(shapes), 1)
        self._changed, self._other = (under, over) if painter.sprites_cover else (over, under)
        self._patch_size, self._num_scales = retina.patch_size, retina.num_scales
        widths = [window_side(retina.patch_size, scale) for scale in range(retina.num_scales)]
        self._widths = np.array(widths)[:, None]  # (K, 1)
        self._blocks = _blocks(int(shapes.max()), retina)

    def plan(
        self, scene_seeds: np.ndarray, indices: np.ndarray | None = None, **choices: Any
    ) -> Any:
        """Decide what scenes consist of: see the painter's `plan`."""
        return self._painter.plan(scene_seeds, indices, **(self.choices | choices))

    def begin(self, rows: Rows, plans: Any) -> None:
        """Put planned scenes in the place of those of some rows."""
        self._shapes[rows] = plans.shape
        pixels, corners, patterns = self._painter.sprites(plans)
        rows = np.atleast_1d(rows)
        pixels, patterns = pixels.reshape(len(rows), -1), patterns.reshape(len(rows), -1)
        corners = np.moveaxis(corners, -1, 0).reshape(2, len(rows), -1)
        is_own = self._share_out(pixels, corners) | (patterns < 0)
        self._corners[:, rows] = corners
        first, num_sums = self._own_tables
        own_starts = first + rows[:, None] * num_sums + self._table_starts
        self._starts[rows] = np.where(is_own, own_starts, patterns * self._pattern_size)
        tables = self._tables[first:].reshape(-1, num_sums)
        for sprites, shape, of_pixels, of_tables in self._alike:
            scene, sprite = np.nonzero(is_own[:, sprites])
            own = pixels[:, of_pixels].reshape(len(rows), -1, *shape)[scene, sprite]
            made = summed_area_tables(own)
            alike = tables[:, of_tables].reshape(len(tables), -1, *made.shape[1:])  # a view
            alike[rows[scene], sprite] = made

    def _share_out(self, pixels: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Leave to each sprite what it adds to those under it, or what those over it do not hide.

        Args:
            pixels: uint8 (M, L); changed in place.
            corners: Rows and columns of the sprites, int64 (2, M, N).

        Returns:
            Which sprites were changed, bool (M, N).
        """
        sizes, changed, other = self._sizes[:, None], self._changed, self._other
        shift = corners[..., changed] - corners[..., other]  # (2, M, pairs)
        meets = (shift < sizes[..., other]) & (-shift < sizes[..., changed])
        scene, pair = np.nonzero(meets[0] & meets[1])
        is_changed = np.zeros(corners.shape[1:], dtype=bool)
        is_changed[scene, changed[pair]] = True
        if not len(scene):
            return is_changed
        shift, changed, other = shift[:, scene, pair, None], changed[pair], other[pair]
        along = np.arange(self._sizes[:, self._changed].max())  # a side of the changed sprites
        there = shift + along  # (2, overlaps, side): the same rows and columns in the other sprite
        shared = (along < self._sizes[:, changed, None]) & (there >= 0)
        shared &= there < self._sizes[:, other, None]
        which, row, column = np.nonzero(shared[0][:, :, None] & shared[1][:, None, :])
        starts = scene * pixels.shape[1]
        here = (starts + self._pixel_starts[changed])[which]
        here += row * self._sizes[1, changed][which] + column
        flat = pixels.reshape(-1)
        if self._painter.sprites_cover:
            flat[here] = 0
            return is_changed
        beneath = (starts + self._pixel_starts[other])[which]
        beneath += there[0, which, row] * self._sizes[1, other][which] + there[1, which, column]
        below = np.zeros(pixels.size, dtype=np.uint32)
        np.add.at(below, here, flat[beneath].astype(np.uint32))
        flat[:] = np.minimum(flat, 255 - np.minimum(below, 255))
        return is_changed

    def pixels_at(self, rows: Rows, locations: np.ndarray) -> np.ndarray:
        """Return the pixels (row, column), int64 (..., 2), under locations in [-1, 1]."""
        return pixels_in(self._shapes[rows], locations)

    def shapes_of(self, rows: Rows) -> np.ndarray:
        """Return height and width of scenes: see `SceneSource.shapes_of`."""
        return self._shapes[rows]

    def sums(self, rows: Rows, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the sums under the cells of each scale: see `ram_env.retina.Visible`."""
        if not isinstance(rows, np.ndarray):
            return [sums[0] for sums in self.sums(np.array([rows]), pixels[None])]
        side = self._patch_size
        sums = np.zeros((self._num_scales, len(rows), side, side), dtype=np.uint32)
        # Where each window begins, counted from the corner of each sprite, (2, K, M, N).
        begins = (pixels.T[:, None] - self._widths // 2)[..., None] - self._corners[:, None, rows]
        meets = (begins < self._sizes[:, None, None]) & (begins > -self._widths[..., None])
        meets = meets[0] & meets[1]
        for scales, block in self._blocks:
            scale, scene, sprite = np.nonzero(meets[scales])
            if len(scale):
                begin = begins[:, scales][:, scale, scene, sprite]  # (2, P)
                found = (scale + scales.start, scene, sprite)
                self._add(sums, rows[scene], found, begin, block)
        return list(sums)

    def _add(
        self,
        sums: np.ndarray,
        rows: np.ndarray,
        found: tuple[np.ndarray, np.ndarray, np.ndarray],
        begin: np.ndarray,
        block: int,
    ) -> None:
        """Add what windows see of sprites to the sums under their cells.

        Args:
            sums: uint32 (K, M, g, g); changed in place.
            rows: Which scene each window is of, int64 (P,).
            found: The scale of each window, its number in `sums` and the sprite, int64 (P,) each.
            begin: (row, column) where each window begins, counted from the sprite, int64 (2, P).
            block: The side of the block of cells that no sprite reaches beyond, in cells.
        """
        (scale, scene, sprite), side = found, self._patch_size
        # The first cell of the block: where it would leave the window, it holds what is inside.
        first = np.minimum(np.maximum(-begin >> scale, 0), side - block)
        edges = begin[..., None] + (first[..., None] + np.arange(block + 1) << scale[:, None])
        edges = np.minimum(np.maximum(edges, 0), self._sizes[:, sprite, None])  # (2, P, block + 1)
        lines = self._starts[rows, sprite, None] + edges[0] * (self._sizes[1, sprite, None] + 1)
        corners = self._tables.take(lines[:, :, None] + edges[1][:, None])
        columns = corners[:, 1:] - corners[:, :-1]
        own = columns[:, :, 1:] - columns[:, :, :-1]  # (P, block, block)
        cells = ((scale * sums.shape[1] + scene) * side + first[0]) * side + first[1]
        inside = np.arange(block)[:, None] * side + np.arange(block)
        cells = cells[:, None, None] + inside
        np.add.at(sums.reshape(-1), cells.reshape(-1), own.reshape(-1))

    def picture(self, row: int, longest: int | None = LONGEST_SIDE) -> np.ndarray:
        """Return a scene for people, uint8 (H, W).

        A canvas that fits is shown as it is. Of a larger one a pixel is the brightest of a square:
        its mean would let small sprites fade.

        Args:
            row: Which scene.
            longest: How long a side may be, in pixels; None: as long as it is.
        """
        height, width = self._shapes[row].tolist()
        places, values = [], []
        for sprite, size in enumerate(self._sizes.T):
            top, left = self._corners[:, row, sprite]
            if top >= 0:  # else the scene does without it
                start = self._starts[row, sprite]
                table = self._tables[start : start + (size + 1).prod()].reshape(size + 1)
                values.append(np.diff(np.diff(table, axis=0), axis=1).reshape(-1))
                lines, columns = top + np.arange(size[0]), left + np.arange(size[1])
                places.append((lines[:, None] * width + columns).reshape(-1))
        place, number = np.unique(np.concatenate(places), return_inverse=True)
        pixels = np.bincount(number, np.concatenate(values)).astype(np.uint8)
        factor = 1 if longest is None else -(-max(height, width) // longest)
        picture = np.zeros((-(-height // factor), -(-width // factor)), dtype=np.uint8)
        np.maximum.at(picture, (place // width // factor, place % width // factor), pixels)
        return picture


def sprite_bytes(sprite_shapes: np.ndarray) -> int:
    """Return how many bytes a scene of sprites takes: places and summed-area tables."""
    return 24 * (len(sprite_shapes) + 1) + 4 * int((sprite_shapes + 1).prod(axis=1).sum())


def begin_bytes(sprite_shapes: np.ndarray, canvas_shape: tuple[int, int]) -> int:
    """Return what a scene of sprites takes while it begins: tables, pairs, and shared pixels.

    Args:
        sprite_shapes: Height and width of each, int64 (N, 2).
        canvas_shape: Those of the canvas that is most crowded.
    """
    areas = np.sort(sprite_shapes.prod(axis=1))
    share_meeting = min(1.0, 4 * int(areas[-1]) / math.prod(canvas_shape))
    num_larger = np.arange(len(areas))[::-1]  # with each of which it shares its own area at most
    shared = int((areas * num_larger).sum() * share_meeting)
    return 2 * sprite_bytes(sprite_shapes) + 50 * int(num_larger.sum()) + 20 * shared


def glimpse_bytes(retina: Retina) -> int:
    """Return what a glimpse of sprites takes on the way: the sums."""
    return 4 * retina.num_scales * retina.patch_size**2


def summed_area_tables(images: np.ndarray) -> np.ndarray:
    """Add up all pixels above and left of each corner of a pixel: uint8 (M, h, w) -> uint32.

    Returns:
        uint32 (M, h + 1, w + 1). Where sums overflow, their differences are still right: they are
        whole numbers modulo 2**32.
    """
    number, height, width = images.shape
    tables = np.zeros((number, height + 1, width + 1), dtype=np.uint32)
    inside = tables[:, 1:, 1:]
    np.cumsum(images, axis=1, dtype=np.uint32, out=inside)
    np.cumsum(inside, axis=2, out=inside)
    return tables


def _alike(shapes: np.ndarray) -> list[_Alike]:
    """Put sprites of one shape together that follow each other; shapes int64 (N, 2)."""
    together, sprite, pixel, entry = [], 0, 0, 0
    for shape, group in groupby(map(tuple, shapes.tolist())):
        number, (height, width) = len(list(group)), shape
        sprites = slice(sprite, sprite + number)
        pixels = slice(pixel, pixel + number * height * width)
        tables = slice(entry, entry + number * (height + 1) * (width + 1))
        together.append(_Alike(sprites, (height, width), pixels, tables))
        sprite, pixel, entry = sprites.stop, pixels.stop, tables.stop
    return together


def _starts(shapes: np.ndarray) -> np.ndarray:
    """Return where arrays of these shapes, (N, 2), begin that follow each other, int64 (N,)."""
    ends = shapes.prod(axis=1).cumsum()
    return np.concatenate([[0], ends[:-1]])


def _blocks(longest: int, retina: Retina) -> list[tuple[slice, int]]:
    """Return how many cells along a side a sprite reaches into at most, for runs of scales.

    Args:
        longest: The longest side of a sprite in pixels.
        retina: Whose cells.
    """
    side, scales = retina.patch_size, range(retina.num_scales)
    blocks = [min(side, (longest - 1 >> scale) + 2) for scale in scales]
    runs, start = [], 0
    for block, group in groupby(blocks):
        stop = start + len(list(group))
        runs.append((slice(start, stop), block))
        start = stop
    return runs
