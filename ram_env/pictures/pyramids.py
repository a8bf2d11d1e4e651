"""How are pictures kept so that a glimpse costs the same in all of them? With halved levels."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

_STRIP = 16  # pixels: what is looked at together lies in few strips, so in few pages of memory


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

    A level that is wider than a strip lies there strip by strip, from left to right, the last one
    filled up; each strip row by row.

    Args:
        shapes: Height and width of each picture, int64 (N, 2).
        channels: 1 or 3.
        pixels: What `pyramid_of` makes of each, one after the other, uint8 (num_pixels(shapes),
            channels).
    """

    def __init__(self, shapes: np.ndarray, channels: int, pixels: np.ndarray) -> None:
        self.shapes, self.channels = shapes, channels
        height, width = np.moveaxis(level_shapes(shapes), -1, 0)
        # Of each level: the last row, the last column, where it begins, and how much further it is
        # to the next row, and to the next strip than its columns say.
        sides, steps = (height - 1, width - 1), (np.minimum(width, _STRIP), (height - 1) * _STRIP)
        self._layout = np.stack([*sides, level_starts(shapes), *steps], axis=-1)  # (N, L, 5)
        pixels = np.asarray(pixels)
        self._bytes, self._items = pixels.reshape(-1), as_items(pixels)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Pyramids":
        """Return the pictures themselves: copies of an env share them, for they never change."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Put the pixels into a pickle once."""
        return Pyramids, (self.shapes, self.channels, self._bytes.reshape(-1, self.channels))

    def read(
        self, pictures: np.ndarray, levels: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Return pixels at the crossings of rows and columns: see `PictureStore.read`."""
        levels = np.minimum(levels, self._layout.shape[1] - 1)
        layout = np.moveaxis(self._layout[pictures, levels], -1, 0)
        last_row, last_column, start, row_step, strip_step = layout[..., None]
        inner_rows, inner_columns = rows.clip(0, last_row), columns.clip(0, last_column)
        first = start + inner_rows * row_step
        across = inner_columns + inner_columns // _STRIP * strip_step
        places = first[..., :, None] + across[..., None, :]
        # Both ends of all rows are asked for before any is copied: memory brings many at a time.
        # No place lies outside of the array; of the modes "wrap" is the quickest.
        ends = self.channels * places[..., :: max(1, columns.shape[-1] - 1)]
        self._bytes.take(ends, mode="wrap")
        items = self._items.take(places, mode="wrap")
        blacken(items, rows != inner_rows, columns != inner_columns)
        return items.view(np.uint8).reshape(*items.shape, self.channels)


def as_items(pixels: np.ndarray) -> np.ndarray:
    """Return pixels, uint8 (..., C), as one item each, (...).

    They are copied as a whole, several times as fast as byte by byte.
    """
    return pixels.view(np.dtype((np.void, pixels.shape[-1])))[..., 0]


def blacken(items: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Make rows, bool (..., h), and columns, bool (..., w), of items (..., h, w) black."""
    black = bytes(items.itemsize)
    items[rows] = black
    items.swapaxes(-1, -2)[columns] = black


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
    """Return how many pixels a `Pyramids` of pictures has: int64 (N, 2) -> a number."""
    return int(level_sizes(shapes).sum())


def level_sizes(shapes: np.ndarray) -> np.ndarray:
    """Return how many pixels each level takes, none beyond the first of a single pixel."""
    height, width = np.moveaxis(level_shapes(shapes), -1, 0)
    sizes = height * np.where(width > _STRIP, width + -width % _STRIP, width)
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
    """Return all levels of a picture as a `Pyramids` has them: uint8 (h, w, C) -> (M, C)."""
    sizes = level_sizes(np.array([pixels.shape[:2]]))[0]
    levels = np.zeros((sizes.sum(), pixels.shape[2]), dtype=np.uint8)
    for place in np.split(levels, sizes.cumsum()[:-1]):
        _lay_strips(pixels, place)
        pixels = halve(pixels)
    return levels


def _lay_strips(level: np.ndarray, place: np.ndarray) -> None:
    """Write a level, uint8 (h, w, C), to its place, uint8 (M, C)."""
    height, width, channels = level.shape
    strips = place.reshape(-1, height, min(width, _STRIP), channels)
    for number, strip in enumerate(strips):
        part = level[:, number * _STRIP : (number + 1) * _STRIP]
        strip[:, : part.shape[1]] = part


def pyramids_of(pictures: Sequence[np.ndarray]) -> Pyramids:
    """Return a store of pictures in memory, uint8 (h, w, C) each, of any sizes but the same C."""
    shapes = np.array([picture.shape[:2] for picture in pictures])
    pixels = np.concatenate([pyramid_of(picture) for picture in pictures])
    return Pyramids(shapes, pixels.shape[-1], pixels)
