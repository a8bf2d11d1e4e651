"""The retina: canvases and locations -> multi-resolution glimpses. Pure functions, batch first.

Leading axes are as the caller has them: one of M glimpses, or none for a single glimpse.
"""

import numpy as np

from ram_env.scenes.padding import PaddedImages

# Which rows of a batch are meant: int64 (M,), all different; or one, and then what goes with it,
# arguments and results, has no leading axis.
Rows = np.ndarray | int

# As an array: numpy would convert a Python number at each use, which takes as long as the sum.
_ONE = np.array(1.0)


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
        """Compute the numbers."""
        self._half_sides = np.array(canvas_shape, dtype=np.float64) / 2.0
        self._last = np.array(canvas_shape, dtype=np.float64) - 1.0

    def pixels_at(self, locations: np.ndarray) -> np.ndarray:
        """Return the (row, column), int64 (..., 2), at locations known to be in [-1, 1]."""
        # Float64: in float32 the product can round up to the next pixel on wide canvases.
        pixels = (locations[..., ::-1].astype(np.float64) + _ONE) * self._half_sides  # (y, x)
        # Nothing is negative here, so the conversion to whole numbers rounds down.
        return np.minimum(pixels, self._last).astype(np.int64)


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


def pad_canvases(
    num_canvases: int,
    canvas_shape: tuple[int, int],
    patch_size: int,
    num_scales: int,
    dtype: type[np.number],
) -> PaddedImages:
    """Allocate canvases of 0 with a border in which every window finds room: none is ever cut.

    Windows that begin at (row, column) of the border are those around that pixel of the canvas, for
    the widest scale.
    """
    shape = padded_shape(canvas_shape, patch_size, num_scales)
    border = window_side(patch_size, num_scales - 1) // 2  # the widest window's way up and left
    return PaddedImages(np.zeros((num_canvases, *shape), dtype=dtype), canvas_shape, border)


class Canvases:
    """A batch of canvases in a border of 0, and the windows that the retina gathers from.

    Attributes:
        padded: The canvases with their border, uint8, all 0 at first.
        pixel_grid: Which pixel is where.
        patch_size: g, the side of each scale of a glimpse in samples.
        num_scales: K, the number of scales.
        white: What the pixels under one sample add up to at most, per scale, float32 (K, 1, 1).
    """

    def __init__(
        self, num_canvases: int, canvas_shape: tuple[int, int], patch_size: int, num_scales: int
    ) -> None:
        """Allocate `num_canvases` black canvases of `canvas_shape` (height, width) pixels."""
        self.padded = pad_canvases(num_canvases, canvas_shape, patch_size, num_scales, np.uint8)
        self.patch_size = patch_size
        self.num_scales = num_scales
        self.pixel_grid = PixelGrid(canvas_shape)
        # White, 255, in each of the 4**k pixels that a sample of scale k is the mean of.
        white = np.array([255 * 4**scale for scale in range(num_scales)], dtype=np.float32)
        self.white = white[:, None, None]
        sides = [window_side(patch_size, scale) for scale in range(num_scales)]
        # The starts let windows[b, row, column] begin where the rule says.
        starts = [window_start(patch_size, num_scales, scale) for scale in range(num_scales)]
        self._windows = list(zip(sides, sides, starts, strict=True))

    @property
    def visible(self) -> np.ndarray:
        """The canvases themselves, a writable view, uint8 (B, H, W)."""
        return self.padded.inside

    def crop(self, rows: Rows, pixels: np.ndarray, scale: int) -> np.ndarray:
        """Return the windows of one scale around some pixels: uint8 (..., side, side).

        Args:
            rows: Which canvas each window is of.
            pixels: (row, column) of the window centres, int64 (..., 2), on the canvas.
            scale: 0 is the finest.

        Returns:
            A copy for an array of rows, a view for a single one.
        """
        row, column = pixels.T
        return self.padded.windows(*self._windows[scale])[rows, row, column]


def extract_glimpses(canvases: Canvases, rows: Rows, pixels: np.ndarray) -> np.ndarray:
    """Look at some canvases: scale k is a window of side g * 2**k, average-pooled to g x g.

    A window of side w around a pixel covers pixel - w // 2 to pixel - w // 2 + w - 1; outside the
    canvas lies 0. Sums are whole numbers, so the result is exact before its one division; only the
    tenth scale and wider ones are rounded to float32 before it.

    Args:
        canvases: The canvases to look at.
        rows: Which canvas each glimpse is of.
        pixels: (row, column) under the centre of each glimpse, int64 (..., 2).

    Returns:
        Glimpses, float32 (..., K, g, g), in [0, 1], finest scale first.

    Source: Mnih et al. 2014, arXiv:1406.6247, section 3.1 and figure 1A.
    """
    side, num_scales = canvases.patch_size, canvases.num_scales
    glimpses = np.empty((*pixels.shape[:-1], num_scales, side, side), dtype=np.float32)
    if side % 2 == 0:  # concentric windows: one crop of the widest holds all scales
        sums = block_sums(canvases.crop(rows, pixels, num_scales - 1), num_scales)
    else:  # they lie half a sample apart from scale to scale: each takes its own crop
        crops = [canvases.crop(rows, pixels, scale) for scale in range(num_scales)]
        sums = [block_sums(crop, scale + 1)[-1] for scale, crop in enumerate(crops)]
    for scale, values in enumerate(sums):
        start = (values.shape[-1] - side) // 2
        glimpses[..., scale, :, :] = values[..., start : start + side, start : start + side]
    glimpses /= canvases.white
    return glimpses


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
