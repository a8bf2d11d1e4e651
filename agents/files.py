"""Files that are never half written."""

import json
import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

Path = str | os.PathLike[str]


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that at any moment it is whole: the old one or the new one.

    Args:
        path: Where the file shall be; its folder must exist.
        write: Writes the content to the open binary file it is given.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: pathlib.Path) -> None:
    """Make sure that the names in a folder outlive a power failure, where the system can."""
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def lock_folder(folder: pathlib.Path) -> Iterator[None]:
    """Keep other processes that ask for the same out of a folder, where the system can.

    The system gives it back even if the process is killed; nothing is left behind.

    Raises:
        FileExistsError: If another process holds it.
    """
    if os.name != "posix":  # elsewhere a folder cannot be opened
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileExistsError(
                f"another process is writing to {folder}: wait for it, or choose another "
                "`--run-dir`."
            ) from error
        yield
    finally:
        os.close(descriptor)


def leftovers(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return what a process that was killed has left half written."""
    return list(folder.glob(".*.tmp"))


def remove_leftovers(folder: pathlib.Path) -> None:
    """Remove the leftovers; call it under `lock_folder`, another process may be writing."""
    for path in leftovers(folder):
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write what JSON can hold, readably and atomically."""
    text = json.dumps(content, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))
