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
    facts: tuple[int, ...] = ()  # as of `facts_of`
    sha256: str = ""  # of a file that was changed so lately that times do not tell


def version_of(path: Path) -> FileVersion:
    """Return which version of a file lies at a path now."""
    facts = facts_of(path)
    with contextlib.suppress(OSError):
        if facts and time.time_ns() - max(facts[1:3]) <= _TICK_NS:
            return FileVersion(path, facts, hashlib.sha256(path.read_bytes()).hexdigest())
    return FileVersion(path, facts)


def facts_of(path: Path) -> tuple[int, ...]:
    """Return size, times and number of a file, by which it is known; none if it cannot be read."""
    # Who reads the file says what is wrong. ValueError: a name that no file can have.
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    return ()
