"""Rows of pictures and slides: how long does a glimpse take, whatever the size?"""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from benchmarks.env_rows import BATCH, NUM_ACTIONS, play_vector_env
from benchmarks.slide_files import TiledLevel, write_slide
from benchmarks.timing import Settings, rates
from ram_env.pictures.dataset import PictureDataset
from ram_env.pictures.pyramids import PictureStore, Pyramids, num_pixels
from ram_env.pictures.slides import Slides, find_slides
from ram_env.retina import Retina
from ram_env.scenes.pictures import Pictures
from ram_env.vector_env import GlimpseVectorEnv

SLIDE_SIDE, TILE = 100_000, 256
LOOKS = 50  # at a slide in a repetition


def sparse_pictures(folder: Path, num_pictures: int, side: int) -> Pyramids:
    """Return square colour pictures, mapped from a file that takes no room on the disk: black."""
    shapes = np.full((num_pictures, 2), side)
    shape = (num_pixels(shapes), 3)
    return Pyramids(shapes, 3, np.memmap(folder / "pixels", np.uint8, "w+", shape=shape))


def picture_glimpses(settings: Settings) -> list[float]:
    """Measure glimpses per second of the native vector env, new episodes included."""
    with tempfile.TemporaryDirectory() as folder:
        store, numbers = sparse_pictures(Path(folder), BATCH, 1000), np.arange(BATCH)
        data = PictureDataset(store, numbers, numbers % 2, ("a", "b"), "sparse", sha256="")
        arguments: dict[str, Any] = {
            "scenes": "pictures",
            "dataset": data,
            "patch_size": 12,
            "num_scales": 4,
        }
        env = GlimpseVectorEnv(BATCH, AutoresetMode.SAME_STEP, **arguments)
        return rates(play_vector_env(env), settings)


def picture_glimpse(settings: Settings, side: int) -> list[float]:
    """Measure microseconds per glimpse of a picture, from location to glimpse."""
    with tempfile.TemporaryDirectory() as folder:
        eye = Retina(12, 4, 3)
        scenes = _begun(sparse_pictures(Path(folder), 1, side), eye, BATCH)
        rng, rows = np.random.default_rng(0), np.arange(BATCH)
        locations = rng.uniform(-1, 1, (NUM_ACTIONS, BATCH, 2)).astype(np.float32)

        def look() -> int:
            for batch in locations:
                eye.glimpse(scenes, rows, scenes.pixels_at(rows, batch))
            return NUM_ACTIONS * BATCH

        return [1e6 / rate for rate in rates(look, settings)]


def slide_glimpse(settings: Settings, is_warm: bool) -> list[float]:
    """Measure milliseconds per glimpse of a JPEG-tiled slide, one at a time.

    Args:
        settings: How many repetitions.
        is_warm: Whether the tiles under it have been looked at.

    Raises:
        RuntimeError: If there is no OpenSlide.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_slide(Path(folder) / "slide.tif", _slide_levels())
        slides = find_slides(Path(folder), ["slide.tif"], None, 3)
        if not slides:
            raise RuntimeError('needs OpenSlide: python -m pip install "ram-env[slides]"')
        eye, rng = Retina(16, 5, 3), np.random.default_rng(0)
        scenes = _begun(Slides([slides[0]], 3), eye, 1)
        values = []
        for _ in range(settings.repeats):
            pixels = rng.integers(SLIDE_SIDE, size=(LOOKS, 2))
            for _ in range(1 + is_warm):
                started = time.perf_counter()
                for pixel in pixels:
                    eye.glimpse(scenes, 0, pixel)
                seconds = time.perf_counter() - started
            values.append(1e3 * seconds / LOOKS)
        return values


def _begun(store: PictureStore, eye: Retina, num_scenes: int) -> Pictures:
    """Return scenes of the first picture."""
    scenes, rows = Pictures(num_scenes, store, np.arange(1), eye), np.arange(num_scenes)
    scenes.begin(rows, scenes.plan(rows))
    return scenes


def _slide_levels() -> list[TiledLevel]:
    """Return the levels of a slide, each a quarter of the one before a side, of tiles of noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, TILE // 8, TILE // 8, 3), dtype=np.uint8)
    tiles = list(coarse.repeat(8, axis=1).repeat(8, axis=2))
    levels, side = [], SLIDE_SIDE
    while side >= TILE:
        across = -(-side // TILE)
        levels.append(TiledLevel((side, side), tiles, rng.integers(8, size=(across, across))))
        side = -(-side // 4)
    return levels
