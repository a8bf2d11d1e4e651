"""Does a file still hold what was read from it? What caches of its content are kept by."""

import contextlib
import hashlib
import os
import time
from pathlib import Path
from typing import NamedTuple

# No file system has a slower clock; within one tick of it, times do not tell two writes apart.
_TICK_NS = 2 * 10**9


class FileVersion(NamedTuple):
    """A file as it is now; two that are equal have the same content."""

    path: Path
    facts: tuple[int, ...] = ()  # size, times, number; none of a file that cannot be read
    sha256: str = ""  # of a file that was changed so lately that times do not tell


def version_of(path: Path) -> FileVersion:
    """Return which version of a file lies at a path now."""
    # Who reads the file says what is wrong. ValueError: a name that no file can have.
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        facts = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        is_old = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > _TICK_NS
        sha256 = "" if is_old else hashlib.sha256(path.read_bytes()).hexdigest()
        return FileVersion(path, facts, sha256)
    return FileVersion(path)
