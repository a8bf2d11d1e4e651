"""Image files with any damage are read rightly or refused: IDX, compressed or not, and .npz."""

import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import LIES, any_array, bounded, damaged, refusals
from hypothesis import given
from hypothesis import strategies as st
from idx_files import encode_idx, make_idx_set

from ram_env.data.datasets import SPLITS, load_dataset
from ram_env.data.idx import read_idx_images, read_idx_labels
from ram_env.data.images import MAX_CLASSES

IMAGES = encode_idx(make_idx_set()["train-images-idx3-ubyte"])
LABELS = encode_idx(make_idx_set()["train-labels-idx1-ubyte"])


def encode_npy(array: np.ndarray) -> bytes:
    """Return an array as the bytes of an .npy file."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def encode_zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return files as the bytes of a zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


MEMBERS = {
    "images.npy": encode_npy(np.arange(20 * 6, dtype=np.uint8).reshape(20, 2, 3)),
    "labels.npy": encode_npy(np.arange(20) % 3),
}
PLAIN, PACKED = encode_zip(MEMBERS), encode_zip(MEMBERS, zipfile.ZIP_DEFLATED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples write to."""
    return tmp_path_factory.mktemp("fuzz")


@st.composite
def idx_files(draw: st.DrawFn) -> bytes:
    """Draw damaged IDX files, also such as are damaged under a whole compression."""
    content = draw(st.sampled_from([IMAGES, LABELS]))
    match draw(st.sampled_from(["plain", "damaged inside", "damaged outside"])):
        case "damaged inside":
            return gzip.compress(draw(damaged(content)), 1, mtime=0)
        case "damaged outside":
            return draw(damaged(gzip.compress(content, 1, mtime=0)))
    return draw(damaged(content))


@given(content=idx_files())
def test_damaged_idx_files(folder: Path, content: bytes) -> None:
    """An array that the bytes really hold, or a ValueError that names the file."""
    path = folder / "file"
    path.write_bytes(content)
    for read, ndim in ((read_idx_images, 3), (read_idx_labels, 1)):
        with refusals():
            array = read(path)
            assert array.dtype == np.uint8
            assert array.ndim == ndim
            plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            assert plain == encode_idx(array)


@st.composite
def npz_files(draw: st.DrawFn) -> bytes:
    """Draw damaged .npz files, also such as are damaged in arrays under a whole zip."""
    compression = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    match draw(st.sampled_from(["outside", "inside", "arrays"])):
        case "inside":
            name = draw(st.sampled_from(sorted(MEMBERS)))
            return encode_zip(MEMBERS | {name: draw(damaged(MEMBERS[name]))}, compression)
        case "arrays":
            names = draw(st.sets(st.sampled_from(sorted(MEMBERS)), min_size=1))
            arrays = {name: encode_npy(draw(any_array)) for name in sorted(names)}
            return encode_zip(MEMBERS | arrays, compression)
    return draw(damaged(PLAIN if compression == zipfile.ZIP_STORED else PACKED))


@given(content=npz_files())
def test_damaged_npz_files(folder: Path, content: bytes) -> None:
    """Images and labels of the promised kind, or a ValueError that names the file."""
    path = folder / "file.npz"
    path.write_bytes(content)
    for split in SPLITS:
        with refusals():
            dataset = load_dataset(str(path), split)
            assert dataset.images.dtype == np.uint8
            assert dataset.images.ndim in (3, 4) and dataset.images.size
            assert dataset.labels.shape == dataset.images.shape[:1]
            assert 0 <= dataset.labels.min() <= dataset.labels.max() < dataset.num_classes
            assert dataset.num_classes <= MAX_CLASSES


# What fuzzing found, and what it would find too seldom.


def peak_memory(read: Any, *arguments: Any, message: str) -> int:
    """Return how many bytes a refusal takes at most."""
    tracemalloc.start()
    try:
        with bounded(), pytest.raises(ValueError, match=message):
            read(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_small_idx_file_does_not_unpack_to_a_large_one(tmp_path: Path) -> None:
    """Beyond what the header announces nothing is unpacked."""
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(IMAGES + bytes(100 * 2**20), 1))
    assert peak_memory(read_idx_images, path, message="trailing bytes") < 2**22


def test_memory_is_not_asked_for_on_a_mere_promise(tmp_path: Path) -> None:
    """A header of two gigabytes, which would fit into memory, without them behind it."""
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(IMAGES[:4] + struct.pack(">3I", 2**11, 2**10, 2**10)))
    assert peak_memory(read_idx_images, path, message="is truncated") < 2**23


@pytest.mark.parametrize("compress", [False, True])
def test_header_that_announces_more_than_there_is(tmp_path: Path, compress: bool) -> None:
    """Up to 10**28 bytes are announced, and none of them is asked of the system."""
    path = tmp_path / "images.gz"
    for lie in LIES:
        if len(lie) == 4:
            content = IMAGES[:4] + lie * 3 + IMAGES[16:]
            path.write_bytes(gzip.compress(content) if compress else content)
            assert peak_memory(read_idx_images, path, message="images.gz` is not") < 2**22


def test_npz_file_that_does_not_fit_into_memory(tmp_path: Path) -> None:
    """A few bytes that announce petabytes are refused before anything is allocated for them."""
    shape = (10**9, 10**3, 10**3)
    header = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    content = bytearray(encode_zip(MEMBERS | {"images.npy": header.getvalue() + bytes(9)}))
    path = tmp_path / "images.npz"
    path.write_bytes(content)
    assert peak_memory(load_dataset, str(path), message="images.npy must have") < 2**22


def test_npz_file_with_something_else_in_the_place_of_an_array(tmp_path: Path) -> None:
    """NumPy hands out what is no array as bytes; here it is an error."""
    path = tmp_path / "images.npz"
    path.write_bytes(encode_zip(MEMBERS | {"labels.npy": b"0, 1, 2"}))
    with pytest.raises(ValueError, match=r"`dataset` must be an .npz file.*images.npz'"):
        load_dataset(str(path))


@pytest.mark.parametrize("highest", [MAX_CLASSES, 10**9, 2**63 - 1, 2**64 - 1])
def test_labels_far_apart(tmp_path: Path, highest: int) -> None:
    """A label of a billion does not make an env with a billion scores."""
    path = tmp_path / "images.npz"
    labels = np.array([*range(19), highest], dtype=np.uint64)
    np.savez(path, images=np.zeros((20, 2, 2), np.uint8), labels=labels)
    with bounded():
        assert load_dataset(str(path)).class_names == (*map(str, range(19)), str(highest))


def test_labels_that_are_no_classes(tmp_path: Path) -> None:
    """A number of its own for each of very many images."""
    path, labels = tmp_path / "images.npz", np.arange(MAX_CLASSES + 1)
    np.savez(path, images=np.zeros((len(labels), 1, 1), np.uint8), labels=labels)
    message = rf"`labels` .* of 2\.\.{MAX_CLASSES} classes.* got {MAX_CLASSES + 1}"
    with bounded(), pytest.raises(ValueError, match=message):
        load_dataset(str(path))
