"""How are files of known content downloaded, so that nothing else is ever put in place?"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ram_env.data.idx import decompress

TIMEOUT_SECONDS = 10.0  # of silence, before an answer or in it
MAX_BYTES = 64 * 2**20  # of one file, both as sent and decompressed


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
    failures = []
    for mirror in mirrors:
        try:
            for name, sha256 in sha256s.items():
                _download(mirror + name, sha256, folder / name)
            return
        except MirrorError as error:
            failures.append(f"{mirror}: {error}")
        except OSError as error:
            raise OSError(f"{folder} cannot be written ({error.strerror or error})") from error
    raise OSError("; ".join(failures))


def _download(url: str, sha256: str, path: Path) -> None:
    """Put what is behind `url` in place, unless `path` exists."""
    import pooch  # slow to import, and few need it

    def write_verified(url: str, temporary: str, _: object) -> None:
        Path(temporary).write_bytes(_fetch(url, sha256))
        Path(temporary).chmod(0o644)  # also for others who share the cache: so far it is private

    pooch.get_logger().setLevel("WARNING")  # else it says what it does, on standard error
    # No `known_hash`: that would be of the file as sent, and copies differ in their compression.
    pooch.retrieve(url, None, path.name, path.parent, downloader=write_verified)


def _fetch(url: str, sha256: str) -> bytes:
    """Return the verified bytes behind `url`, showing the progress on a terminal."""
    import pooch
    from tqdm import tqdm

    content, name = _LimitedBytes(), url.rpartition("/")[2]
    try:
        with tqdm(total=MAX_BYTES, desc=name, unit="B", unit_scale=True, disable=None) as progress:
            download = pooch.HTTPDownloader(progress, chunk_size=2**16, timeout=TIMEOUT_SECONDS)
            download(url, content, None)
        found = hashlib.sha256(decompress(content.getvalue(), MAX_BYTES)).hexdigest()
    except Exception as error:  # whatever a server can make them raise: no disk is involved
        raise MirrorError(str(error)) from error
    if found != sha256:
        raise MirrorError(f"it does not have the SHA-256 {sha256} when decompressed")
    return content.getvalue()


class _LimitedBytes(io.BytesIO):
    """Collects up to `MAX_BYTES`, whatever a server sends."""

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes")
        return super().write(chunk)
