"""How does a file become pixels? All kinds that Pillow opens, upright, over white, 8 bits."""

import functools
import os

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 2**26  # some 8,000 x 8,000, of which Pillow takes half a gigabyte
BACKGROUND = (255, 255, 255)  # what shows through where a picture is transparent
# Kinds whose pixels Pillow leaves to others; of EPS to Ghostscript, which would run the file.
_NOT_DECODED = frozenset(["BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"])


@functools.cache
def formats() -> frozenset[str]:
    """Return the kinds of files that are opened, as Pillow calls them."""
    Image.init()
    return frozenset(Image.OPEN) - _NOT_DECODED


def endings() -> set[str]:
    """Return how the names of such files end, in lower case, with the dot."""
    return {end for end, kind in Image.registered_extensions().items() if kind in formats()}


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """Open a file without reading its pixels yet.

    Raises:
        ValueError: If the picture has too many pixels.
        Exception: Of nearly any kind, if Pillow cannot open the file.
    """
    image = Image.open(path, formats=tuple(formats()))
    if image.width * image.height > MAX_PIXELS:
        width, height = image.size
        image.close()
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS:,} in all")
    return image


def is_grey(image: Image.Image) -> bool:
    """Return whether a picture that was opened can have no colour, by its kind."""
    if image.mode == "P" and image.palette is not None:
        kind, colors = image.palette.getdata()  # not of `image`: that would read the pixels
        if kind not in ("RGB", "BGR", "RGBA", "RGBX", "BGRX"):
            return False
        palette = np.frombuffer(colors, np.uint8).reshape(-1, len(kind))[:, :3]
        return bool((palette == palette[:, :1]).all())
    return image.mode in ("1", "L", "LA", "La", "I") or image.mode.startswith("I;16")


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return height and width of a picture that was opened, the way people hold it."""
    width, height = image.size
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # EXIF orientation
    return (width, height) if turned else (height, width)


def scaled_size(size: tuple[int, int], image_size: int | None) -> tuple[int, int]:
    """Return height and width with the longer side at most `image_size`."""
    longer = max(size)
    if image_size is None or longer <= image_size:
        return size
    height, width = (max(1, (2 * side * image_size + longer) // (2 * longer)) for side in size)
    return height, width


def to_pixels(image: Image.Image, channels: int, image_size: int | None = None) -> np.ndarray:
    """Return the pixels of a picture: of a file, or of an image in memory.

    Args:
        image: Any kind that Pillow has; of an animation the first frame.
        channels: 1 for grey, 3 for red, green and blue.
        image_size: The longer side is averaged down to so many pixels; None: as it is.

    Returns:
        uint8 (h, w, channels).

    Raises:
        ValueError: If the pixels are no whole numbers.
        Exception: Of nearly any kind, if the file is damaged.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers: save it with 8 bits")
    image = ImageOps.exif_transpose(image)
    if image.mode == "I" or image.mode.startswith("I;16"):  # Pillow would cut, not scale
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image)
    image = image.convert("L" if channels == 1 else "RGB")
    height, width = scaled_size((image.height, image.width), image_size)
    if (width, height) != image.size:
        image = image.resize((width, height), Image.Resampling.BOX)
    return np.asarray(image).reshape(height, width, channels)
