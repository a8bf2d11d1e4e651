"""Small distortions of images, so that an agent in training never sees quite the same one twice."""

import functools

import numpy as np

NODES = 5  # along each axis, of the grid whose shifts bend an image


def distort(
    images: np.ndarray, maps: np.ndarray, node_shifts: np.ndarray | None = None
) -> np.ndarray:
    """Redraw images through linear maps around their centres and elastically.

    An elastic distortion moves each pixel a little, neighbours alike (Simard, Steinkraus, Platt:
    Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003).

    Args:
        images: uint8 (..., h, w).
        maps: Which offset from the centre, (row, column), in pixels, the old image is read at for
            each offset in the new one; float32 (..., 2, 2). The identity changes nothing.
        node_shifts: How much further, in rows and in columns, it is read around each node of a
            grid over the image, in pixels; float32 (..., 2, `NODES`, `NODES`). None: no further.

    Returns:
        uint8 (..., h, w); what lay outside of the image is 0.
    """
    height, width = images.shape[-2:]
    # A border of black pixels: what is read outside of the image is read there.
    padded = np.zeros((*images.shape[:-2], height + 2, width + 2), dtype=np.uint8)
    padded[..., 1:-1, 1:-1] = images
    row, column = np.indices((height, width), dtype=np.float32).reshape(2, -1)  # (h w,) each
    row, column = row - np.float32((height - 1) / 2), column - np.float32((width - 1) / 2)
    old_row = maps[..., 0, 0, None] * row + maps[..., 0, 1, None] * column
    old_column = maps[..., 1, 0, None] * row + maps[..., 1, 1, None] * column
    if node_shifts is not None:
        shifts = _between_nodes(node_shifts, height, width)
        old_row, old_column = old_row + shifts[..., 0, :], old_column + shifts[..., 1, :]
    first_row, row_share = _cells(old_row, height)
    first_column, column_share = _cells(old_column, width)
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


def _between_nodes(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Spread values of nodes, float32 (..., `NODES`, `NODES`), smoothly: float32 (..., h w)."""
    # Sums in a fixed order instead of matrix products, whose rounding differs between machines.
    for side in (height, width):
        weights = _spline_weights(side)
        values = sum(values[..., node, None, :] * weights[node, :, None] for node in range(NODES))
        values = values.swapaxes(-1, -2)  # first (..., columns of nodes, h), then (..., h, w)
    return values.reshape(*values.shape[:-2], height * width)


@functools.cache
def _spline_weights(side: int) -> np.ndarray:
    """Return what each node counts at each pixel of an axis: cubic B-splines, (`NODES`, side)."""
    nodes = np.arange(NODES)[:, None]
    distances = np.abs(np.linspace(0, NODES - 1, side) - nodes)  # in steps between nodes
    near = 2 / 3 - distances**2 + distances**3 / 2
    far = np.maximum(2 - distances, 0) ** 3 / 6
    return np.where(distances < 1, near, far).astype(np.float32)


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
