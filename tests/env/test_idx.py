"""The IDX reader returns what the format allows, exactly, and names the fault of all else."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from idx_files import encode_idx

from ram_env.data.idx import (
    decompress,
    parse_idx,
    read_idx_images,
    read_idx_labels,
)

sides = st.integers(1, 5)
arrays = hnp.arrays(np.uint8, st.one_of(st.tuples(sides), st.tuples(sides, sides, sides)))


@given(arrays)
def test_parse_idx_returns_what_was_encoded(array: np.ndarray) -> None:
    """Parsing gives the encoded array back, byte for byte, read-only and as uint8."""
    parsed = parse_idx(encode_idx(array))
    np.testing.assert_array_equal(parsed, array, strict=True)
    assert not parsed.flags.writeable


@given(arrays, st.data())
def test_parse_idx_rejects_truncation_at_any_byte(array: np.ndarray, data: st.DataObject) -> None:
    """No proper prefix of an IDX file is an IDX file."""
    content = encode_idx(array)
    with pytest.raises(ValueError, match=r"empty|must start with|truncated"):
        parse_idx(content[: data.draw(st.integers(0, len(content) - 1))])


@given(arrays, st.binary(min_size=1, max_size=9))
def test_parse_idx_rejects_trailing_bytes(array: np.ndarray, tail: bytes) -> None:
    """An IDX file ends where its header says."""
    with pytest.raises(ValueError, match="trailing bytes"):
        parse_idx(encode_idx(array) + tail)


@given(st.binary(max_size=40), st.data())
def test_decompress_rejects_damaged_gzip(content: bytes, data: st.DataObject) -> None:
    """A cut gzip file is a ValueError; a flipped bit is one too or lies in an unused field."""
    compressed = gzip.compress(content, mtime=0)
    assert decompress(compressed) == content
    with pytest.raises(ValueError, match="gzip compression is damaged"):
        decompress(compressed[: data.draw(st.integers(2, len(compressed) - 1))])
    flipped = bytearray(compressed)
    flipped[data.draw(st.integers(2, len(flipped) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decompress(bytes(flipped))
    except ValueError as error:
        assert "gzip compression is damaged" in str(error)


def test_decompress_reads_at_most_max_bytes() -> None:
    """The limit holds for the decompressed size, so that a small file cannot fill the memory."""
    assert decompress(gzip.compress(bytes(10_000)), max_bytes=100) == bytes(100)


@pytest.mark.parametrize("compress", [False, True])
def test_read_idx_images_keeps_every_value(tmp_path: Path, compress: bool) -> None:
    """All 256 values survive, 128 and 255 among them, plain and compressed."""
    content = encode_idx(np.arange(256, dtype=np.uint8).reshape(4, 8, 8))
    path = tmp_path / "images"
    path.write_bytes(gzip.compress(content) if compress else content)
    images = read_idx_images(path, hashlib.sha256(content).hexdigest())
    assert images.dtype == np.uint8
    assert images.shape == (4, 8, 8)
    assert images.ravel().tolist() == list(range(256))


def test_read_idx_labels_reads_one_dimension(tmp_path: Path) -> None:
    """Labels come back in order."""
    (tmp_path / "labels").write_bytes(encode_idx(np.array([7, 0, 255], dtype=np.uint8)))
    assert read_idx_labels(tmp_path / "labels").tolist() == [7, 0, 255]


def test_read_idx_says_that_files_look_swapped(tmp_path: Path) -> None:
    """Images in the place of labels, and the reverse, are named as such."""
    (tmp_path / "images").write_bytes(encode_idx(np.zeros((2, 3, 3), np.uint8)))
    (tmp_path / "labels").write_bytes(encode_idx(np.zeros(2, np.uint8)))
    with pytest.raises(ValueError, match=r"labels` .*must hold images, found labels.*swapped"):
        read_idx_images(tmp_path / "labels")
    with pytest.raises(ValueError, match=r"images` .*must hold labels, found images.*swapped"):
        read_idx_labels(tmp_path / "images")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "it is empty"),
        (b"\x00\x00\x0d\x03", "found 00 00 0d 03"),  # float32
        (b"\x00\x00\x08\x02" + bytes(12), "found 00 00 08 02"),
        (b"\x00\x00\x08\x03\x00\x00", "header is truncated: 6 of 16 bytes"),
        (b"\x00\x00\x08\x03" + bytes(12), r"no data: shape \(0, 0, 0\)"),
        (encode_idx(np.ones((2, 2, 2), np.uint8))[:-1], "needs 24 bytes, found 23"),
        (b"\x1f\x8b\x08 not gzip", "gzip compression is damaged"),
    ],
)
def test_read_idx_names_file_and_fault(tmp_path: Path, content: bytes, fault: str) -> None:
    """The error of a damaged file names the file and what is wrong with it."""
    (tmp_path / "damaged").write_bytes(content)
    with pytest.raises(ValueError, match=f"damaged` is not the IDX file.*{fault}"):
        read_idx_images(tmp_path / "damaged")


def test_read_idx_checks_the_sha256(tmp_path: Path) -> None:
    """A valid file with other content than expected is refused."""
    (tmp_path / "images").write_bytes(encode_idx(np.ones((1, 2, 2), np.uint8)))
    with pytest.raises(ValueError, match=r'SHA-256 of MNIST, 00ff, found [0-9a-f]{64}.*"idx"'):
        read_idx_images(tmp_path / "images", "00ff")


def test_read_idx_names_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in the place of a file, and a file without the right to read, are named."""
    with pytest.raises(ValueError, match=rf"{tmp_path}` cannot be read \(Is a directory\)"):
        read_idx_images(tmp_path)

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read files of any mode
    with pytest.raises(ValueError, match=r"images` cannot be read \(Permission denied\)"):
        read_idx_images(tmp_path / "images")
