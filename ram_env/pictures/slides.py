"""How are pictures looked at that are too large to be read whole? Tile by tile, where one looks."""

import functools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ram_env.arguments import shown
from ram_env.pictures.decoding import to_pixels
from ram_env.pictures.pyramids import Pyramids, as_items, blacken, halve, level_shapes

ENDINGS = frozenset([".bif", ".mrxs", ".ndpi", ".scn", ".svs", ".svslide"])  # of slides alone
_MAYBE = frozenset([".tif", ".tiff"])  # slides, if OpenSlide knows them
_TILE = 128  # pixels a side: what is read at a time, at any level
_NUM_TILES = 3072  # that are kept: 150 MB of them in colour
_NUM_OPEN = 32  # files at a time, of thousands maybe
_DECODED = 2**25  # bytes that OpenSlide itself keeps, of all files together


class PictureSource(Protocol):
    """A picture that can be read in parts: a slide, a map, an array on a disk."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def downsamples(self) -> Sequence[float]:
        """How many times smaller each of its own levels is, from 1 upwards.

        Those that are powers of two, within 1 %, are looked at; levels between and beyond them are
        halved from the next finer one.
        """

    def read(self, level: int, row: int, column: int, height: int, width: int) -> np.ndarray:
        """Return pixels of one of its own levels.

        Args:
            level: Which, a number in `downsamples`.
            row: The first, in pixels of that level.
            column: The first.
            height: How many rows.
            width: How many columns.

        Returns:
            uint8 (height, width, channels); less where the level ends before.
        """


class Slides:
    """A `PictureStore` of sources, of which the tiles looked at last are kept.

    Args:
        sources: The pictures.
        channels: 1 or 3, of all of them.
    """

    def __init__(self, sources: Sequence[PictureSource], channels: int) -> None:
        self.shapes = np.array([source.size[::-1] for source in sources], dtype=np.int64)
        self.channels = channels
        self._sources, self._shapes = sources, level_shapes(self.shapes)
        self._own_levels = [_own_levels(source.downsamples) for source in sources]
        self._tile = functools.lru_cache(_NUM_TILES)(self._make_tile)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Slides":
        """Return the pictures themselves: copies of an env share them, for they never change."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the tiles out of a pickle."""
        return Slides, (self._sources, self.channels)

    def read(
        self, pictures: np.ndarray, levels: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> np.ndarray:
        """Return pixels at the crossings of rows and columns: see `PictureStore.read`."""
        levels = np.minimum(levels, self._shapes.shape[1] - 1)
        height, width = np.moveaxis(self._shapes[pictures, levels], -1, 0)[..., None]
        found = np.empty((*rows.shape, columns.shape[-1], self.channels), dtype=np.uint8)
        flat = found.reshape(-1, *found.shape[-3:])
        which = [np.broadcast_to(it, rows.shape[:-1]).ravel() for it in (pictures, levels)]
        lines, across = rows.clip(0, height - 1), columns.clip(0, width - 1)
        outside = lines != rows, across != columns
        lines, across = (at.reshape(len(flat), -1) for at in (lines, across))
        first = [at.min(axis=1) // _TILE for at in (lines, across)]
        last = [at.max(axis=1) // _TILE for at in (lines, across)]
        lines -= _TILE * first[0][:, None]
        across -= _TILE * first[1][:, None]
        areas = zip(*(numbers.tolist() for numbers in (*which, *first, *last)), strict=True)
        for at, (picture, level, top, left, bottom, right) in enumerate(areas):
            area = self._area(picture, level, range(top, bottom + 1), range(left, right + 1))
            flat[at] = area[lines[at, :, None], across[at]]
        blacken(as_items(found), *outside)
        return found

    def _area(self, picture: int, level: int, lines: range, columns: range) -> np.ndarray:
        """Return some tiles of a level, side by side."""
        if len(lines) == len(columns) == 1:
            return self._tile(picture, level, lines[0], columns[0])
        tiles = [[self._tile(picture, level, line, at) for at in columns] for line in lines]
        return np.concatenate([np.concatenate(line, axis=1) for line in tiles])

    def _make_tile(self, picture: int, level: int, line: int, column: int) -> np.ndarray:
        """Read a tile, or halve those under it: uint8, up to (_TILE, _TILE, channels)."""
        own_levels = self._own_levels[picture]
        if level in own_levels:
            return self._read_own(picture, level, line * _TILE, column * _TILE, _TILE)
        if level - 1 in own_levels:
            twice = 2 * _TILE
            return halve(self._read_own(picture, level - 1, line * twice, column * twice, twice))
        last_line, last_column = ((self._shapes[picture, level - 1] - 1) // _TILE).tolist()
        lines = range(2 * line, min(2 * line + 1, last_line) + 1)
        columns = range(2 * column, min(2 * column + 1, last_column) + 1)
        return halve(self._area(picture, level - 1, lines, columns))

    def _read_own(self, picture: int, level: int, top: int, left: int, side: int) -> np.ndarray:
        """Read a square of a level of the source's own, or what there is of it."""
        height, width = np.minimum(self._shapes[picture, level] - (top, left), side).tolist()
        own_level = self._own_levels[picture][level]
        found = self._sources[picture].read(own_level, top, left, height, width)
        if found.dtype != np.uint8 or found.ndim != 3 or found.shape[2] != self.channels:
            raise ValueError(
                f"`read` of a picture must return uint8 (height, width, {self.channels}), got "
                f"{found.dtype} {found.shape} of {shown(self._sources[picture])}: convert it there."
            )
        # Where its own level ends early, rounded down, lies 0 as outside.
        square = np.zeros((height, width, self.channels), dtype=np.uint8)
        square[: found.shape[0], : found.shape[1]] = found
        return square


def _own_levels(downsamples: Sequence[float]) -> dict[int, int]:
    """Return which own level is how often halved, of those that are; the first is, not at all."""
    halvings = [round(math.log2(downsample)) for downsample in downsamples]
    pairs = zip(halvings, downsamples, strict=True)
    exact = [abs(downsample / 2**number - 1) < 0.01 for number, downsample in pairs]
    return {halvings[own]: own for own in reversed(range(len(exact))) if exact[own]} | {0: 0}


class Decoded:
    """A `PictureSource` that lies among `Pyramids`.

    Args:
        pyramids: The pictures.
        number: Which of them.
    """

    def __init__(self, pyramids: Pyramids, number: int) -> None:
        height, width = pyramids.shapes[number].tolist()
        self.size = (width, height)
        self.downsamples: Sequence[float] = [
            2**k for k in range(max(height, width).bit_length() + 1)
        ]
        self._pyramids, self._number = pyramids, np.array(number)

    def read(self, level: int, row: int, column: int, height: int, width: int) -> np.ndarray:
        """Return pixels of a level: see `PictureSource.read`."""
        rows, columns = np.arange(row, row + height), np.arange(column, column + width)
        return self._pyramids.read(self._number, np.array(level), rows, columns)


class SlideFile:
    """A `PictureSource` that OpenSlide reads: a tiled TIFF, SVS, NDPI or the like.

    Args:
        path: The file.
        channels: 1 or 3.

    Raises:
        openslide.OpenSlideError: If it is none of these.
    """

    def __init__(self, path: Path, channels: int) -> None:
        slide = _open(path)
        self.size, self.downsamples = slide.dimensions, slide.level_downsamples
        self._path, self._channels, self._level_sizes = path, channels, slide.level_dimensions

    def read(self, level: int, row: int, column: int, height: int, width: int) -> np.ndarray:
        """Return pixels of a level: see `PictureSource.read`.

        Raises:
            ValueError: If the file is damaged there.
        """
        import openslide

        level_width, level_height = self._level_sizes[level]
        size = (max(0, min(width, level_width - column)), max(0, min(height, level_height - row)))
        if 0 in size:
            return np.zeros((0, 0, self._channels), dtype=np.uint8)
        downsample = self.downsamples[level]  # it wants to know where in pixels of the first level
        place = (round(column * downsample), round(row * downsample))
        try:
            region = _open(self._path).read_region(place, level, size)
        except openslide.OpenSlideError as error:
            _open.cache_clear()  # from an error on OpenSlide refuses everything
            raise ValueError(
                f"`dataset` holds {self._path}, which cannot be read at {place} ({error}): mend or "
                "remove it."
            ) from error
        if region.getchannel("A").getextrema()[0] == 255:  # nearly always: nothing shines through
            region = region.convert("RGB")
        return to_pixels(region, self._channels)


@functools.lru_cache(_NUM_OPEN)
def _open(path: Path) -> Any:
    import openslide

    slide = openslide.OpenSlide(path)
    slide.set_cache(_decoded_tiles())
    return slide


@functools.lru_cache(1)
def _decoded_tiles() -> Any:
    import openslide

    return openslide.OpenSlideCache(_DECODED)


def find_slides(
    root: Path, paths: Sequence[str], image_size: int | None, channels: int
) -> dict[int, SlideFile]:
    """Return the slides among files, by their numbers; what OpenSlide cannot open is none.

    Args:
        root: The folder of the files.
        paths: Of each, relative to it.
        image_size: Must be None for slides; a tiled TIFF is read as a whole if it is not.
        channels: 1 or 3.

    Raises:
        ValueError: If there are slides, and `image_size` or no OpenSlide.
    """
    endings = [os.path.splitext(path)[1].lower() for path in paths]
    sure = next((path for path, end in zip(paths, endings, strict=True) if end in ENDINGS), None)
    if sure is not None and image_size is not None:
        raise ValueError(
            f"`image_size` must be None where `dataset` holds slides, such as {sure}, got "
            f"{image_size}: they are looked at as they are."
        )
    maybe = [n for n, end in enumerate(endings) if end in ENDINGS | _MAYBE]
    if not maybe or image_size is not None:
        return {}
    try:
        import openslide
    except (ImportError, OSError) as error:
        if sure is None:
            return {}
        raise ValueError(
            f"`dataset` holds slides, such as {sure}, which OpenSlide reads ({error}): "
            'python -m pip install "ram-env[slides]".'
        ) from error
    slides = {}
    for number in maybe:
        try:
            slides[number] = SlideFile(root / paths[number], channels)
        except openslide.OpenSlideError:
            continue  # Pillow says why, or can
    return slides
