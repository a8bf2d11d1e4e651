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
from contextlib import contextmanager
from pathlib import Path

import pytest
from mirrors import COMPRESSED, CONTENT, Mirror, closed_port, running_mirror

from ram_env.data import download
from ram_env.data.download import download_files

resource = pytest.importorskip("resource", reason="Windows has no limits of resources")

ROOT = Path(__file__).parents[2]
SHA256S = {"file.gz": hashlib.sha256(CONTENT).hexdigest()}
PROGRAM = """
import sys
from pathlib import Path
from ram_env.data.download import download_files
download_files({"file.gz": sys.argv[1]}, sys.argv[3:], Path(sys.argv[2]))
"""


pytestmark = pytest.mark.fault("faults of mirrors, downloads and caches")


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A server on this machine with every fault."""
    monkeypatch.setenv("no_proxy", "*")
    with running_mirror() as mirror:
        yield mirror


def start(mirrors: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Download in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, SHA256S["file.gz"], str(folder), *mirrors]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)


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
        ("status", 404, "404 Client Error: Not Found"),
        ("status", 429, "429 Client Error: Too Many Requests"),
        ("status", 503, "503 Server Error: Service Unavailable"),
        ("status", 204, "does not have the SHA-256"),
        ("circle", "here", "Exceeded 30 redirects"),
        ("astray", "", "No connection adapters were found for 'file:///etc/hostname'"),
        ("noise", "", "220 mail.example.org"),
    ],
)
def test_faulty_mirror_is_passed_over(
    mirror: Mirror, tmp_path: Path, fault: str, argument: object, message: str
) -> None:
    """A mirror that answers wrongly is named with its fault, and the next one is tried."""
    assert_next_mirror_is_tried(mirror, mirror.url(fault, argument), tmp_path, message)


def test_mirror_that_is_not_there_is_passed_over(mirror: Mirror, tmp_path: Path) -> None:
    """Nobody listens, no such host, no such scheme, no URL at all: the next one is tried."""
    refused = f"http://127.0.0.1:{closed_port()}/"
    assert_next_mirror_is_tried(mirror, refused, tmp_path, "Connection refused")
    addresses = (
        "file:///no-such/",
        "http://[/",
        "nowhere/",
        "http://127.0.0.1:99999/",
        "gopher://x/",
    )
    for number, address in enumerate(addresses):
        assert_next_mirror_is_tried(mirror, address, tmp_path / str(number), address[:4])


@pytest.mark.parametrize("fault", ["silent", "stalled"])
def test_mirror_that_falls_silent_is_given_up(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """No answer and half of one cost a time-out, not for ever."""
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.3)
    began = time.monotonic()
    assert_next_mirror_is_tried(mirror, mirror.url(fault), tmp_path, "timed out")
    assert time.monotonic() - began < 5  # two waits


@pytest.mark.parametrize("fault", ["cut", "short", "unannounced"])
def test_download_cut_at_any_byte_is_refused(mirror: Mirror, tmp_path: Path, fault: str) -> None:
    """Whatever the header says, no beginning of a file is taken for the file."""
    for position in range(0, len(COMPRESSED), 7):
        folder = tmp_path / str(position)
        mirrors = [mirror.url(fault, position), mirror.url("status", 404)]
        with pytest.raises(OSError, match=r"damaged|does not have the SHA-256|IncompleteRead"):
            download_files(SHA256S, mirrors, folder)
        assert os.listdir(folder) == []
        download_files(SHA256S, [mirrors[0], mirror.url("whole")], folder)
        assert_whole(folder)


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
    download_files(names, [mirror.url("status", 500), mirror.url("given")], tmp_path)
    assert mirror.requests == ["/status/500/a.gz", *(f"/given//{name}" for name in names)]
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_all_failures_are_named(mirror: Mirror, tmp_path: Path) -> None:
    """The error says of each mirror why it failed."""
    mirrors = [mirror.url(*fault) for fault in (("cut", 40), ("status", 500), ("other",))]
    with pytest.raises(
        OSError, match=r"cut/40/: .*Incomplete.*; .*500/: .*500.*; .*other.*SHA-256"
    ):
        download_files(SHA256S, mirrors, tmp_path)


# Size.


def peak_memory(mirrors: list[str], folder: Path, message: str) -> int:
    """Return how many bytes a download that fails takes at most."""
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match=message):
            download_files(SHA256S, mirrors, folder)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_flood_and_bomb_are_refused(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An endless file is not read on, and a small one that unpacks to a hundred times the limit
    is not unpacked: neither takes more memory than a few times the limit.
    """
    monkeypatch.setattr(download, "MAX_BYTES", 2**20)
    mirror.content = gzip.compress(bytes(100 * 2**20), compresslevel=1)
    faults = {"flood": "larger than 1048576 bytes", "given": "does not have the SHA-256"}
    for fault, message in faults.items():
        assert peak_memory([mirror.url(fault)], tmp_path, message) < 8 * 2**20
    assert os.listdir(tmp_path) == []


