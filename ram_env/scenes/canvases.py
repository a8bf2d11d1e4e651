"""How are many canvases held so that a window of any scale is one look-up?"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ram_env.geometry import PixelGrid, Rows, padded_shape, window_side, window_start
from ram_env.retina import Retina, block_sums, white_sums


def sliding_windows(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """View every window of some images without copying; writing to a window writes to its image.

    Args:
        images: Any dtype, (N, H, W).
        height: Window height in pixels, at most H.
        width: Window width in pixels, at most W.

    Returns:
        A view, (N, H - height + 1, W - width + 1, height, width); windows overlap in memory.
    """
    num_images, image_height, image_width = images.shape
    shape = (num_images, image_height - height + 1, image_width - width + 1, height, width)
    by_image, by_row, by_column = images.strides
    return as_strided(images, shape, (by_image, by_row, by_column, by_row, by_column))


class PaddedImages:
    """Images within a border, in one buffer, and views of their windows, each made once.

    Copied or unpickled it makes its views anew: a copy of a view would be an array of its own.

    Args:
        padded: The images with their border, any dtype, (N, height, width).
        shape: H and W of the images without it; None if there is no border.
        border: How wide it is above and left of the images, in pixels.

    Attributes:
        inside: The images without their border, a view, (N, H, W).
    """

    def __init__(
        self, padded: np.ndarray, shape: tuple[int, int] | None = None, border: int = 0
    ) -> None:
        self._padded, self._shape, self._border = padded, shape, border
        height, width = padded.shape[1:] if shape is None else shape
        self.inside = padded[:, border : border + height, border : border + width]
        self._windows: dict[tuple[int, int, int], np.ndarray] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what copies and pickles are made of."""
        return PaddedImages, (self._padded, self._shape, self._border)

    def windows(self, height: int, width: int, start: int = 0) -> np.ndarray:
        """View every window of a size whose corner lies at row and column `start` or beyond.

        Args:
            height: Window height in pixels.
            width: Window width in pixels.
            start: Counted from the corner of the border.

        Returns:
            A view as of `sliding_windows`, (N, rows, columns, height, width).
        """
        key = height, width, start
        if key not in self._windows:
            self._windows[key] = sliding_windows(self._padded[:, start:, start:], height, width)
        return self._windows[key]

    def windows_inside(self, height: int, width: int) -> np.ndarray:
        """View every window of a size, its corners counted from that of the images themselves."""
        return self.windows(height, width, self._border)


def pad_canvases(
    num_canvases: int, canvas_shape: tuple[int, int], retina: Retina, dtype: type[np.number]
) -> PaddedImages:
    """Allocate canvases of 0 with a border in which every window finds room: none is ever cut.

    Windows that begin at (row, column) of the border are those around that pixel of the canvas, for
    the widest scale.
    """
    shape = padded_shape(canvas_shape, retina.patch_size, retina.num_scales)
    # The widest window's way up and left.
    border = window_side(retina.patch_size, retina.num_scales - 1) // 2
    return PaddedImages(np.zeros((num_canvases, *shape), dtype=dtype), canvas_shape, border)


def crop_bytes(retina: Retina) -> int:
    """Return what a glimpse takes on the way: the widest crop, and its sums in twos and fours."""
    return 3 * window_side(retina.patch_size, retina.num_scales - 1) ** 2


class Canvases:
    """A batch of canvases in a border of 0: what a retina can look at.

    Args:
        num_canvases: How many.
        canvas_shape: Height and width of each in pixels.
        retina: The retina that will look at them.

    Attributes:
        padded: The canvases with their border, uint8, all 0 at first.
        white, bytes_on_the_way: See `ram_env.retina.Visible`.
    """

    def __init__(self, num_canvases: int, canvas_shape: tuple[int, int], retina: Retina) -> None:
        self.padded = pad_canvases(num_canvases, canvas_shape, retina, np.uint8)
        self.bytes_on_the_way = crop_bytes(retina)
        self.white = white_sums(retina)
        self._pixel_grid = PixelGrid(canvas_shape)
        side, self._num_scales = retina.patch_size, retina.num_scales
        # Even windows are concentric: one crop of the widest holds all scales. Odd ones lie half a
        # cell apart from scale to scale, so each takes its own crop.
        self._is_concentric = side % 2 == 0
        sides = [window_side(side, scale) for scale in range(self._num_scales)]
        # The starts let windows[b, row, column] begin where the retina's rule says.
        starts = [window_start(side, self._num_scales, scale) for scale in range(self._num_scales)]
        self._windows = list(zip(sides, sides, starts, strict=True))
        # Of the cells under the widest window, those that belong to each scale.
        starts = [(side * 2**scale - side) // 2 for scale in range(self._num_scales)]
        insides = [slice(start, start + side) for start in reversed(starts)]
        self._insides = [(..., inside, inside) for inside in insides]

    @property
    def visible(self) -> np.ndarray:
        """The canvases themselves, a writable view, uint8 (B, H, W)."""
        return self.padded.inside

    def pixels_at(self, rows: Rows, locations: np.ndarray) -> np.ndarray:
        """Return the pixels (row, column), int64 (..., 2), under locations in [-1, 1]."""
        return self._pixel_grid.pixels_at(locations)

    def sums(self, rows: Rows, pixels: np.ndarray) -> list[np.ndarray]:
        """Return the sums under the cells of each scale: see `ram_env.retina.Visible`."""
        if self._is_concentric:
            levels = block_sums(self._crop(rows, pixels, self._num_scales - 1), self._num_scales)
            return [level[inside] for level, inside in zip(levels, self._insides, strict=True)]
        scales = range(self._num_scales)
        return [block_sums(self._crop(rows, pixels, scale), scale + 1)[-1] for scale in scales]

    def _crop(self, rows: Rows, pixels: np.ndarray, scale: int) -> np.ndarray:
        """Return the windows of a scale, uint8 (..., w, w): a copy, or of a single row a view."""
        row, column = pixels.T
        return self.padded.windows(*self._windows[scale])[rows, row, column]
