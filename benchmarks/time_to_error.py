"""Rows that are a whole training: seconds until the validation error is low enough."""

import csv
import functools
import json
import subprocess
import tempfile
from pathlib import Path

from benchmarks.process_rows import train_command
from benchmarks.timing import Settings


def seconds_to(settings: Settings, percent: float, device: str = "cpu") -> list[float]:
    """Measure the seconds of training until the validation error is `percent` or less.

    Args:
        settings: `episodes` is the budget, which all schedules run over; there is one repetition.
        percent: The error. It is looked at after every twentieth part of the budget, but at least
            10,000 episodes apart.
        device: Where the networks are.

    Raises:
        RuntimeError: If the error stays above it, or the training fails.
    """
    progress, _ = train_once(settings, device)
    return [read_seconds(progress, percent)]


def final_error(settings: Settings, device: str = "cpu") -> list[float]:
    """Return the test error in percent that the same training ends with."""
    _, error = train_once(settings, device)
    return [error]


@functools.cache
def train_once(settings: Settings, device: str) -> tuple[str, float]:
    """Train, once for all the rows of a process; return progress.csv and the test error."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        command = [*train_command(), "--env", "cluttered", "--dataset", settings.dataset]
        command += ["--episodes", str(settings.episodes), "--run-dir", str(run)]
        command += ["--processes", str(settings.cores), "--threads", "1"]
        command += ["--device", device]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"train.py failed with exit code {done.returncode}.")
        result = json.loads((run / "evaluation.json").read_text())
        return (run / "progress.csv").read_text(), float(result["error"])


def read_seconds(progress: str, percent: float) -> float:
    """Return `time/seconds` of the first row whose `validation/error` is `percent` or less.

    Raises:
        RuntimeError: If there is none.
    """
    rows = list(csv.DictReader(progress.splitlines()))
    errors = [(row, float(row["validation/error"])) for row in rows if row["validation/error"]]
    for row, error in errors:
        if error <= percent:
            return float(row["time/seconds"])
    lowest = min((error for _, error in errors), default=100.0)
    raise RuntimeError(
        f"the validation error never fell to {percent} %, only to {lowest} %: give more "
        "`--episodes`."
    )
