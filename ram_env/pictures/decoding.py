"""How does a file become pixels? All kinds that Pillow opens, upright, over white, 8 bits."""

import functools
import os
import warnings

import numpy as np
from PIL import Image, ImageOps

from ram_env.arguments import shown

GivenPicture = str | os.PathLike[str] | Image.Image | np.ndarray  # what somebody has of a picture
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
    if image.format == "TIFF":
        image.filename = ""  # or Pillow maps the file to memory, grey ones that are turned wrongly
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
    exif = image.getexif()
    if image.format == "TIFF":  # of which newer versions of Pillow tell the size upright
        width, height = exif[0x0100], exif[0x0101]
    turned = exif.get(0x0112, 1) in (5, 6, 7, 8)  # EXIF orientation
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


def pixels_of(picture: GivenPicture, channels: int, image_size: int | None = None) -> np.ndarray:
    """Return the pixels of a picture that is given in one of several ways.

    Args:
        picture: The path of a file, an image of Pillow, or uint8 (h, w) or (h, w, 3).
        channels: As `to_pixels`, and so is `image_size`.
        image_size: See there.

    Returns:
        uint8 (h, w, channels).

    Raises:
        ValueError: If it is none of these, or cannot be read.
    """
    if isinstance(picture, np.ndarray):
        is_picture = picture.ndim == 2 or picture.shape[2:] == (3,)
        if picture.dtype != np.uint8 or not is_picture or 0 in picture.shape:
            raise ValueError(
                "`picture` must be an array of uint8, (h, w) or (h, w, 3), no side 0, got "
                f"{picture.dtype} {picture.shape}."
            )
        picture = Image.fromarray(picture)
    if not isinstance(picture, str | os.PathLike | Image.Image):
        raise ValueError(
            "`picture` must be the path of a file, an image of Pillow, or an array of uint8, got "
            f"{shown(picture)}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of metadata that nobody asks for
            if isinstance(picture, Image.Image):
                return to_pixels(picture, channels, image_size)
            with open_picture(picture) as image:
                return to_pixels(image, channels, image_size)
    except Exception as error:  # Pillow's readers raise nearly anything at what is damaged
        raise ValueError(
            f"`picture` {picture} cannot be read ({error or type(error).__name__}): choose another "
            "file."
        ) from error
