"""The trained models that come with the package, a zip for each task, and what they reach."""

import difflib
import json
from pathlib import Path
from typing import Any

from agents.files import write_atomically, write_json

FOLDER = Path(__file__).parents[1] / "pretrained"
INDEX = "index.json"


def pretrained_rows() -> dict[str, dict[str, Any]]:
    """Return what is known of each model: the row of results/paper.json that it was measured as."""
    return _read_index(FOLDER)


def pretrained_path(name: str) -> Path:
    """Return the file of a model.

    Args:
        name: Short name of a task.

    Raises:
        ValueError: If no model of that name comes with the package.
    """
    names = sorted(pretrained_rows())
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.3)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"a pretrained model must be one of {', '.join(names)}, got {name!r}.{hint}"
        )
    return FOLDER / f"{name}.zip"


def keep_if_better(row: dict[str, Any], model: Path, folder: Path | None = None) -> bool:
    """Ship a model in the place of the one of its task, if its validation error is lower.

    Args:
        row: Of results/paper.json.
        model: A file that `RAM.save` wrote, without its optimiser.
        folder: Where the shipped models are; those of the package if None.

    Returns:
        Whether it is shipped now.
    """
    folder = folder or FOLDER
    rows = _read_index(folder)
    shipped = rows.get(row["task"])
    if shipped is not None and shipped["validation_error"] <= row["validation_error"]:
        return False
    folder.mkdir(exist_ok=True)
    content = model.read_bytes()
    write_atomically(folder / f"{row['task']}.zip", lambda file: file.write(content))
    write_json(folder / INDEX, rows | {row["task"]: row})
    return True


def _read_index(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / INDEX
    return json.loads(path.read_text()) if path.exists() else {}
