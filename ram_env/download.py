"""Downloads of files whose content is known, so that nothing else is ever put in place."""

import hashlib
import http.client
import os
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from ram_env.idx import decompress

TIMEOUT_SECONDS = 10.0  # without any byte from the server
MAX_BYTES = 64 * 2**20  # of one file, both as sent and decompressed
_CHUNK_BYTES = 2**18


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
    folder.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        try:
            for name, sha256 in sha256s.items():
                if not (folder / name).exists():
                    _write_whole(folder / name, _fetch(mirror + name, sha256))
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"{mirror}: {error}")
    raise OSError("; ".join(failures))


def _fetch(url: str, sha256: str) -> bytes:
    """Return the bytes behind `url`, whose decompressed content must have that SHA-256."""
    content = bytearray()
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        while chunk := response.read(_CHUNK_BYTES):
            content += chunk
            if len(content) > MAX_BYTES:
                raise ValueError(f"{url} is larger than {MAX_BYTES} bytes")
            _show_on_terminal(f"\rDownloading {url}: {len(content) / 1e6:.1f} MB")
    _show_on_terminal("\n")
    if hashlib.sha256(decompress(bytes(content), MAX_BYTES)).hexdigest() != sha256:
        raise ValueError(f"{url} does not have the SHA-256 {sha256} when decompressed")
    return bytes(content)


def _show_on_terminal(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either complete or absent, whatever happens meanwhile."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
