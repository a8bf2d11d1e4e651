"""A file that was written anew is another version of it, even within one tick of the clock."""

import os
from pathlib import Path

import pytest

from ram_env.data.versions import version_of


@pytest.mark.parametrize("times", ["tick", "stand still"])
def test_version_of_tells_two_writes_apart(
    times: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their times, or if the clock is too slow by what they wrote; a reading changes nothing."""
    path = tmp_path / "file"
    path.write_bytes(b"one")
    found = os.stat(path)
    if times == "stand still":
        monkeypatch.setattr(os, "stat", lambda *_, **__: found)
    first = version_of(path)
    path.read_bytes()
    assert version_of(path) == first
    path.write_bytes(b"two")
    assert version_of(path) != first


def test_version_of_an_old_file_needs_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large it is, its times tell."""
    path = tmp_path / "file"
    path.touch()
    monkeypatch.setattr("time.time_ns", lambda: os.stat(path).st_ctime_ns + 3 * 10**9)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("it was read"))
    assert version_of(path) == version_of(path)


def test_version_of_what_cannot_be_read(tmp_path: Path) -> None:
    """Whoever reads it says why, so this is no error."""
    no_names = [Path("a\0.npz"), Path("\ud800.npz")]  # which no file can have
    for path in (tmp_path / "none", tmp_path, *no_names):
        assert version_of(path).path == path
