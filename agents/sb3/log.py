"""What does the log of a run hold, and how does it become the table `progress.csv`?"""

import csv
import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import KVWriter

from agents.base.files import write_atomically

COLUMNS = (  # every algorithm has these and adds its losses
    "time/episodes",
    "time/total_timesteps",
    "time/seconds",
    "rollout/error",
    "validation/error",
    "validation/error_low",
    "validation/error_high",
)


def seconds_trained(model: BaseAlgorithm) -> float:
    """Return how long a model has trained; RAM knows what lies before an interruption."""
    if hasattr(model, "seconds_trained"):
        return float(model.seconds_trained)
    return (time.time_ns() - model.start_time) / 1e9


def running_error(model: BaseAlgorithm) -> float | None:
    """Return the error of the latest episodes in percent, exploration included; None: none yet."""
    successes = model.ep_success_buffer
    return 100.0 * (1.0 - float(np.mean(successes))) if successes else None


def record_time(model: BaseAlgorithm, episodes: int) -> None:
    """Note how far training is, for the row of the log that is being written."""
    model.logger.record("time/episodes", episodes)
    model.logger.record("time/total_timesteps", model.num_timesteps, exclude="tensorboard")
    model.logger.record("time/seconds", seconds_trained(model))


def record_rollout(model: BaseAlgorithm, episodes: int) -> None:
    """Note how far training is, and the running error."""
    record_time(model, episodes)
    error = running_error(model)
    if error is not None:
        model.logger.record("rollout/error", error)


class ProgressCSV(KVWriter):
    """Write each row of the log as it comes; a value that a row lacks is an empty cell.

    Stable-Baselines3's own writer orders its columns anew in every process, and begins a new file.

    Args:
        path: The file.
        columns: Its columns; what else is logged is left out.
        keep: Which rows of an earlier file stay, all cells text; None: a new file.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        keep: Callable[[dict[str, str]], bool] | None = None,
    ) -> None:
        rows = [row for row in _read(path) if keep(row)] if keep is not None else []
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(path, lambda file: file.write(text.getvalue().encode()))
        self._file = path.open("a", newline="")
        self._writer = csv.DictWriter(self._file, columns, extrasaction="ignore")

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: dict[str, tuple[str, ...]],
        step: int = 0,
    ) -> None:
        """Append one row."""
        self._writer.writerow(key_values)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read(path: Path) -> list[dict[str, str]]:
    """Return the whole rows of a file; a kill can tear the last one."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]
