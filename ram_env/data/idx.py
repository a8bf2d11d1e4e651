"""How are IDX files, the format of MNIST, read? With every check that it allows."""

import gzip
import hashlib
import io
import math
import struct
import sys
import zlib
from pathlib import Path

import numpy as np

from ram_env.arguments import check_bytes

TRAIN_IMAGES = "train-images-idx3-ubyte"
TRAIN_LABELS = "train-labels-idx1-ubyte"
TEST_IMAGES = "t10k-images-idx3-ubyte"
TEST_LABELS = "t10k-labels-idx1-ubyte"
IDX_FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

_UINT8_MAGIC = b"\x00\x00\x08"  # two zero bytes and the code of the type; the fourth byte is ndim
_GZIP_MAGIC = b"\x1f\x8b"
_PART_BYTES = 2**20
_KINDS = {3: "images", 1: "labels"}  # by the number of dimensions


def read_idx_images(path: Path, sha256: str | None = None) -> np.ndarray:
    """Read an IDX file of images, plain or compressed with gzip.

    Args:
        path: The file.
        sha256: If given, what the SHA-256 of the decompressed bytes must be, in hexadecimal.

    Returns:
        Read-only uint8 (N, h, w); no dimension is 0.

    Raises:
        ValueError: If the file cannot be read, is damaged, holds something else, or has another
            SHA-256.
    """
    return _read_idx(path, 3, sha256)


def read_idx_labels(path: Path, sha256: str | None = None) -> np.ndarray:
    """Read an IDX file of labels as `read_idx_images` reads images: read-only uint8 (N,)."""
    return _read_idx(path, 1, sha256)


def decompress(content: bytes, max_bytes: int | None = None) -> bytes:
    """Undo gzip compression if `content` is compressed; read at most `max_bytes` of the result.

    Raises:
        ValueError: If the compressed bytes are damaged.
    """
    if not content.startswith(_GZIP_MAGIC):
        return content
    parts, missing = [], sys.maxsize if max_bytes is None else max_bytes
    try:
        with gzip.open(io.BytesIO(content)) as file:
            # In parts: Python allocates all that is asked for, however little there is.
            while part := file.read(min(_PART_BYTES, missing)):
                parts.append(part)
                missing -= len(part)
        return b"".join(parts)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the gzip compression is damaged ({error})") from error


def parse_idx(content: bytes) -> np.ndarray:
    """Parse the bytes of an IDX file of unsigned bytes with one or three dimensions.

    Returns:
        Read-only uint8 (N,) or (N, h, w), a view of `content`; no dimension is 0.

    Raises:
        ValueError: If `content` breaks a rule of the format.
    """
    shape = _announced_shape(content)
    num_bytes = _num_bytes(shape)
    if len(content) < num_bytes:
        raise ValueError(
            f"it is truncated: shape {shape} needs {num_bytes} bytes, found {len(content)}"
        )
    if len(content) > num_bytes:
        raise ValueError(
            f"it has trailing bytes: shape {shape} needs {num_bytes} bytes, found more"
        )
    return np.frombuffer(content, np.uint8, offset=_offset(len(shape))).reshape(shape)


def _decompress_idx(content: bytes) -> bytes:
    """Undo gzip compression up to one byte more than the header announces.

    A small file can unpack to any size: the rest, which is one byte too many anyway, is left alone.
    """
    num_bytes = _num_bytes(_announced_shape(decompress(content, _offset(max(_KINDS)))))
    check_bytes(num_bytes, "what its header announces")
    return decompress(content, num_bytes + 1)


def _offset(ndim: int) -> int:
    """Return the size of a header in bytes: where the data begins."""
    return 4 + 4 * ndim


def _num_bytes(shape: tuple[int, ...]) -> int:
    """Return the size in bytes of a file whose header announces an array of a shape."""
    return _offset(len(shape)) + math.prod(shape)


def _announced_shape(content: bytes) -> tuple[int, ...]:
    """Return the shape that the header of an IDX file announces."""
    if not content:
        raise ValueError("it is empty")
    ndim = content[3] if len(content) > 3 else 0
    if not content.startswith(_UINT8_MAGIC) or ndim not in _KINDS:
        raise ValueError(
            "it must start with the bytes 00 00 08 03 (images) or 00 00 08 01 (labels), "
            f"found {content[:4].hex(' ')}"
        )
    offset = _offset(ndim)
    if len(content) < offset:
        raise ValueError(f"its header is truncated: {len(content)} of {offset} bytes")
    shape = struct.unpack(f">{ndim}I", content[4:offset])
    if 0 in shape:
        raise ValueError(f"its header announces no data: shape {shape}")
    return shape


def _read_idx(path: Path, ndim: int, sha256: str | None) -> np.ndarray:
    try:
        content = _decompress_idx(path.read_bytes())
        array = parse_idx(content)
        if array.ndim != ndim:
            raise ValueError(
                f"it must hold {_KINDS[ndim]}, found {_KINDS[array.ndim]} of shape {array.shape}; "
                "the files of images and labels look swapped"
            )
        found = hashlib.sha256(content).hexdigest() if sha256 else None
        if found != sha256:
            raise ValueError(
                f"its content must have the SHA-256 of MNIST, {sha256}, found {found}; "
                '`dataset="idx"` reads other data'
            )
    except OSError as error:
        raise ValueError(
            f"`{path}` cannot be read ({error.strerror}): it must be a file that you may read."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"`{path}` is not the IDX file that its name promises: {error}. Replace it."
        ) from error
    return array
