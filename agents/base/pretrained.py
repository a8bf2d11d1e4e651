"""Which trained models come with the package, a zip for each task, and what do they reach?"""

import json
from pathlib import Path
from typing import Any

from ram_env.arguments import did_you_mean
from ram_env.games.record import TaskRecord
from ram_env.registration import SHORT_NAMES, TASKS

FOLDER = Path(__file__).parents[1] / "pretrained"
INDEX = "index.json"
# Tasks without an id of their own: that of another, but for some arguments.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "any": ("cluttered1000", {"canvas_range": [60, 4000], "num_scales": 10}),
}


def pretrained_rows(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """Return what is known of each model: the row of the paper's table that it was measured as.

    Args:
        folder: Where the models are; those of the package if None.
    """
    path = (folder or FOLDER) / INDEX
    return json.loads(path.read_text()) if path.exists() else {}


def pretrained_path(name: str) -> Path:
    """Return the file of a model.

    Args:
        name: That of its task.

    Raises:
        ValueError: If no model of that name comes with the package.
    """
    names = sorted(pretrained_rows())
    if name not in names:
        hint = did_you_mean(str(name), names)
        raise ValueError(
            f"a pretrained model must be one of {', '.join(names)}, got {name!r}.{hint}"
        )
    return FOLDER / f"{name}.zip"


def env_of_task(name: str) -> tuple[str, dict[str, Any]]:
    """Return the id of the env of a task, a short name or one of `VARIANTS`, and what differs."""
    own_env, changes = VARIANTS.get(name, (name, {}))
    return SHORT_NAMES[own_env], changes


def pretrained_task(name: str) -> TaskRecord:
    """Return what a model has learned: the files of the package do not say it themselves."""
    env_id, changes = env_of_task(name)
    return TaskRecord.from_json(
        {
            "env_id": env_id,
            "arguments": {"scenes": "canvas", "dataset": "mnist", **TASKS[env_id], **changes},
            "class_names": [str(digit) for digit in range(10)],
            "image_shape": [28, 28],
        }
    )
