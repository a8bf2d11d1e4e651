"""How are pictures kept so that a glimpse costs the same in all of them? With halved levels."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np


class PictureStore(Protocol):
    """Pictures that can be read in parts, at any of their levels.

    Level 0 is the picture itself, level k + 1 the means of 2 x 2 pixels of level k, rounded half
    up; at an odd side the last row or column is repeated. Levels end at a single pixel, which
    stands for all further ones too.

    Attributes:
        shapes: Height and width of each picture in pixels, int64 (N, 2).
        channels: 1 for grey, 3 for colour.
    """

    shapes: np.ndarray
    channels: int

    def read(
        self, pictures: np.ndarray, levels: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Return pixels at the crossings of rows and columns.

        Args:
            pictures: Which pictures, int64 (...).
            levels: Which level of each, int64 (...).
            rows: Rows of that level, int64 (..., h); outside of it lies 0.
            columns: Columns of that level, int64 (..., w).

        Returns:
            uint8 (..., h, w, channels).
        """


class Pyramids:
    """A `PictureStore` in one array, which may be mapped from a file.

    Args:
        shapes: Height and width of each picture, int64 (N, 2).
        channels: 1 or 3.
        pixels: What `pyramid_of` makes of each, one after the other, uint8 (num_pixels(shapes),
            channels).
    """

    def __init__(self, shapes: np.ndarray, channels: int, pixels: np.ndarray) -> None:
        self.shapes, self.channels = shapes, channels
        self._shapes, self._starts = level_shapes(shapes), level_starts(shapes)
        # One item per pixel: it is copied as a whole, several times as fast as byte by byte.
        self._items = np.asarray(pixels).view(np.dtype((np.void, channels)))[:, 0]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Pyramids":
        """Return the pictures themselves: copies of an env share them, for they never change."""
        return self

    def read(
        self, pictures: np.ndarray, levels: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Return pixels at the crossings of rows and columns: see `PictureStore.read`."""
        levels = np.minimum(levels, self._starts.shape[1] - 1)
        height, width = np.moveaxis(self._shapes[pictures, levels], -1, 0)[..., None]
        first = self._starts[pictures, levels][..., None] + rows.clip(0, height - 1) * width
        items = self._items.take(first[..., :, None] + columns.clip(0, width - 1)[..., None, :])
        items[outside(rows, columns, height, width)] = bytes(self.channels)
        return items.view(np.uint8).reshape(*items.shape, self.channels)


def outside(
    rows: np.ndarray, columns: np.ndarray, height: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """Return which crossings of rows (..., h) and columns (..., w) lie outside: (..., h, w)."""
    is_row_outside = (rows < 0) | (rows >= height)
    return is_row_outside[..., :, None] | ((columns < 0) | (columns >= width))[..., None, :]


def level_shapes(shapes: np.ndarray) -> np.ndarray:
    """Return height and width of all levels of pictures: int64 (N, 2) -> int64 (N, L, 2)."""
    levels = [shapes]
    while levels[-1].max(initial=1) > 1:
        levels.append((levels[-1] + 1) // 2)
    return np.stack(levels, axis=1)


def level_starts(shapes: np.ndarray) -> np.ndarray:
    """Return where the levels of pictures begin in a `Pyramids`: int64 (N, 2) -> int64 (N, L)."""
    sizes = level_sizes(shapes)
    # Further levels than that of a single pixel take no room, and begin at that pixel.
    return sizes.cumsum().reshape(sizes.shape) - sizes.clip(1)


def num_pixels(shapes: np.ndarray) -> int:
    """Return how many pixels all levels of pictures have together: int64 (N, 2) -> a number."""
    return int(level_sizes(shapes).sum())


def level_sizes(shapes: np.ndarray) -> np.ndarray:
    """Return how many pixels each level takes, none beyond the first of a single pixel."""
    sizes = level_shapes(shapes).prod(axis=-1)
    sizes[:, 1:][sizes[:, :-1] == 1] = 0
    return sizes


def halve(pixels: np.ndarray) -> np.ndarray:
    """Return the next level of a picture: uint8 (h, w, C) -> ((h + 1) // 2, (w + 1) // 2, C)."""
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    vertical = np.add(pixels[::2], pixels[1::2], dtype=np.uint16)
    sums = vertical[:, ::2] + vertical[:, 1::2]
    sums += 2  # rounded half up
    sums >>= 2
    return sums.astype(np.uint8)


def pyramid_of(pixels: np.ndarray) -> np.ndarray:
    """Return all levels of a picture, one after the other: uint8 (h, w, C) -> uint8 (M, C)."""
    levels = [pixels]
    while max(levels[-1].shape[:2]) > 1:
        levels.append(halve(levels[-1]))
    return np.concatenate([level.reshape(-1, pixels.shape[-1]) for level in levels])


def pyramids_of(pictures: Sequence[np.ndarray]) -> Pyramids:
    """Return a store of pictures in memory, uint8 (h, w, C) each, of any sizes but the same C."""
    shapes = np.array([picture.shape[:2] for picture in pictures])
    pixels = np.concatenate([pyramid_of(picture) for picture in pictures])
    return Pyramids(shapes, pixels.shape[-1], pixels)
