"""How are the arrays of an .npz file read? Without unpickling, and only what fits into memory."""

import math
import zipfile

import numpy as np

from ram_env.arguments import check_bytes

_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the arrays `images` and `labels` of an .npz file, of whatever shape and type.

    Raises:
        ValueError: If the file cannot be read, is damaged, lacks one of them, holds objects, or
            does not fit into memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_npy(archive, "images"), _read_npy(archive, "labels")
    except Exception as error:  # a damaged file makes NumPy and zipfile raise nearly anything
        raise ValueError(
            f"`{path}` must be an .npz file with the arrays `images` and `labels`, made by "
            f"`np.savez`, that you may read: {error}"
        ) from error


def _read_npy(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read one array, after comparing what it says of its size with how much there is of it."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        shape, _, dtype = _NPY_HEADERS[version](member)
        num_bytes = member.tell() + math.prod(shape) * dtype.itemsize
    if num_bytes != info.file_size and not dtype.hasobject:
        raise ValueError(f"{name}.npy must have {num_bytes} bytes, got {info.file_size}")
    check_bytes(num_bytes, f"`{name}`")
    with archive.open(info) as member:
        return np.lib.format.read_array(member, allow_pickle=False)
