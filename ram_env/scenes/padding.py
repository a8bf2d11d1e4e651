"""How is every window of an image a look-up? By views into one buffer, made once."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided


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
