"""What does the retina see of a scene? Means over square cells, in windows of growing width."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ram_env.geometry import Rows, parts_of, window_side


class Visible(Protocol):
    """What a retina can look at.

    Attributes:
        white: What the cells of each scale add up to where all is white, float32 (K, 1, 1), of
            scenes in colour (K, 1, 1, 1).
        bytes_on_the_way: What a glimpse takes while it is made.
    """

    white: np.ndarray
    bytes_on_the_way: int

    def sums(self, rows: Rows, pixels: np.ndarray) -> Sequence[np.ndarray]:
        """Return what the pixels under each cell add up to.

        Args:
            rows: Which scene each window is of.
            pixels: (row, column) under the centre of each window, int64 (..., 2).

        Returns:
            One array per scale, the finest first, unsigned (..., g, g), of scenes in colour
            (..., 3, g, g). A cell of scale k covers 2**k x 2**k pixels; outside of the scene lies
            0.
        """


class Retina:
    """Concentric windows: scale k has the side g * 2**k and is average-pooled to g x g.

    A window of side w around a pixel covers pixel - w // 2 to pixel - w // 2 + w - 1; outside of
    the scene lies 0. Sums are whole numbers, so a glimpse is exact before its one division; only
    the tenth scale and wider ones are rounded to float32 before it.

    Args:
        patch_size: g, the side of each scale in cells.
        num_scales: K, the number of scales.
        channels: 1 for grey, 3 for scenes in colour.

    Attributes:
        glimpse_shape: (K, g, g), in colour (K, 3, g, g).
        widest: The side of the widest window in pixels.

    Source: Mnih et al. 2014, arXiv:1406.6247, section 3.1 and figure 1A.
    """

    def __init__(self, patch_size: int, num_scales: int, channels: int = 1) -> None:
        self.patch_size, self.num_scales = patch_size, num_scales
        self.widest = window_side(patch_size, num_scales - 1)
        colors = (channels,) if channels > 1 else ()
        self.glimpse_shape = (num_scales, *colors, patch_size, patch_size)
        cells = [slice(None)] * (len(self.glimpse_shape) - 1)
        self._of_scale: list[Any] = [(..., scale, *cells) for scale in range(num_scales)]

    def glimpse(self, scenes: Visible, rows: Rows, pixels: np.ndarray) -> np.ndarray:
        """Look at some scenes.

        Args:
            scenes: What to look at.
            rows: Which scene each glimpse is of.
            pixels: (row, column) under the centre of each glimpse, int64 (..., 2).

        Returns:
            float32 (..., K, g, g) or (..., K, 3, g, g), in [0, 1], finest scale first.
        """
        glimpses = np.empty((*pixels.shape[:-1], *self.glimpse_shape), dtype=np.float32)
        if not isinstance(rows, np.ndarray):
            self._fill(glimpses, scenes, rows, pixels)
            return glimpses
        for part in parts_of(len(rows), scenes.bytes_on_the_way):
            self._fill(glimpses[part], scenes, rows[part], pixels[part])
        return glimpses

    def _fill(self, glimpses: np.ndarray, scenes: Visible, rows: Rows, pixels: np.ndarray) -> None:
        """Write glimpses, float32 (..., K, [3,] g, g), all at once."""
        for of_scale, sums in zip(self._of_scale, scenes.sums(rows, pixels), strict=True):
            glimpses[of_scale] = sums
        glimpses /= scenes.white


def white_sums(retina: Retina) -> np.ndarray:
    """Return what the cells of each scale of a grey canvas add up to where all is white.

    float32 (K, 1, 1): 255 in each of the 4**k pixels that a cell of scale k covers.
    """
    white = np.array([255 * 4**scale for scale in range(retina.num_scales)], dtype=np.float32)
    return white[:, None, None]


def block_sums(pixels: np.ndarray, num_levels: int) -> list[np.ndarray]:
    """Return the sums of blocks of 1x1, 2x2, 4x4, ... pixels.

    Args:
        pixels: uint8 (..., w, w); w must be divisible by 2**(num_levels - 1).
        num_levels: How many sizes of blocks.

    Returns:
        Level k is unsigned (..., w / 2**k, w / 2**k), wide enough for blocks of white.
    """
    sums = [pixels]
    for level in range(1, num_levels):
        sums.append(sum_2x2(sums[-1], sum_dtype(level + 1)))
    return sums


def sum_dtype(num_scales: int) -> type[np.unsignedinteger]:
    """Return the smallest type that holds the sums of so many scales, up to 13."""
    # 255 * 4**4, the white of the fifth scale, is the last to fit into 16 bits.
    return np.uint16 if num_scales <= 5 else np.uint32


def sum_2x2(values: np.ndarray, dtype: type[np.unsignedinteger]) -> np.ndarray:
    """Add up blocks of 2x2: unsigned (..., 2h, 2w) -> `dtype` (..., h, w)."""
    vertical = np.add(values[..., ::2, :], values[..., 1::2, :], dtype=dtype)
    return vertical[..., ::2] + vertical[..., 1::2]
