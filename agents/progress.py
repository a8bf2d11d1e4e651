"""`progress.csv`: the log of a run as a table with fixed columns."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter

from agents.files import write_atomically

COLUMNS = (
    "time/episodes",
    "time/total_timesteps",
    "time/seconds",
    "rollout/error",
    "validation/error",
    "validation/error_low",
    "validation/error_high",
    "train/classification_loss",
    "train/policy_loss",
    "train/baseline_loss",
    "train/learning_rate",
    "train/location_std",
)


class ProgressCSV(KVWriter):
    """Write each row of the log as it comes; a value that a row lacks is an empty cell.

    Stable-Baselines3's own writer orders its columns anew in every process, and begins a new file.

    Args:
        path: The file.
        keep: Which rows of an earlier file stay, all cells text; None: a new file.
    """

    def __init__(self, path: Path, keep: Callable[[dict[str, str]], bool] | None = None) -> None:
        """Open the file behind the rows that stay, or write its header."""
        rows = [row for row in _read(path) if keep(row)] if keep is not None else []
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(path, lambda file: file.write(text.getvalue().encode()))
        self._file = path.open("a", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS, extrasaction="ignore")

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
