"""Where in a folder do the four IDX files of a data set lie? In any of their usual spellings."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from ram_env.arguments import shown, some_of
from ram_env.data.idx import IDX_FILES


def find_idx_sets(folder: str, below: Sequence[str]) -> list[dict[str, Path]]:
    """Return each whole set in a folder: its own alone, or those in folders below it.

    Args:
        folder: The folder.
        below: Where to look next, in this order: patterns of folders below it.

    Returns:
        At least one set: the path of each of the four `IDX_FILES`.

    Raises:
        ValueError: If `folder` cannot be listed or holds no whole set; it says what lies there.
    """
    try:
        held, own = sorted(os.listdir(folder)), find_idx_files(Path(folder))
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"the folder {shown(folder)} cannot be read ({reason})") from error
    sets = [own]
    if len(own) < len(IDX_FILES):
        for path in dict.fromkeys(path for one in below for path in sorted(Path(folder).glob(one))):
            with contextlib.suppress(OSError):  # a file, or a folder that is nobody's to read
                sets.append(find_idx_files(path))
    whole = [files for files in sets if len(files) == len(IDX_FILES)]
    if not whole:
        missing = [name for name in IDX_FILES if name not in max(sets, key=len)]
        raise ValueError(
            f"the folder {shown(folder)} lacks {', '.join(missing)} (plain or with .gz): it holds "
            f"{some_of(held)}"
        )
    return whole


def find_idx_files(folder: Path) -> dict[str, Path]:
    """Return those of the four `IDX_FILES` that `folder` holds.

    A plain file is preferred to one with `.gz`, and both to a file in a folder of its own name, as
    Kaggle packs them. A dot may stand for the second dash, and letters may be capital ones.

    Raises:
        OSError: If `folder` is missing, no folder, or cannot be read.
    """
    paths = _idx_entries(folder)
    files = [path for path in paths if not path.is_dir()]
    for path in paths:
        if path.is_dir():
            name = _usual_name(path)
            files += [file for file in _idx_entries(path) if _usual_name(file) == name]
    return {_usual_name(path): path for path in reversed(files)}


def _idx_entries(folder: Path) -> list[Path]:
    """Return what in a folder is named like one of `IDX_FILES`, the preferred spellings first."""
    paths = [path for path in folder.iterdir() if _usual_name(path) in IDX_FILES]
    return sorted(paths, key=lambda path: (path.suffix.lower() == ".gz", path.name))


def _usual_name(path: Path) -> str:
    """Return a name as `IDX_FILES` spells it: `Train-Images.idx3-ubyte.gz` without what differs."""
    return path.name.lower().removesuffix(".gz").replace(".", "-")
