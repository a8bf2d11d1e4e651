"""`progress.csv`: the log of a run as a table with fixed columns."""

import csv
from pathlib import Path
from typing import Any

from stable_baselines3.common.logger import KVWriter

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

    Stable-Baselines3's own writer orders its columns anew in every process.
    """

    def __init__(self, path: Path) -> None:
        """Open a new file and write its header."""
        self._file = path.open("w", newline="")
        self._writer = csv.DictWriter(self._file, COLUMNS, extrasaction="ignore")
        self._writer.writeheader()

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