# Folders and disks.


def test_download_keeps_files_that_are_there(tmp_path: Path) -> None:
    """A file in the folder is not fetched again."""
    (tmp_path / "file.gz").write_bytes(b"kept")
    download_files(SHA256S, ["file:///no-such-mirror/"], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == b"kept"


def test_downloaded_files_can_be_read_by_all(mirror: Mirror, tmp_path: Path) -> None:
    """A cache that several users share does its service to all of them."""
    download_files(SHA256S, [mirror.url("whole")], tmp_path)
    assert (tmp_path / "file.gz").stat().st_mode & 0o777 == 0o644


def test_processes_may_download_at_the_same_time(mirror: Mirror, tmp_path: Path) -> None:
    """Three that fetch the same file at once all succeed, and the file is whole."""
    mirror.barrier = threading.Barrier(3, timeout=60)
    processes = [start([mirror.url("together")], tmp_path / "cache") for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert len(mirror.requests) == 3
    assert_whole(tmp_path / "cache")


def test_killed_download_leaves_no_part_of_a_file(mirror: Mirror, tmp_path: Path) -> None:
    """`kill -9` in the middle: no file has the final name, and the next download is whole."""
    process = start([mirror.url("stalled")], tmp_path / "cache")
    deadline = time.monotonic() + 60
    while not mirror.requests:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = {path.name: path.stat().st_size for path in (tmp_path / "cache").iterdir()}
    assert "file.gz" not in left
    assert sum(left.values()) == 0
    download_files(SHA256S, [mirror.url("whole")], tmp_path / "cache")
    assert (tmp_path / "cache" / "file.gz").read_bytes() == COMPRESSED


@contextmanager
def largest_file(num_bytes: int) -> Iterator[None]:
    """Let the system refuse to write files beyond a size, as it does when a disk is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("num_bytes", [0, 1, len(COMPRESSED) - 1])
def test_full_disk_is_no_fault_of_the_mirror(
    mirror: Mirror, tmp_path: Path, num_bytes: int
) -> None:
    """The error names the folder, no other mirror is tried, and no part of the file remains."""
    with (
        largest_file(num_bytes),
        pytest.raises(OSError, match=rf"{tmp_path} cannot be written \(") as caught,
    ):
        download_files(SHA256S, [mirror.url("whole")] * 2, tmp_path)
    assert "127.0.0.1" not in str(caught.value)
    assert len(mirror.requests) == 1
    assert os.listdir(tmp_path) == []


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Give up the rights that the superuser has beyond others; yields a folder all can reach."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


def test_folder_that_cannot_be_written_is_named_before_any_download(mirror: Mirror) -> None:
    """Below a file, and where the rights are missing: nothing is downloaded in vain."""
    with unprivileged() as folder:
        if os.geteuid() == folder.stat().st_uid:
            folder.chmod(0o555)
        with pytest.raises(OSError, match=rf"{folder} cannot be written \(.*Permission denied"):
            download_files(SHA256S, [mirror.url("whole")], folder)
        with pytest.raises(OSError, match=rf"{folder}/new cannot be written \(.*Permission denied"):
            download_files(SHA256S, [mirror.url("whole")], folder / "new")
    with tempfile.NamedTemporaryFile() as file:
        with pytest.raises(OSError, match=r"cannot be written \(Not a directory\)"):
            download_files(SHA256S, [mirror.url("whole")], Path(file.name, "cache"))
        with pytest.raises(OSError, match=r"cannot be written \(Not a directory\)"):
            download_files(SHA256S, [mirror.url("whole")], Path(file.name))
    assert mirror.requests == []
