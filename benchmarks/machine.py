"""Where and from what a measurement comes: machine, commit, versions, data and day."""

import os
import platform
import subprocess
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ram_env.datasets import load_dataset

SOURCE = Path(__file__).parent.parent
DIRTY = "-dirty"


def find_dataset() -> str:
    """Return whose images are at hand: `"mnist"`, or `"digits"` with a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        return load_dataset("auto", "train").name


def describe(dataset: str, out: Path) -> dict[str, Any]:
    """Return what the values depend on.

    Args:
        dataset: Whose images fill the scenes.
        out: The folder of the report; what changes there does not change the source.
    """
    from agents.run import PACKAGES, describe_machine  # loads torch

    return {
        "machine": describe_machine(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "dataset": dataset,
        "commit": source_commit(out),
        "date": time.strftime("%Y-%m-%d"),
    }


def source_commit(out: Path) -> str | None:
    """Return the commit of the source, with `-dirty` if more was changed than the folder `out`."""
    from agents.run import current_commit

    commit = current_commit()
    if commit is None or not commit.endswith(DIRTY):
        return commit
    command = ["git", "status", "--porcelain", "--untracked-files=no", "--", "."]
    if out.resolve().is_relative_to(SOURCE.resolve()):
        command.append(f":(exclude){out.resolve().relative_to(SOURCE.resolve())}")
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=True)
    return commit if done.stdout.strip() else commit.removesuffix(DIRTY)


def same_source(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether values from both can stand in one table: all but the day agrees."""
    return {**one, "date": None} == {**other, "date": None}
