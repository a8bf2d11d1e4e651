"""A location lies on the pixel of the written formula, whatever the canvas."""

import numpy as np
import pytest
from reference import pixel_edges, pixel_under

from ram_env.geometry import location_to_pixel

SIDES = (1, 2, 3, 7, 8, 28, 60, 100, 301, 4096)


def test_x_is_right_and_y_is_down() -> None:
    """The first coordinate moves along columns to the right, the second along rows downwards."""
    locations = np.array([(0, 0), (-1, -1), (1, -1), (-1, 1), (1, 1)], np.float32)
    pixels = location_to_pixel(locations, (28, 60))
    assert pixels.dtype == np.int64
    assert pixels.tolist() == [[14, 30], [0, 0], [0, 59], [27, 0], [27, 59]]


@pytest.mark.parametrize("side", SIDES)
def test_pixels_at_and_beside_every_edge(side: int) -> None:
    """At each pixel's edge, and one float32 beside it, the pixel is that of the written formula."""
    values = np.array(pixel_edges(side), dtype=np.float32)
    pixels = location_to_pixel(np.stack([values, -values], axis=1), (side, side))
    assert pixels.min() == 0
    assert pixels.max() == side - 1
    for value, pixel in zip(values.tolist(), pixels.tolist(), strict=True):
        assert tuple(pixel) == pixel_under((value, -value), (side, side))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_location_that_is_not_finite_is_an_error(value: float) -> None:
    """NaN and infinity have no pixel, in neither coordinate."""
    for location in ([value, 0], [0, value]):
        with pytest.raises(ValueError, match="finite"):
            location_to_pixel(np.array([[0, 0], location], np.float32), (28, 28))
