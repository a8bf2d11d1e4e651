"""How are files and folders written? Whole at any moment, and by one process at a time."""

import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from filelock import FileLock, Timeout

from ram_env.arguments import shown
from ram_env.registration import import_env_module

Path = str | os.PathLike[str]
CONFIG, EVALUATION = "config.json", "evaluation.json"  # of a run the first file, and the result
MODEL = "model.zip"  # what it has learned
PICTURES = ("curves.png", "gaze.png", "gaze.gif")  # of a run, drawn last
LOCK = ".lock"


def path_of(text: str) -> pathlib.Path:
    """Return the path that a user writes, `~` as the home folder."""
    return pathlib.Path(os.path.expanduser(text))


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


def make_folder(folder: pathlib.Path) -> None:
    """Make a folder unless it is there, and try whether it can be written to.

    Raises:
        ValueError: If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"{folder} must be a folder that you may write to ({error}).") from error


def new_folder(path: pathlib.Path) -> pathlib.Path:
    """Make a folder that nobody has made before, with a number after its name if need be."""
    folder, number = path, 1
    while True:
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
            folder = path.with_name(f"{path.name}-{number}")


@contextmanager
def lock_folder(folder: pathlib.Path) -> Iterator[None]:
    """Keep other processes that ask for the same out of a folder.

    The system gives it back even if the process is killed; an empty file `.lock` may stay.

    Raises:
        FileExistsError: If another process holds it.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise FileExistsError(
            f"another process is writing to {folder}: wait for it, or choose another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def leftovers(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return what a process that was killed has left half written."""
    return list(folder.glob(".*.tmp"))


def remove_leftovers(folder: pathlib.Path) -> None:
    """Remove the leftovers; call it under `lock_folder`, another process may be writing."""
    for path in leftovers(folder):
        path.unlink(missing_ok=True)


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Read a file of JSON that holds a dict.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged; the message names it.
    """
    try:
        content = json.loads(path.read_text())
    except ValueError as error:  # of text or of JSON
        raise ValueError(f"`{path}` is damaged ({error}).") from error
    if not isinstance(content, dict):
        raise ValueError(f"`{path}` is damaged: it must hold a dict, got {shown(content)}.")
    return content


def read_config(folder: pathlib.Path) -> dict[str, Any]:
    """Return what config.json of a run folder says, the module of its env imported.

    Raises:
        ValueError: If there is none, it is damaged, or its env cannot be imported.
    """
    path = folder / CONFIG
    try:
        config = read_json(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"{folder} must be the folder of a run: {path} is missing.") from error
    except OSError as error:
        raise ValueError(f"`{path}` cannot be read ({error}).") from error
    import_env_module(config.get("env_module"))
    return config


def write_json(path: Path, content: Any) -> None:
    """Write what JSON can hold, readably and atomically."""
    text = json.dumps(content, indent=2) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def is_finished(folder: pathlib.Path) -> bool:
    """Return whether a folder holds a run that has spent its whole budget.

    Raises:
        ValueError: If what it says of that is damaged.
    """
    path = folder / EVALUATION
    return path.exists() and not read_json(path).get("stopped_early", False)
