"""Folders with files of any kind and any damage are read rightly or refused, and never run."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import bounded, damaged, refusals
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from benchmarks.slide_files import JPEG, PLAIN, TiledLevel, write_slide
from ram_env.pictures.dataset import load_pictures
from ram_env.pictures.decoding import endings, is_grey, open_picture, to_pixels, upright_size
from ram_env.pictures.intake import Reading

SIDES = (9, 14)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as the bytes of a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def make_files() -> dict[str, bytes]:
    """Return whole files of many kinds by a name with an ending."""
    rng = np.random.default_rng(0)
    color = Image.fromarray(rng.integers(0, 256, (*SIDES, 3), np.uint8))
    clear = Image.fromarray(rng.integers(0, 256, (*SIDES, 4), np.uint8))
    grey, exif = color.convert("L"), Image.Exif()
    exif[0x0112] = 6
    files = {
        "a.jpg": encode(color, "jpeg", exif=exif),
        "b.jpg": encode(color.convert("CMYK"), "jpeg", progressive=True),
        "a.png": encode(clear, "png"),
        "b.png": encode(color.convert("P"), "png", transparency=3),
        "c.png": encode(Image.fromarray(rng.integers(0, 2**16, SIDES, np.uint16)), "png"),
        "d.png": encode(grey.convert("1"), "png"),
        "a.gif": encode(color, "gif", save_all=True, append_images=[grey, clear]),
        "a.tif": encode(color, "tiff", exif=exif),
        "b.tif": encode(grey, "tiff", compression="tiff_lzw"),
    }
    for kind in ("bmp", "dds", "ico", "pcx", "ppm", "sgi", "tga", "webp", "jpeg2000", "icns"):
        image = clear.resize((16, 16)) if kind in ("ico", "icns") else color
        files[f"a.{'jp2' if kind == 'jpeg2000' else kind}"] = encode(image, kind)
    return files


FILES = make_files()
NAMES = sorted(FILES)
contents = st.sampled_from(NAMES).flatmap(
    lambda name: st.tuples(st.just(name), damaged(FILES[name]) | st.binary(max_size=300))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples write to."""
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("name", NAMES)
def test_whole_files_are_read(folder: Path, name: str) -> None:
    """What is damaged below is sound here."""
    (folder / name).write_bytes(FILES[name])
    with open_picture(folder / name) as image:
        assert to_pixels(image, 3).shape[2] == 3
    assert Path(name).suffix in endings()


@given(content=contents, channels=st.sampled_from([1, 3]))
@settings(max_examples=300)
def test_damaged_pictures(folder: Path, content: tuple[str, bytes], channels: int) -> None:
    """Pixels of the size that the head announces, or an error; no end of time or memory."""
    path = folder / content[0]
    path.write_bytes(content[1])
    with bounded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open_picture(path) as image:
                is_grey(image)
                size = upright_size(image)
                pixels = to_pixels(image, channels)
        except Exception:  # which `take_in` counts
            return
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == channels
    assert pixels.shape[:2] == size or content[0].endswith(("icns", "ico"))


@given(content=contents, skip=st.booleans(), slides=st.booleans())
def test_damaged_files_in_folders(
    folder: Path, content: tuple[str, bytes], skip: bool, slides: bool
) -> None:
    """Pictures, all of them whole, or a ValueError that names the damaged file."""
    name, damage = content
    root = folder / "folder"
    for split in ("train", "validation", "test"):
        for label in ("a", "b"):
            (root / split / label).mkdir(parents=True, exist_ok=True)
            (root / split / label / name).write_bytes(FILES[name])
    (root / "train" / "a" / name).write_bytes(damage)
    reading = Reading(None if slides else 5, None, "skip" if skip else "error")
    try:
        with refusals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for split, fewest in (("train", 1), ("test", 2)):
                data = load_pictures(root, split, reading, folder / "cache")
                assert fewest <= len(data.labels) <= 2
                assert data.store.shapes[data.numbers].min() >= 1
    finally:
        for label in ("train/a", "train/b", "validation/a", "validation/b", "test/a", "test/b"):
            (root / label / name).unlink()


def slide_bytes(folder: Path, compression: int) -> bytes:
    """Return a small slide."""
    tile = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    levels = [
        TiledLevel((side, side), [tile], np.zeros((n, n), int)) for side, n in ((128, 2), (32, 1))
    ]
    write_slide(folder / "whole", levels, compression)
    return (folder / "whole").read_bytes()


@given(data=st.data(), compression=st.sampled_from([JPEG, PLAIN]))
def test_damaged_slides(folder: Path, data: st.DataObject, compression: int) -> None:
    """Pixels, or a ValueError, when the folder is listed or when somebody looks."""
    pytest.importorskip("openslide")
    whole = slide_bytes(folder, compression)
    root = folder / "slides"
    for split in ("train", "validation", "test"):
        for label in ("a", "b"):
            (root / split / label).mkdir(parents=True, exist_ok=True)
            (root / split / label / "x.tif").write_bytes(whole)
    (root / "train" / "a" / "x.tif").write_bytes(data.draw(damaged(whole)))
    with refusals(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pictures = load_pictures(root, "train", Reading(damaged="skip"), folder / "cache")
        for number in pictures.numbers:
            for level in range(3):
                at = np.array(number), np.array(level), np.arange(16), np.arange(16)
                assert pictures.store.read(*at).shape == (16, 16, 3)


def test_nothing_is_run(tmp_path: Path) -> None:
    """PostScript, which another program would run, is no picture, whatever it is called."""
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "a.jpg").write_bytes(script)
    with pytest.raises(UnidentifiedImageError):
        open_picture(tmp_path / "a.jpg")
    assert not {".eps", ".ps", ".pdf", ".mpg", ".h5", ".wmf"} & endings()
