"""Which files are as large as slides and quickly made? Tiled TIFFs that repeat a few tiles."""

import io
import itertools
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

JPEG, PLAIN = 7, 1  # how TIFF calls its compressions
_YCBCR, _RGB = 6, 2


class TiledLevel(NamedTuple):
    """One level of a tiled TIFF."""

    size: tuple[int, int]  # width and height in pixels
    tiles: Sequence[np.ndarray]  # uint8 (t, t, 3) each, all of one size, a multiple of 16
    which: np.ndarray  # the tile at each place, whole numbers (rows, columns)


def write_slide(path: Path, levels: Sequence[TiledLevel], compression: int = JPEG) -> None:
    """Write a tiled, pyramidal TIFF.

    Args:
        path: The file.
        levels: The largest first.
        compression: `JPEG`, or `PLAIN` for pixels as they are.
    """
    file = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    link = 4  # where the place of the next level's tags is written to
    for depth, level in enumerate(levels):
        blobs = [_encode(tile, compression) for tile in level.tiles]
        starts = [*itertools.accumulate(map(len, blobs), initial=len(file))]
        for blob in blobs:
            file += blob
        at = level.which.ravel().tolist()
        tags: dict[int, tuple[str, Sequence[int]]] = {
            254: ("I", [int(depth > 0)]),  # a smaller version of another one
            256: ("I", level.size[:1]),
            257: ("I", level.size[1:]),
            258: ("H", [8, 8, 8]),
            259: ("H", [compression]),
            262: ("H", [_YCBCR if compression == JPEG else _RGB]),
            277: ("H", [3]),
            284: ("H", [1]),
            322: ("I", [level.tiles[0].shape[1]]),
            323: ("I", [level.tiles[0].shape[0]]),
            324: ("I", [starts[number] for number in at]),
            325: ("I", [len(blobs[number]) for number in at]),
            530: ("H", [1, 1]),
        }
        entries = b""
        for tag, (kind, values) in tags.items():
            value = struct.pack(f"<{len(values)}{kind}", *values)
            if len(value) > 4:  # then it lies elsewhere, and the entry says where
                file += bytes(len(file) % 2)
                place = struct.pack("<I", len(file))
                file += value
                value = place
            entries += struct.pack("<HHI4s", tag, {"H": 3, "I": 4}[kind], len(values), value)
        file += bytes(len(file) % 2)
        struct.pack_into("<I", file, link, len(file))
        link = len(file) + 2 + len(entries)
        file += struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(file)


def _encode(tile: np.ndarray, compression: int) -> bytes:
    if compression == PLAIN:
        return tile.tobytes()
    content = io.BytesIO()
    Image.fromarray(tile).save(content, "jpeg", quality=80, subsampling=0)
    return content.getvalue()
