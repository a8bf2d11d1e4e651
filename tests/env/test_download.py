"""A download puts whole and verified files in place, or nothing, whatever mirrors and disks do."""

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from mirrors import COMPRESSED, CONTENT, Mirror, running_mirror

from ram_env.data import download
from ram_env.data.download import download_files

resource = pytest.importorskip("resource", reason="Windows has no limits of resources")
termios = pytest.importorskip("termios", reason="Windows has no terminals of this kind")

ROOT = Path(__file__).parents[2]
SHA256S = {"file.gz": hashlib.sha256(CONTENT).hexdigest()}
REFUSES = "http://127.0.0.1:9/"  # nothing listens there
PROGRAM = """
import sys
from pathlib import Path
from ram_env.data.download import download_files
download_files({"file.gz": sys.argv[1]}, [sys.argv[2]], Path(sys.argv[3]))
"""


pytestmark = pytest.mark.fault("faults of mirrors, downloads and caches")


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A server on this machine with every fault."""
    monkeypatch.setenv("no_proxy", "*")
    with running_mirror() as mirror:
        yield mirror


def start(mirror: str, folder: Path, stderr: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Download in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, SHA256S["file.gz"], mirror, str(folder)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=stderr)


def assert_whole(folder: Path) -> None:
    """Require that the folder holds the file and nothing else."""
    assert os.listdir(folder) == ["file.gz"]
    assert (folder / "file.gz").read_bytes() == COMPRESSED


def assert_next_mirror_is_tried(mirror: Mirror, faulty: str, folder: Path, message: str) -> None:
    """Require that a mirror alone is an error that leaves nothing, and that a second one helps."""
    with pytest.raises(OSError, match=message) as caught:
        download_files(SHA256S, [faulty], folder)
    assert faulty in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(folder) == []
    download_files(SHA256S, [faulty, mirror.url("whole")], folder)
    assert_whole(folder)


# Mirrors.


@pytest.mark.parametrize(
    ("fault", "argument", "message"),
    [
        ("other", "", "does not have the SHA-256"),
        ("page", "", "does not have the SHA-256"),
        ("status", 204, "does not have the SHA-256"),
        ("status", 404, "404 Client Error: Not Found"),
        ("status", 503, "503 Server Error: Service Unavailable"),
        ("circle", "", "Exceeded 30 redirects"),
        ("astray", "", "No connection adapters were found for 'file:///etc/hostname'"),
        ("noise", "", "220 mail.example.org"),
    ],
)
def test_faulty_mirror_is_passed_over(
    mirror: Mirror, tmp_path: Path, fault: str, argument: object, message: str
) -> None:
    """A mirror that answers wrongly is named with its fault, and the next one is tried."""
    assert_next_mirror_is_tried(mirror, mirror.url(fault, argument), tmp_path, message)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (REFUSES, "Connection refused"),
        ("http://127.0.0.1:99999/", "99999"),
        ("file:///no-such-mirror/", "file:"),
        ("gopher://x/", "gopher:"),
        ("nowhere/", "nowhere"),
        ("http://[/", "parse"),
    ],
)
def test_mirror_that_is_not_there_is_passed_over(
    mirror: Mirror, tmp_path: Path, address: str, message: str
) -> None:
    """Nobody listens, no such scheme, no URL at all: the next one is tried."""
    assert_next_mirror_is_tried(mirror, address, tmp_path, message)


@pytest.mark.parametrize("fault", ["silent", "stalled"])
def test_mirror_that_falls_silent_is_given_up(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """No answer and half of one cost a time-out, not for ever."""
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.3)
    began = time.monotonic()
    assert_next_mirror_is_tried(mirror, mirror.url(fault), tmp_path, "timed out")
    assert time.monotonic() - began < 5  # two waits


@pytest.mark.parametrize("fault", ["cut", "unannounced"])
def test_download_cut_at_any_byte_is_refused(mirror: Mirror, tmp_path: Path, fault: str) -> None:
    """Whatever the header says, no beginning of a file is taken for the file."""
    for position in range(0, len(COMPRESSED), 7):
        faulty, folder = mirror.url(fault, position), tmp_path / str(position)
        message = "IncompleteRead|damaged|does not have the SHA-256"
        assert_next_mirror_is_tried(mirror, faulty, folder, message)


def test_redirection_is_followed(mirror: Mirror, tmp_path: Path) -> None:
    """A mirror may have moved."""
    download_files(SHA256S, [mirror.url("moved")], tmp_path)
    assert_whole(tmp_path)


def test_download_takes_each_file_from_the_first_mirror_that_works(
    mirror: Mirror, tmp_path: Path
) -> None:
    """A mirror that failed once is not asked again; one that holds the content plain does."""
    names = {name: SHA256S["file.gz"] for name in ("a.gz", "b.gz", "c.gz")}
    mirror.content = CONTENT
    download_files(names, [mirror.url("status", 500), mirror.url("whole")], tmp_path)
    assert mirror.requests == ["/status/500/a.gz", *(f"/whole//{name}" for name in names)]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == dict.fromkeys(
        names, CONTENT
    )


def test_all_failures_are_named(mirror: Mirror, tmp_path: Path) -> None:
    """The error says of each mirror why it failed."""
    mirrors = [mirror.url("unannounced", 40), mirror.url("status", 500), mirror.url("other")]
    with pytest.raises(OSError, match=r"40/: .*damaged.*; .*500/: .*500.*; .*other.*SHA-256"):
        download_files(SHA256S, mirrors, tmp_path)


# Size.


@pytest.mark.parametrize(
    ("fault", "message"),
    [("flood", "larger than 1048576 bytes"), ("whole", "does not have the SHA-256")],
)
def test_flood_and_bomb_are_refused(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    """An endless file is not read on, and a small one that unpacks to a hundred times the limit
    is not unpacked: neither takes more memory than a few times the limit.
    """
    monkeypatch.setattr(download, "MAX_BYTES", 2**20)
    mirror.content = gzip.compress(bytes(100 * 2**20), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match=message):
            download_files(SHA256S, [mirror.url(fault)], tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path) == []


# Folders and disks.


def test_download_keeps_files_that_are_there(tmp_path: Path) -> None:
    """A file in the folder is not fetched again."""
    (tmp_path / "file.gz").write_bytes(b"kept")
    download_files(SHA256S, [REFUSES], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == b"kept"


def test_downloaded_files_can_be_read_by_all(mirror: Mirror, tmp_path: Path) -> None:
    """A cache that several users share does its service to all of them."""
    download_files(SHA256S, [mirror.url("whole")], tmp_path)
    assert (tmp_path / "file.gz").stat().st_mode & 0o777 == 0o644


def test_progress_is_shown_on_a_terminal_only(mirror: Mirror, tmp_path: Path) -> None:
    """Elsewhere nothing is written."""
    main, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    assert start(mirror.url("whole"), tmp_path / "seen", stderr=terminal).wait(60) == 0
    os.close(terminal)
    with os.fdopen(main, "rb") as screen:
        assert "file.gz: 100%|" in screen.read1().decode()
    _, errors = start(mirror.url("whole"), tmp_path / "unseen").communicate(timeout=60)
    assert errors == b""


def test_processes_may_download_at_the_same_time(mirror: Mirror, tmp_path: Path) -> None:
    """Three that fetch the same file at once all succeed, and the file is whole."""
    mirror.barrier = threading.Barrier(3, timeout=60)
    processes = [start(mirror.url("together"), tmp_path / "cache") for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert len(mirror.requests) == 3
    assert_whole(tmp_path / "cache")


def test_killed_download_leaves_no_part_of_a_file(mirror: Mirror, tmp_path: Path) -> None:
    """`kill -9` in the middle: an empty temporary file at most, and the next download is whole."""
    process = start(mirror.url("stalled"), tmp_path)
    deadline = time.monotonic() + 60
    while not mirror.requests:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "file.gz").exists()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0
    download_files(SHA256S, [mirror.url("whole")], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == COMPRESSED


@pytest.mark.parametrize("num_bytes", [0, 1, len(COMPRESSED) - 1])
def test_full_disk_is_no_fault_of_the_mirror(
    mirror: Mirror, tmp_path: Path, num_bytes: int
) -> None:
    """The error names the folder, no other mirror is tried, and no part of the file remains."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))  # like a disk that is full
    try:
        with pytest.raises(OSError, match=rf"{tmp_path} cannot be written \(") as caught:
            download_files(SHA256S, [mirror.url("whole")] * 2, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "127.0.0.1" not in str(caught.value)
    assert len(mirror.requests) == 1
    assert os.listdir(tmp_path) == []


def test_folder_that_cannot_be_written_is_named_before_any_download(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, below a file, and where the rights are missing: nothing is downloaded in vain."""
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(OSError, match=rf"{folder} cannot be written \(Not a directory\)"):
            download_files(SHA256S, [mirror.url("whole")], folder)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)  # root may write to any folder
    monkeypatch.setattr(os, "makedirs", refuse)
    for folder in (tmp_path, tmp_path / "new"):
        with pytest.raises(OSError, match=rf"{folder} cannot be written \(.*Permission denied"):
            download_files(SHA256S, [mirror.url("whole")], folder)
    assert mirror.requests == []
