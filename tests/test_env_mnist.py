"""MNIST is found in the promised order, and a download puts nothing unverified in place."""

import gzip
import hashlib
import os
import socket
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from idx_files import write_idx_set

from ram_env import download, mnist
from ram_env.download import download_files

CONTENT = b"verified content"
SHA256S = {"file.gz": hashlib.sha256(CONTENT).hexdigest()}


def make_mirror(folder: Path, content: bytes = CONTENT) -> str:
    """Return the URL of a new folder with `content`, compressed, as its only file."""
    folder.mkdir()
    (folder / "file.gz").write_bytes(gzip.compress(content))
    return f"{folder.as_uri()}/"


class CutOffHandler(BaseHTTPRequestHandler):
    """Announces more bytes than it sends."""

    def do_GET(self) -> None:
        """Send the first bytes of the content and hang up."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(gzip.compress(CONTENT)[:-5])

    def log_message(self, *args: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def cut_off_mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a server on this machine that breaks off each download."""
    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), CutOffHandler) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder of a new process without network; it does not exist yet."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "MIRRORS", ("file:///no-such-mirror/",))
    mnist._complete_once.cache_clear()
    yield tmp_path / "cache" / "ram_env" / "mnist"
    mnist._complete_once.cache_clear()


def test_download_takes_the_first_mirror_that_works(tmp_path: Path) -> None:
    """A missing file and wrong content on two mirrors are passed over for the third."""
    mirrors = [
        "file:///no-such-mirror/",
        make_mirror(tmp_path / "wrong", b"other content"),
        make_mirror(tmp_path / "right"),
    ]
    download_files(SHA256S, mirrors, tmp_path / "new" / "folder")
    assert os.listdir(tmp_path / "new" / "folder") == ["file.gz"]
    assert gzip.decompress((tmp_path / "new/folder/file.gz").read_bytes()) == CONTENT


def test_download_leaves_nothing_behind_when_all_mirrors_fail(
    tmp_path: Path, cut_off_mirror: str
) -> None:
    """The error says why each mirror failed, and the folder stays empty."""
    mirrors = [cut_off_mirror, make_mirror(tmp_path / "wrong", b"other content")]
    with pytest.raises(OSError, match=r"http://127.*damaged.*; file:.*SHA-256"):
        download_files(SHA256S, mirrors, tmp_path / "folder")
    assert os.listdir(tmp_path / "folder") == []


def test_download_gives_up_on_a_silent_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts the connection and never answers costs one time-out."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "TIMEOUT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(OSError, match="timed out"):
            download_files(SHA256S, [mirror], tmp_path / "folder")


def test_download_refuses_oversized_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file beyond the limit is not read on."""
    monkeypatch.setattr(download, "MAX_BYTES", 8)
    with pytest.raises(OSError, match="larger than 8 bytes"):
        download_files(SHA256S, [make_mirror(tmp_path / "mirror")], tmp_path / "folder")


def test_download_keeps_files_that_are_there(tmp_path: Path) -> None:
    """A file in the folder is not fetched again."""
    (tmp_path / "file.gz").write_bytes(b"kept")
    download_files(SHA256S, ["file:///no-such-mirror/"], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == b"kept"


def test_download_removes_its_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the last step fails, neither the file nor a part of it remains."""

    def fail(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        download_files(SHA256S, [make_mirror(tmp_path / "mirror")], tmp_path / "folder")
    assert os.listdir(tmp_path / "folder") == []


def test_find_mnist_searches_the_places_in_order(tmp_path: Path, cache: Path) -> None:
    """The argument comes before the environment variable, and that before the cache."""
    named, empty = write_idx_set(tmp_path / "named"), tmp_path / "empty"
    empty.mkdir()
    other = write_idx_set(tmp_path / "other", compress=False)
    write_idx_set(cache)
    name = "t10k-images-idx3-ubyte"
    assert mnist.find_mnist(str(named), str(other))[name] == named / f"{name}.gz"
    assert mnist.find_mnist(str(empty), str(other))[name] == other / name
    assert mnist.find_mnist(None, str(empty))[name] == cache / f"{name}.gz"
    assert mnist.find_mnist(None, None)[name] == cache / f"{name}.gz"


@pytest.mark.parametrize("argument", ["data_dir", "RAM_ENV_DATA"])
def test_find_mnist_does_not_ignore_a_typo(tmp_path: Path, cache: Path, argument: str) -> None:
    """A named folder that does not exist is an error even where the cache has MNIST."""
    write_idx_set(cache)
    folders = [
        str(tmp_path / "typo") if argument == name else None
        for name in ("data_dir", "RAM_ENV_DATA")
    ]
    with pytest.raises(ValueError, match=f"`{argument}` must be a folder"):
        mnist.find_mnist(*folders)


def test_find_mnist_names_three_remedies_and_tries_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without MNIST the error tells what to do; the download is tried once per process."""
    attempts = []

    def fail(*args: object) -> None:
        attempts.append(args)
        raise OSError("network is unreachable")

    monkeypatch.setattr(mnist, "download_files", fail)
    for _ in range(2):
        with pytest.raises(mnist.MnistNotFoundError) as caught:
            mnist.find_mnist(None, None)
        for part in ("network is unreachable", "`data_dir`", "RAM_ENV_DATA", str(cache)):
            assert part in str(caught.value)
    assert len(attempts) == 1


def test_find_mnist_downloads_what_the_cache_lacks(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that an interrupted download left incomplete is completed."""
    mirror = write_idx_set(tmp_path / "mirror")
    for name in mnist.MNIST_SHA256S:
        content = gzip.decompress((mirror / f"{name}.gz").read_bytes())
        monkeypatch.setitem(mnist.MNIST_SHA256S, name, hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(mnist, "MIRRORS", (f"{mirror.as_uri()}/",))
    write_idx_set(cache, compress=False)
    (cache / "t10k-images-idx3-ubyte").unlink()
    files = mnist.find_mnist(None, None)
    assert sorted(files) == sorted(mnist.MNIST_SHA256S)
    assert sorted(path.suffix for path in files.values()) == ["", "", "", ".gz"]


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "base/ram_env/mnist"),
        ("linux", None, "home/.cache/ram_env/mnist"),
        ("darwin", None, "home/Library/Caches/ram_env/mnist"),
        ("win32", "LOCALAPPDATA", "base/ram_env/mnist"),
    ],
)
def test_cache_folder_follows_the_operating_system(
    monkeypatch: pytest.MonkeyPatch, platform: str, variable: str | None, expected: str
) -> None:
    """The cache is where users of each system look for it."""
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if variable:
        monkeypatch.setenv(variable, "base")
    assert mnist.cache_folder() == Path(expected)
