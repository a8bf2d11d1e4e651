"""MNIST is found in the promised order, downloaded into the cache, or missed with a clear error."""

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest
from idx_files import write_idx_set
from mirrors import running_mirror
from platformdirs.api import PlatformDirsABC
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from ram_env.data import mnist


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder of a new process without network; it does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mnist, "MIRRORS", ("file:///no-such-mirror/",))
    mnist._complete_once.cache_clear()
    yield tmp_path / "cache" / "ram_env" / "mnist"
    mnist._complete_once.cache_clear()


def test_find_mnist_searches_the_places_in_order(tmp_path: Path, cache: Path) -> None:
    """The argument comes before the environment variable, and that before the cache."""
    named = write_idx_set(tmp_path / "named")
    other = write_idx_set(tmp_path / "other", compress=False)
    write_idx_set(cache)
    name = "t10k-images-idx3-ubyte"
    assert mnist.find_mnist(str(named), str(other))[name] == named / f"{name}.gz"
    assert mnist.find_mnist(None, str(other))[name] == other / name
    assert mnist.find_mnist(None, None)[name] == cache / f"{name}.gz"


@pytest.mark.parametrize("argument", ["data_dir", "RAM_ENV_DATA"])
@pytest.mark.parametrize("content", [None, "a file", "nothing", "photos", "half"])
def test_find_mnist_never_passes_over_a_named_folder(
    tmp_path: Path, cache: Path, argument: str, content: str | None
) -> None:
    """One that is missing or holds something else is an error, wherever else MNIST may be."""
    write_idx_set(cache)
    other, named = write_idx_set(tmp_path / "other"), tmp_path / "named"
    match content:
        case "a file":
            named.touch()
        case "nothing":
            named.mkdir()
        case "photos":
            named.mkdir()
            (named / "0.png").touch()
        case "half":
            write_idx_set(named)
            (named / "t10k-images-idx3-ubyte.gz").unlink()
    places = (str(named), str(other)) if argument == "data_dir" else (None, str(named))
    with pytest.raises(ValueError, match=f"`{argument}` must be a folder") as caught:
        mnist.find_mnist(*places)
    assert not isinstance(caught.value, mnist.MnistNotFoundError)  # `auto` takes that for digits
    assert repr(str(named)) in str(caught.value)
    held = {"nothing": "it holds nothing", "photos": "it holds '0.png'", "half": "lacks t10k-im"}
    assert held.get(content or "", "cannot be read") in str(caught.value)


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
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that an interrupted download left incomplete is completed."""
    lacking = write_idx_set(cache, compress=False) / "t10k-images-idx3-ubyte"
    content = lacking.read_bytes()
    lacking.unlink()
    monkeypatch.setitem(mnist.MNIST_SHA256S, lacking.name, hashlib.sha256(content).hexdigest())
    monkeypatch.setenv("no_proxy", "*")
    with running_mirror() as mirror:
        mirror.content = gzip.compress(content)
        monkeypatch.setattr(mnist, "MIRRORS", (mirror.url("whole"),))
        files = mnist.find_mnist(None, None)
    assert sorted(files) == sorted(mnist.MNIST_SHA256S)
    assert sorted(path.suffix for path in files.values()) == ["", "", "", ".gz"]


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        (Unix, "XDG_CACHE_HOME", "base/ram_env/mnist"),
        (Unix, "HOME", "base/.cache/ram_env/mnist"),
        (MacOS, "HOME", "base/Library/Caches/ram_env/mnist"),
        (Windows, "LOCALAPPDATA", "base/ram_env/mnist"),
    ],
)
def test_cache_folder_follows_the_operating_system(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: type[PlatformDirsABC],
    variable: str,
    expected: str,
) -> None:
    """The cache is where users of each system look for it, and stays there."""
    monkeypatch.setattr(platformdirs, "PlatformDirs", system)
    # Windows itself is asked, and there is none here.
    monkeypatch.setattr("platformdirs.windows.get_win_folder", lambda _: os.environ[variable])
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "base"))
    assert mnist.cache_folder() == tmp_path / expected


def test_cache_folder_of_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a container's user has no home, the folder of temporary files takes its place."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31)  # of nobody
    assert mnist.cache_folder() == Path(tempfile.gettempdir(), ".cache", "ram_env", "mnist")


def test_find_mnist_says_that_the_cache_cannot_be_written(tmp_path: Path, cache: Path) -> None:
    """What is wrong with the folder is said, beside the remedies."""
    (tmp_path / "cache").write_text("A file where the folder should be.")
    with pytest.raises(mnist.MnistNotFoundError) as caught:
        mnist.find_mnist(None, None)
    message = str(caught.value)
    assert f"{cache} cannot be written (Not a directory)" in message
    assert "`data_dir`" in message and "must be writable" in message
