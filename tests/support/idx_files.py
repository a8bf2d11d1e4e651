"""IDX files for tests, written by the rules of the format."""

import gzip
import struct
from pathlib import Path

import numpy as np

NUM_TRAIN = 24
NUM_TEST = 5


def encode_idx(array: np.ndarray) -> bytes:
    """Return a uint8 array of any shape as the bytes of an IDX file."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def make_idx_set() -> dict[str, np.ndarray]:
    """Return four small arrays by the names of MNIST's files; all images differ; 7 classes."""
    pixels = np.arange((NUM_TRAIN + NUM_TEST) * 6, dtype=np.uint8).reshape(-1, 3, 2)
    return {
        "train-images-idx3-ubyte": pixels[:NUM_TRAIN],
        "train-labels-idx1-ubyte": np.arange(NUM_TRAIN, dtype=np.uint8) % 4,
        "t10k-images-idx3-ubyte": pixels[NUM_TRAIN:],
        "t10k-labels-idx1-ubyte": np.array([0, 6, 1, 2, 3], dtype=np.uint8),
    }


def write_idx_set(folder: Path, compress: bool = True) -> Path:
    """Write `make_idx_set()` into a new folder, plain or with gzip, and return the folder."""
    folder.mkdir(parents=True)
    for name, array in make_idx_set().items():
        content = encode_idx(array)
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder
