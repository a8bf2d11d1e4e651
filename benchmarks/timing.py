"""What every measurement shares: its settings, its cores, its clock and its result."""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 2.0  # how long a repetition lasts at least
QUICK_SECONDS = 0.2
QUICK = "quick, not for publication"  # the words for such a value
# Not every system tells; then nothing is pinned.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@dataclass(frozen=True)
class Settings:
    """How a row is measured; the same on the command line.

    Attributes:
        cores: Processor cores that the measurement may use.
        repeats: Repetitions.
        quick: Short repetitions, to try things out; such values are not for publication.
        dataset: Whose images fill the scenes: `"mnist"` or `"digits"`.
        episodes: Budget of the rows that are a whole training.
    """

    cores: int = 1
    repeats: int = 5
    quick: bool = False
    dataset: str = "digits"
    episodes: int = 2_000_000

    @property
    def seconds(self) -> float:
        """How long a repetition lasts at least."""
        return QUICK_SECONDS if self.quick else SECONDS


@dataclass(frozen=True)
class Result:
    """The value of a row: the median of its repetitions, and their range."""

    name: str
    value: float
    low: float
    high: float
    unit: str
    cores: int
    repeats: int
    quick: bool = False
    note: str = ""

    def describe(self) -> str:
        """Return one line for people."""
        shown = f"{show(self.low)} to {show(self.high)}"
        note = f"; {self.note}" if self.note else ""
        return (
            f"{self.name:<36} {show(self.value):>10} {self.unit:<12} ({shown}; {self.repeats} "
            f"repetition{'s'[: self.repeats > 1]}, {self.cores} core{'s'[: self.cores > 1]}{note})"
        )


def show(value: float) -> str:
    """Return a number with three or four digits that count, thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def summarise(
    name: str, values: list[float], unit: str, settings: Settings, note: str = ""
) -> Result:
    """Return the median and the range of some repetitions."""
    notes = [note, QUICK if settings.quick else ""]
    return Result(
        name=name,
        value=statistics.median(values),
        low=min(values),
        high=max(values),
        unit=unit,
        cores=settings.cores,
        repeats=len(values),
        quick=settings.quick,
        note=", ".join(filter(None, notes)),
    )


def rates(work: Callable[[], int], settings: Settings) -> list[float]:
    """Do some work again and again: units of it per second, one value per repetition.

    Args:
        work: Does a piece of work, far shorter than a repetition, and returns how many units it
            was.
        settings: How many repetitions, how long.
    """
    work()  # caches and allocators are warm afterwards
    return [_rate(work, settings.seconds) for _ in range(settings.repeats)]


def _rate(work: Callable[[], int], seconds: float) -> float:
    started, units = time.perf_counter(), 0
    while True:
        units += work()
        elapsed = time.perf_counter() - started
        if elapsed >= seconds:
            return units / elapsed


def seconds_per_call(
    work: Callable[[], object], seconds: float, prepare: Callable[[], object] = lambda: None
) -> float:
    """Return the median duration of a call, from calls made for so long, at least three.

    Args:
        work: What is timed.
        seconds: How long, in all.
        prepare: What is done before each call, not timed.
    """
    prepare()
    work()  # caches and allocators are warm afterwards
    durations: list[float] = []
    while len(durations) < 3 or sum(durations) < seconds:
        prepare()
        started = time.perf_counter()
        work()
        durations.append(time.perf_counter() - started)
    return statistics.median(durations)


def available_cores() -> int:
    """Return how many processor cores this process may use, or might before it was pinned."""
    return len(CORES) or os.cpu_count() or 1


def pin(cores: int) -> None:
    """Keep this process, and those that it starts, on so many cores; where the system can.

    Torch reads the variable when it is imported: pin before that.
    """
    if CORES:
        os.sched_setaffinity(0, CORES[:cores])
    os.environ["OMP_NUM_THREADS"] = str(cores)
