"""Where does a result come from? Its images, machine, versions, and the commit of the source."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ram_env.data.datasets import SPLITS
from ram_env.games.game import Game

PACKAGES = ("torch", "stable-baselines3", "gymnasium", "numpy", "pillow")
SOURCE = Path(__file__).parents[2]
RESULTS = SOURCE / "results"


def describe_source(results: Path = RESULTS) -> dict[str, Any]:
    """Return all that a result depends on beside its own settings; see `current_commit`."""
    return {
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": describe_machine(),
        "commit": current_commit(results),
    }


def describe_data(task: Game) -> dict[str, Any]:
    """Return what tells the images of a task from others; `check_data` reads it."""
    return {"dataset_sha256": {split: task.digest(split) for split in SPLITS}}


def check_data(config: dict[str, Any], task: Game) -> None:
    """Raise ValueError if a task has other images than those that a run was trained on.

    The run's config.json says which; older ones do not.
    """
    expected = config.get("dataset_sha256", {}).get(task.split)
    found = task.digest(task.split)
    if expected not in (None, found):
        raise ValueError(
            f"`dataset` must hold the images of the run, {task.split} split of SHA-256 {expected}, "
            f"got others in {task.data_name!r}, of {found}: say by `dataset` or `data_dir` "
            "where those of the run are now, or train anew."
        )


def describe_machine() -> str:
    """Return processor and number of cores in one line."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    except OSError:
        pass  # not Linux: the short name must do
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def current_commit(results: Path = RESULTS) -> str | None:
    """Return the last commit of the source, with `-dirty` if it was changed; None without git.

    Args:
        results: The folder that results are written to: what changes there changes no source, and
            to commit it is no new source.
    """
    source = ["."]
    if results.resolve().is_relative_to(SOURCE.resolve()):
        source.append(f":(exclude){results.resolve().relative_to(SOURCE.resolve())}")
    try:
        commit = _output("git", "log", "-1", "--format=%h", "--abbrev=12", "--", *source)
        changes = _output("git", "status", "--porcelain", "--untracked-files=no", "--", *source)
        return f"{commit}-dirty" if changes else commit or None
    except (OSError, subprocess.CalledProcessError):
        return None


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=True)
    return done.stdout.strip()
