"""Rows measured here, and in a process of their own."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from benchmarks.rows import make_row
from benchmarks.timing import Result, Settings, pin, summarise

CURVES = "curves"  # what stands for them where rows have names


class MeasurementError(Exception):
    """The process that measured some rows failed; it has said why on stderr.

    Attributes:
        is_usage: Whether it was asked for something impossible.
    """

    def __init__(self, names: list[str], code: int) -> None:
        """Keep what went wrong."""
        super().__init__(f"{', '.join(names)}: the process ended with exit code {code}")
        self.is_usage = code == 2


def measure_here(names: list[str], settings: Settings) -> bool:
    """Measure rows in this process; print each as one line of JSON as soon as it is there.

    Returns:
        Whether all could be measured; of those that could not, the reason is on stderr.
    """
    pin(settings.cores)
    failed = False
    with stdout_of_our_own() as lines:
        for name in names:
            row = make_row(name)
            try:
                values = row.values(settings)
            except RuntimeError as error:  # the message says it all
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                failed = True
                continue
            note = "" if row.is_short else f"budget of {settings.episodes:,} episodes"
            result = summarise(name, values, row.unit, settings, note)
            print(json.dumps(dataclasses.asdict(result)), file=lines, flush=True)
    return not failed


@contextlib.contextmanager
def stdout_of_our_own() -> Iterator[IO[str]]:
    """Yield the standard output; what anything else prints, in whatever way, goes to stderr."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    try:
        with open(own, "w", closefd=False) as file, contextlib.redirect_stdout(sys.stderr):
            yield file
    finally:
        os.dup2(own, 1)
        os.close(own)


def measure_apart(names: list[str], settings: Settings) -> Iterator[Result]:
    """Measure rows in a new process; yield each as soon as it is there.

    Raises:
        MeasurementError: If the process fails.
    """
    command = [sys.executable, "-m", "benchmarks", "--measure", *names]
    command += ["--quick"] if settings.quick else []
    for option in ("cores", "repeats", "dataset", "episodes"):
        command += [f"--{option}", str(getattr(settings, option))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield Result(**json.loads(line))
    if process.returncode:
        raise MeasurementError(names, process.returncode)


def curves_apart(folder: Path, settings: Settings) -> None:
    """Measure how cost grows in a new process, which writes curves.json and .png to a folder.

    Raises:
        MeasurementError: If the process fails.
    """
    command = [sys.executable, "-m", "benchmarks.curves", "--out", str(folder)]
    command += ["--dataset", settings.dataset, *["--quick"][: settings.quick]]
    code = subprocess.run(command, check=False).returncode
    if code:
        raise MeasurementError([CURVES], code)
