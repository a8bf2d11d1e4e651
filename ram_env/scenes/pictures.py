"""How is a picture of the user's a scene? It is read where the retina looks, changed on the way.

While an agent learns, a picture may be mirrored, enlarged, moved and lightened, all by its seed, so
that few pictures teach more; it is read through the change, and never copied.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ram_env.geometry import Rows, pixels_in
from ram_env.hashing import STEPS, as_shares, draw_integers
from ram_env.pictures.pyramids import PictureStore
from ram_env.retina import Retina
from ram_env.scenes.source import LONGEST_SIDE, ScenePlans

_DRAWS = 7  # x, y, mirrored, enlarged, down, right, lighter


class Changes(NamedTuple):
    """By how much pictures may be changed for a scene: `flip`, ... of `GlimpseEnv`."""

    flip: bool = False  # mirrored every other time
    zoom: float = 0.0  # enlarged or made smaller by a factor of up to 1 + zoom
    shift: float = 0.0  # moved by up to this share of each side
    brightness: float = 0.0  # each pixel times 1 - brightness to 1 + brightness


@dataclass(frozen=True, eq=False)
class PicturePlans(ScenePlans):
    """What scenes of pictures consist of.

    Attributes:
        change: Per scene whether it is mirrored (-1, else 1), the factor it is enlarged by, how far
            it is moved down and to the right as shares of its sides, and what its pixels are
            multiplied by, float64 (..., 5); None: pictures stay as they are.
    """

    change: np.ndarray | None


class Pictures:
    """Scenes that are pictures: a `SceneSource` that holds none of their pixels.

    A scene has the shape of its picture. Scale k reads g x g pixels of level k, from
    floor(pixel / 2**k) - g // 2: never more than half a coarse cell off the exact window, and as
    many bytes whatever the picture's size. A changed picture is read at the nearest pixels.

    Args:
        num_scenes: How many at once.
        store: The pictures, of all splits.
        numbers: Which of them this source shows, int64 (N,).
        retina: The retina that will look at them.
        changes: By how much they may be changed.

    Attributes:
        white, bytes_on_the_way: See `ram_env.retina.Visible`.
    """

    def __init__(
        self,
        num_scenes: int,
        store: PictureStore,
        numbers: np.ndarray,
        retina: Retina,
        changes: Changes = Changes(),  # noqa: B008
    ) -> None:
        self._store, self._numbers, self._changes = store, numbers, changes
        self._picture = np.zeros(num_scenes, dtype=np.int64)  # in the store
        self._change = np.tile(_UNCHANGED, (num_scenes, 1)) if any(changes) else None
        side = retina.patch_size
        ones = (1,) * (len(retina.glimpse_shape) - 1)
        self.white = np.full((retina.num_scales, *ones), 255.0, dtype=np.float32)
        self.bytes_on_the_way = glimpse_bytes(retina)
        self._levels = np.arange(retina.num_scales)
        self._cells = np.arange(side) - side // 2

    def plan(self, scene_seeds: np.ndarray, indices: np.ndarray | None = None) -> PicturePlans:
        """Decide what scenes consist of: see `SceneSource.plan`."""
        bounds = np.array([len(self._numbers)] + [STEPS] * _DRAWS)
        draws = draw_integers(scene_seeds, bounds)
        shares = as_shares(draws[..., 1:])
        index = draws.T[0] if indices is None else indices
        box = np.zeros((*shares.shape[:-1], 4), dtype=np.int64)
        box[..., 2:] = self._store.shapes[self._numbers[index]]
        return PicturePlans(
            index=index,
            box=box,
            location=shares[..., :2].astype(np.float32),
            change=self._change_of(shares[..., 2:]) if any(self._changes) else None,
        )

    def _change_of(self, shares: np.ndarray) -> np.ndarray:
        """Return the changes, float64 (..., 5), that shares in [-1, 1), float64 (..., 5), mean."""
        flip, zoom, shift, brightness = self._changes
        change = np.empty_like(shares)
        change[..., 0] = np.where(flip & (shares[..., 0] < 0.0), -1.0, 1.0)
        change[..., 1] = (1.0 + zoom) ** shares[..., 1]
        change[..., 2:4] = shift * shares[..., 2:4]
        change[..., 4] = 1.0 + brightness * shares[..., 4]
        return change

    def begin(self, rows: Rows, plans: PicturePlans) -> None:
        """Put planned scenes in the place of those of some rows."""
        self._picture[rows] = self._numbers[plans.index]
        if self._change is not None:
            self._change[rows] = plans.change

    def pixels_at(self, rows: Rows, locations: np.ndarray) -> np.ndarray:
        """Return the pixels (row, column), int64 (..., 2), under locations in [-1, 1]."""
        return pixels_in(self._store.shapes[self._picture[rows]], locations)

    def sums(self, rows: Rows, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the pixels under the cells of each scale: see `ram_env.retina.Visible`."""
        starts = pixels[..., None, :] >> self._levels[:, None]  # (..., K, 2)
        cells = starts[..., None] + self._cells  # (..., K, 2, g)
        found = self._read(rows, self._levels, cells[..., 0, :], cells[..., 1, :])
        found = np.moveaxis(found, -1, -3)  # (..., K, C, g, g)
        if self._store.channels == 1:
            found = found[..., 0, :, :]
        axis = pixels.ndim - 1
        return list(np.moveaxis(found, axis, 0))

    def shapes_of(self, rows: Rows) -> np.ndarray:
        """Return height and width of pictures: see `SceneSource.shapes_of`."""
        return self._store.shapes[self._picture[rows]]

    def picture(self, row: int) -> np.ndarray:
        """Return a scene for people, halved until no side is longer than `LONGEST_SIDE`.

        Returns:
            uint8 (H, W), of a colour picture (H, W, 3).
        """
        shape = self._store.shapes[self._picture[row]]
        level = 0
        while max(shape) > LONGEST_SIDE:
            shape, level = (shape + 1) // 2, level + 1
        height, width = shape
        found = self._read(row, np.array([level]), np.arange(height)[None], np.arange(width)[None])
        return found[0] if self._store.channels == 3 else found[0, ..., 0]

    def whole(self, rows: np.ndarray, side: int) -> np.ndarray:
        """Return scenes made square, for networks that see all at once.

        Returns:
            uint8 (M, side, side), in colour (M, side, side, 3).
        """
        shapes = self._store.shapes[self._picture[rows]]  # (M, 2)
        levels = np.log2(np.maximum(shapes.max(axis=1) / side, 1.0)).astype(np.int64)[:, None]
        shares = (np.arange(side) + 0.5) / side
        cells = (shapes[..., None] / 2.0 ** levels[..., None] * shares).astype(np.int64)
        found = self._read(rows, levels, cells[:, None, 0], cells[:, None, 1])[:, 0]
        return found if self._store.channels == 3 else found[..., 0]

    def _read(
        self, rows: Rows, levels: np.ndarray, cell_rows: np.ndarray, cell_columns: np.ndarray
    ) -> np.ndarray:
        """Read scenes, each at several levels, at the crossings of some of their rows and columns.

        Args:
            rows: The scenes.
            levels: int64 (K,), or (..., K).
            cell_rows: Rows of each level, int64 (..., K, h).
            cell_columns: Columns of each level, int64 (..., K, w).

        Returns:
            uint8 (..., K, h, w, C).
        """
        pictures = self._picture[rows]
        numbers = pictures[..., None]
        if self._change is None:
            return self._store.read(numbers, levels, cell_rows, cell_columns)
        change = self._change[rows][..., None, :]  # (..., 1, 5)
        # In pixels of each level, as whole pixels would be cut.
        sides = self._store.shapes[pictures][..., None, :] / 2.0 ** levels[..., None]  # (..., K, 2)
        mirror, zoom = change[..., :1], change[..., 1:2]
        middle, shift = sides / 2.0, change[..., 2:4] * sides
        lines = (cell_rows + 0.5 - middle[..., :1] - shift[..., :1]) / zoom + middle[..., :1]
        across = mirror * (cell_columns + 0.5 - middle[..., 1:] - shift[..., 1:]) / zoom
        across += middle[..., 1:]
        found = self._store.read(
            numbers, levels, np.floor(lines).astype(np.int64), np.floor(across).astype(np.int64)
        )
        if self._changes.brightness:
            light = change[..., 4, None, None, None]
            found = np.minimum(found * light + 0.5, 255.0).astype(np.uint8)
        return found


def glimpse_bytes(retina: Retina) -> int:
    """Return what a glimpse takes on the way: where each pixel lies, and the pixel."""
    return 16 * math.prod(retina.glimpse_shape)


_UNCHANGED = np.array([1.0, 1.0, 0.0, 0.0, 1.0])
