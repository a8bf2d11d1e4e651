"""Where do a location and the windows around it lie on the canvas?

One convention holds for all arrays of this package: the leading axes, `(...)`, are as the caller
has them: one axis of M episodes, or none for a single one. `Rows` says which episodes of a batch
are meant. A single env passes one number and everything stays without a batch axis, which is
several times as fast; the rules are written once for both.
"""

from collections.abc import Sequence

import numpy as np

# Which rows of a batch are meant: int64 (M,), all different; or one, and then what goes with it,
# arguments and results, has no leading axis.
Rows = np.ndarray | int

# As an array: numpy would convert a Python number at each use, which takes as long as the sum.
_ONE = np.array(1.0)

_PART_BYTES = 2**20  # what is worked on at a time: about what a core's cache holds
_WHOLE = (slice(None),)


def parts_of(num_rows: int, bytes_per_row: int) -> Sequence[slice] | range:
    """Cut a batch of rows into parts, so small that what is made on the way stays in the cache.

    Args:
        num_rows: Of the batch.
        bytes_per_row: What is made on the way for each.

    Returns:
        Slices; or the rows one by one, without a batch axis, where not even two of them fit: what
        is looked at of a single row need not be copied.
    """
    size = _PART_BYTES // bytes_per_row
    if num_rows <= size:
        return _WHOLE
    if size < 2:
        return range(num_rows)
    num_parts = -(-num_rows // size)
    size = -(-num_rows // num_parts)  # alike: a small rest costs nearly as much as a whole part
    return [slice(start, start + size) for start in range(0, num_rows, size)]


def location_to_pixel(locations: np.ndarray, canvas_shape: tuple[int, int]) -> np.ndarray:
    """Convert sensor locations to the pixel under their centre.

    Args:
        locations: (x, y), float32 (..., 2), in [-1, 1]; x grows to the right, y downwards.
        canvas_shape: Height and width in pixels.

    Returns:
        (row, column), int64 (..., 2).

    Raises:
        ValueError: If a location is not finite, or what should be two numbers are not.

    Source: Mnih et al. 2014, arXiv:1406.6247, section 3.
    """
    if locations.dtype.kind not in "fiu" or locations.shape[-1:] != (2,):
        raise ValueError(
            "`locations` must be numbers of shape (..., 2), got "
            f"{locations.dtype} {locations.shape}."
        )
    if not np.isfinite(locations).all():
        raise ValueError(
            f"`locations` must be finite, got {locations[~np.isfinite(locations)][0]}."
        )
    return PixelGrid(canvas_shape).pixels_at(np.clip(locations, -1.0, 1.0))


class PixelGrid:
    """The pixels of a canvas, with the numbers ready that finding one takes.

    Args:
        canvas_shape: Height and width in pixels.
    """

    def __init__(self, canvas_shape: tuple[int, int]) -> None:
        self._half_sides = np.array(canvas_shape, dtype=np.float64) / 2.0
        self._last = np.array(canvas_shape, dtype=np.float64) - 1.0

    def pixels_at(self, locations: np.ndarray) -> np.ndarray:
        """Return the (row, column), int64 (..., 2), at locations known to be in [-1, 1]."""
        # Float64: in float32 the product can round up to the next pixel on wide canvases.
        pixels = (locations[..., ::-1].astype(np.float64) + _ONE) * self._half_sides  # (y, x)
        # Nothing is negative here, so the conversion to whole numbers rounds down.
        return np.minimum(pixels, self._last).astype(np.int64)


def pixels_in(shapes: np.ndarray, locations: np.ndarray) -> np.ndarray:
    """Return the (row, column), int64 (..., 2), at locations in canvases of many shapes.

    Args:
        shapes: Height and width of each canvas, int64 (..., 2).
        locations: (x, y), float32 (..., 2), known to be in [-1, 1].
    """
    pixels = (locations[..., ::-1].astype(np.float64) + _ONE) * (shapes / 2.0)
    return np.minimum(pixels, shapes - 1.0).astype(np.int64)


def window_side(patch_size: int, scale: int) -> int:
    """Return the side of the window that a scale (0 is the finest) covers, in canvas pixels."""
    return patch_size * 2**scale


def window_start(patch_size: int, num_scales: int, scale: int) -> int:
    """Return how far a scale's window begins below and right of the widest, in canvas pixels."""
    return window_side(patch_size, num_scales - 1) // 2 - window_side(patch_size, scale) // 2


def padded_shape(
    canvas_shape: tuple[int, int], patch_size: int, num_scales: int
) -> tuple[int, int]:
    """Return height and width of a canvas with a border in which every window finds room."""
    reach = window_side(patch_size, num_scales - 1)
    return canvas_shape[0] + reach - 1, canvas_shape[1] + reach - 1


def lay_scales(glimpses: np.ndarray) -> np.ndarray:
    """Lay the scales of glimpses over each other as they were taken, the finest on top.

    Args:
        glimpses: Any dtype, (..., K, g, g), finest scale first.

    Returns:
        One value per pixel of the widest window, (..., w, w) with w = g * 2**(K - 1).
    """
    num_scales, side = glimpses.shape[-3], glimpses.shape[-1]
    look = enlarge(glimpses[..., num_scales - 1, :, :], 2 ** (num_scales - 1))
    for scale in reversed(range(num_scales - 1)):
        start = window_start(side, num_scales, scale)
        inside = slice(start, start + window_side(side, scale))
        look[..., inside, inside] = enlarge(glimpses[..., scale, :, :], 2**scale)
    return look


def enlarge(values: np.ndarray, factor: int) -> np.ndarray:
    """Make each value a block of factor x factor: (..., h, w) -> (..., h * factor, w * factor)."""
    return values.repeat(factor, axis=-1).repeat(factor, axis=-2)
