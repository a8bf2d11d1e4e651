"""Files become pixels: all kinds of Pillow's, upright, over white, in 8 bits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ram_env.pictures import decoding
from ram_env.pictures.decoding import is_grey, open_picture, scaled_size, to_pixels, upright_size

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREYS = RNG.integers(0, 256, (5, 7), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (5, 7), dtype=np.uint8)


def over_white(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Blend by the formula, float64."""
    share = alpha.astype(np.float64)[..., None] / 255.0
    return values * share + 255.0 * (1.0 - share)


def luma(colors: np.ndarray) -> np.ndarray:
    """ITU-R 601-2, as Pillow's documentation gives it."""
    return colors @ np.array([0.299, 0.587, 0.114])


@pytest.mark.parametrize("ending", ["png", "tiff", "bmp", "webp", "gif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_files_keep_their_values(ending: str, channels: int, tmp_path: Path) -> None:
    """Grey stays grey; as colour it is three times the same."""
    path = tmp_path / f"a.{ending}"
    Image.fromarray(GREYS).save(path, lossless=True)  # which WebP alone asks for
    with open_picture(path) as image:
        pixels = to_pixels(image, channels)
    assert pixels.dtype == np.uint8 and pixels.shape == (5, 7, channels)
    np.testing.assert_array_equal(pixels, np.repeat(GREYS[..., None], channels, axis=2))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_shines_through_is_white(mode: str) -> None:
    """Half a step of rounding apart from the formula."""
    values = COLORS if mode == "RGBA" else GREYS[..., None]
    image = Image.fromarray(np.concatenate([values, ALPHA[..., None]], axis=2), mode)
    np.testing.assert_allclose(to_pixels(image, 3), over_white(values, ALPHA) + np.zeros(3), atol=1)


def test_a_palette_may_be_transparent(tmp_path: Path) -> None:
    """A colour of it that is not there is white."""
    image = Image.fromarray(np.array([[0, 1], [1, 0]], dtype=np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 0])
    image.save(tmp_path / "a.png", transparency=1)
    with open_picture(tmp_path / "a.png") as read:
        assert not is_grey(read)
        pixels = to_pixels(read, 3)
    assert pixels.tolist() == [[[10, 20, 30], [255] * 3], [[255] * 3, [10, 20, 30]]]


@pytest.mark.parametrize("kind", ["I;16", "I"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    """By division, not by cutting at 255."""
    values = np.array([[0, 255, 256, 40_000, 65_535]], dtype=np.uint16)
    image = Image.fromarray(values if kind == "I;16" else values.astype(np.int32))
    assert image.mode == kind and is_grey(image)
    assert to_pixels(image, 1)[..., 0].tolist() == [[0, 0, 1, 156, 255]]


def test_colour_becomes_grey_by_luma() -> None:
    """And CMYK becomes what a screen shows."""
    np.testing.assert_allclose(to_pixels(Image.fromarray(COLORS), 1)[..., 0], luma(COLORS), atol=1)
    cmyk = Image.fromarray(COLORS).convert("CMYK")
    np.testing.assert_allclose(to_pixels(cmyk, 3), COLORS, atol=1)


@pytest.mark.parametrize("ending", ["png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(orientation: int, ending: str, tmp_path: Path) -> None:
    """As EXIF says that the camera was held: the eight turns and mirrors of its table."""
    turned = [
        GREYS, GREYS[:, ::-1], GREYS[::-1, ::-1], GREYS[::-1],
        GREYS.T, GREYS[:, ::-1].T, GREYS[::-1, ::-1].T, GREYS[::-1].T,
    ]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    image = Image.fromarray(np.ascontiguousarray(turned[orientation - 1]))
    image.save(path, exif=exif, lossless=True)
    with open_picture(path) as image:
        assert upright_size(image) == (5, 7)
        np.testing.assert_array_equal(to_pixels(image, 1)[..., 0], GREYS)


def test_the_first_frame_of_an_animation_is_shown(tmp_path: Path) -> None:
    """Of a GIF, for one."""
    frames = [Image.fromarray(GREYS), Image.fromarray(255 - GREYS)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with open_picture(tmp_path / "a.gif") as image:
        np.testing.assert_array_equal(to_pixels(image, 1)[..., 0], GREYS)


def test_the_longer_side_is_averaged_down() -> None:
    """Blocks of 2 x 2 become their means; small pictures are never enlarged."""
    values = RNG.integers(0, 256, (4, 8), dtype=np.uint8)
    means = values.reshape(2, 2, 4, 2).mean(axis=(1, 3))
    image = Image.fromarray(values)
    # Pillow averages rows, rounds, then averages columns and rounds again.
    np.testing.assert_allclose(to_pixels(image, 1, 4)[..., 0], means, atol=1.0)
    np.testing.assert_array_equal(to_pixels(image, 1, 8)[..., 0], values)
    assert scaled_size((1, 1000), 100) == (1, 100)
    assert scaled_size((300, 200), 100) == (100, 67)
    assert scaled_size((300, 200), None) == (300, 200)


def test_pictures_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Floating-point numbers, and more pixels than memory has room for."""
    with pytest.raises(ValueError, match="floating-point"):
        to_pixels(Image.fromarray(np.zeros((2, 2), dtype=np.float32)), 1)
    Image.fromarray(GREYS).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 34)
    with pytest.raises(ValueError, match="7 x 5 pixels, more than 34"):
        open_picture(tmp_path / "a.png")
