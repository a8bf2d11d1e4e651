"""How is an image distorted, so that an agent in training never sees quite the same one twice?"""

import functools

import numpy as np

NODES = 5  # along each axis, of the grid whose shifts bend an image
_IMAGES_AT_A_TIME = 16  # so few that memory for what is computed on the way is always at hand


def distort(
    images: np.ndarray, maps: np.ndarray, node_shifts: np.ndarray | None = None
) -> np.ndarray:
    """Redraw images through linear maps around their centres and elastically.

    An elastic distortion moves each pixel a little, neighbours alike (Simard, Steinkraus, Platt:
    Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis, 2003).

    Args:
        images: uint8 (B, h, w) or (h, w).
        maps: Which offset from the centre, (row, column), in pixels, the old image is read at for
            each offset in the new one; float32 (B, 2, 2), or (2, 2) for all images. The identity
            changes nothing.
        node_shifts: How much further, in rows and in columns, it is read around each node of a
            grid over the image, in pixels; float32 (B, 2, `NODES`, `NODES`) or, of a single image,
            (2, `NODES`, `NODES`). None: no further.

    Returns:
        uint8, the shape of the images; what lay outside of an image is 0.
    """
    if images.ndim == 2:
        return _redraw(images, maps, node_shifts)
    redrawn, maps = np.empty_like(images), np.broadcast_to(maps, (len(images), 2, 2))
    for start in range(0, len(images), _IMAGES_AT_A_TIME):
        part = slice(start, start + _IMAGES_AT_A_TIME)
        shifts = None if node_shifts is None else node_shifts[part]
        redrawn[part] = _redraw(images[part], maps[part], shifts)
    return redrawn


def _redraw(images: np.ndarray, maps: np.ndarray, node_shifts: np.ndarray | None) -> np.ndarray:
    """Do what `distort` does, all at once: images (..., h, w)."""
    height, width = images.shape[-2:]
    # A border of black pixels: what is read outside of the image is read there.
    padded = np.zeros((*images.shape[:-2], height + 2, width + 2), dtype=np.uint8)
    padded[..., 1:-1, 1:-1] = images
    row, column = _offsets_from_centre(height, width)
    old_row = maps[..., 0, 0, None] * row + maps[..., 0, 1, None] * column
    old_column = maps[..., 1, 0, None] * row + maps[..., 1, 1, None] * column
    if node_shifts is not None:
        shifts = _between_nodes(node_shifts, height, width)
        old_row, old_column = old_row + shifts[..., 0, :], old_column + shifts[..., 1, :]
    first_row, row_share = _cells(old_row, height)
    first_column, column_share = _cells(old_column, width)
    size = (height + 2) * (width + 2)
    image = np.arange(0, padded.size, size).reshape(*images.shape[:-2], 1)  # where each begins
    corner = image + (first_row * np.int32(width + 2) + first_column)  # (..., h w)
    pixels = padded.reshape(-1)

    def between_columns(offset: int) -> np.ndarray:
        left = pixels[offset:].take(corner).astype(np.float32)
        right = pixels[offset + 1 :].take(corner)
        return left + column_share * (right - left)

    upper, lower = between_columns(0), between_columns(width + 2)
    mixed = upper + row_share * (lower - upper)
    return np.rint(mixed).astype(np.uint8).reshape(images.shape)


@functools.cache
def _offsets_from_centre(height: int, width: int) -> np.ndarray:
    """Return how far pixels lie from the centre, in rows and in columns, float32 (2, h w)."""
    offsets = np.indices((height, width), dtype=np.float32).reshape(2, -1)
    return offsets - np.array([[height - 1], [width - 1]], dtype=np.float32) / 2


def _between_nodes(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Spread values of nodes, float32 (..., `NODES`, `NODES`), smoothly: float32 (..., h w)."""
    down, across = _spline_weights(height), _spline_weights(width)
    # Sums in a fixed order instead of matrix products, whose rounding differs between machines.
    rows = sum(values[..., node, None] * across[node] for node in range(NODES))  # (..., NODES, w)
    spread = sum(rows[..., node, None, :] * down[node, :, None] for node in range(NODES))
    return spread.reshape(*spread.shape[:-2], height * width)


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
        offsets: How far they lie from the centre of the image, float32 (...).
        side: The side of the image without its border of 1.

    Returns:
        Numbers of pixels in the image with its border, int32 (...), and shares of the way to the
        next pixel, float32 (...), in [0, 1].
    """
    positions = np.clip(offsets + np.float32((side + 1) / 2), 0, side + 1)
    first = np.minimum(positions.astype(np.int32), side)
    return first, positions - first.astype(np.float32)
