"""Small distortions of images, so that an agent in training never sees quite the same one twice."""

import numpy as np


def distort(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Redraw images through linear maps around their centres, interpolating between pixels.

    Args:
        images: uint8 (..., h, w).
        maps: Which offset from the centre, (row, column), in pixels, the old image is read at for
            each offset in the new one; float32 (..., 2, 2). The identity changes nothing.

    Returns:
        uint8 (..., h, w); what lay outside of the image is 0.
    """
    height, width = images.shape[-2:]
    # A border of black pixels: what is read outside of the image is read there.
    padded = np.zeros((*images.shape[:-2], height + 2, width + 2), dtype=np.uint8)
    padded[..., 1:-1, 1:-1] = images
    row, column = np.indices((height, width), dtype=np.float32).reshape(2, -1)  # (h w,) each
    row, column = row - np.float32((height - 1) / 2), column - np.float32((width - 1) / 2)
    first_row, row_share = _cells(
        maps[..., 0, 0, None] * row + maps[..., 0, 1, None] * column, height
    )
    first_column, column_share = _cells(
        maps[..., 1, 0, None] * row + maps[..., 1, 1, None] * column, width
    )
    size = (height + 2) * (width + 2)
    image = np.arange(0, padded.size, size).reshape(*images.shape[:-2], 1)  # where each begins
    corner = image + first_row * (width + 2) + first_column  # (..., h w)

    def between_columns(offset: int) -> np.ndarray:
        left = padded.take(corner + offset).astype(np.float32)
        right = padded.take(corner + (offset + 1))
        return left + column_share * (right - left)

    upper, lower = between_columns(0), between_columns(width + 2)
    mixed = upper + row_share * (lower - upper)
    return np.rint(mixed).astype(np.uint8).reshape(images.shape)


def _cells(offsets: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels before some positions along an axis, and how far beyond them those lie.

    Args:
        offsets: From the centre of the image, float32 (...).
        side: Of the image without its border of 1.

    Returns:
        Numbers of pixels in the image with its border, int64 (...), and shares of the way to the
        next pixel, float32 (...), in [0, 1].
    """
    positions = np.clip(offsets + np.float32((side + 1) / 2), 0, side + 1)
    first = np.minimum(positions.astype(np.int64), side)
    return first, positions - first.astype(np.float32)
