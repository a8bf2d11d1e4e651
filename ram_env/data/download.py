"""Downloads of files whose content is known, so that nothing else is ever put in place."""

import hashlib
import http.client
import os
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ram_env.data.idx import decompress

TIMEOUT_SECONDS = 10.0  # in which at least so many bytes must arrive:
MIN_BYTES = 2**15
MAX_BYTES = 64 * 2**20  # of one file, both as sent and decompressed
_CHUNK_BYTES = 2**18


class MirrorError(Exception):
    """A mirror does not deliver a file; the message says why."""


def download_files(sha256s: Mapping[str, str], mirrors: Sequence[str], folder: Path) -> None:
    """Download those files that `folder` does not hold yet, each from the first mirror that works.

    A file appears in `folder` under its final name only when it is whole and verified, so that
    processes may do this at the same time and may be killed at any moment.

    Args:
        sha256s: File names and the SHA-256, in hexadecimal, of each decompressed content.
        mirrors: URLs of folders that hold the files, with a slash at the end.
        folder: Where to put them; it is made if it does not exist.

    Raises:
        OSError: If `folder` cannot be written to, or no mirror delivers; it says why for each.
    """
    _check_writable(folder)  # before anything is downloaded in vain
    failures = []
    for mirror in mirrors:
        try:
            for name, sha256 in sha256s.items():
                if not (folder / name).exists():
                    _write_whole(folder / name, _fetch(mirror + name, sha256))
            return
        except MirrorError as error:
            failures.append(f"{mirror}: {error}")
    raise OSError("; ".join(failures))


def _check_writable(folder: Path) -> None:
    """Make a folder if it does not exist, and see whether files can be made in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _write_error(folder, error) from error


def _write_error(path: Path, error: OSError) -> OSError:
    return OSError(f"{path} cannot be written ({error.strerror})")


def _fetch(url: str, sha256: str) -> bytes:
    """Return the bytes behind `url`, whose decompressed content must have that SHA-256."""
    content = _Transfer(url).result()
    try:
        found = hashlib.sha256(decompress(content, MAX_BYTES)).hexdigest()
    except ValueError as error:
        raise MirrorError(f"{url}: {error}") from error
    if found != sha256:
        raise MirrorError(f"{url} does not have the SHA-256 {sha256} when decompressed")
    return content


class _Transfer(threading.Thread):
    """Reads what is behind a URL, in a thread that is left behind when it takes too long.

    The time-out of a socket would not do: it begins anew with each byte, and a server can send one
    now and then for ever, before the content as well.
    """

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._content = bytearray()
        self._failure: str | None = None
        self._is_over = False

    def result(self) -> bytes:
        """Return the whole content.

        Raises:
            MirrorError: If it does not come, comes too slowly or is too large.
        """
        self.start()
        try:
            self._wait()
        finally:
            self._is_over = True
        _show_on_terminal("\n")
        if self._failure is not None:
            raise MirrorError(self._failure)
        return bytes(self._content)

    def run(self) -> None:
        """Read, and note what goes wrong."""
        opener = urllib.request.build_opener(_BriefRedirects)
        try:
            with opener.open(self._url, timeout=TIMEOUT_SECONDS) as response:
                while not self._is_over and (chunk := response.read1(_CHUNK_BYTES)):
                    self._take(chunk)
        except Exception as error:  # whatever a server can make urllib raise
            self._failure = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection

    def _take(self, chunk: bytes) -> None:
        self._content += chunk
        if len(self._content) > MAX_BYTES:
            raise ValueError(f"{self._url} is larger than {MAX_BYTES} bytes")
        _show_on_terminal(f"\rDownloading {self._url}: {len(self._content) / 1e6:.1f} MB")

    def _wait(self) -> None:
        """Wait for the end as long as there is progress."""
        while True:
            num_bytes = len(self._content)
            self.join(TIMEOUT_SECONDS)
            if not self.is_alive():
                return
            if len(self._content) - num_bytes < MIN_BYTES:
                raise MirrorError(
                    f"{self._url} timed out: it sent less than {MIN_BYTES} bytes in "
                    f"{TIMEOUT_SECONDS:g} seconds"
                )


class _BriefRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection without reading the page that comes with it, which may never end."""

    def redirect_request(
        self,
        request: urllib.request.Request,
        response: IO[bytes],
        code: int,
        message: str,
        headers: http.client.HTTPMessage,
        url: str,
    ) -> Any:
        """Close the page; the base class reads the rest of it."""
        response.close()
        return super().redirect_request(request, response, code, message, headers, url)


def _show_on_terminal(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either complete or absent, whatever happens meanwhile."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)  # also for others who share the cache: so far it is private
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise _write_error(path, error) from error
