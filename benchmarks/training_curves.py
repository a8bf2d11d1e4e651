"""Curves of the learner: images per second as episodes, batches and teams of processes grow."""

from collections.abc import Iterable
from typing import Any

from benchmarks.curve import Curve
from benchmarks.env_rows import CLUTTERED
from benchmarks.timing import Settings, available_cores, pin
from benchmarks.training_rows import training

PRESETS = ("paper", "default")
GLIMPSES = (1, 2, 4, 8, 16)
BATCHES = (32, 64, 128, 256, 512, 1024)


def training_curves(settings: Settings) -> Iterable[Curve]:
    """Measure the three curves, each as it is asked for; the last one widens the pinning."""
    yield training_curve(
        settings,
        "num_glimpses",
        "training over glimpses per image (cluttered, one core)",
        "glimpses per image",
        {number: {"num_glimpses": number} for number in GLIMPSES},
    )
    yield training_curve(
        settings,
        "batch_size",
        "training over batch size (cluttered, one core)",
        "episodes per gradient step",
        {number: {"batch_size": number} for number in BATCHES},
    )
    yield training_curve(
        settings,
        "cores",
        "training over cores, a process each (cluttered)",
        "cores",
        {number: {"processes": number} for number in core_counts(available_cores())},
    )


def core_counts(available: int) -> list[int]:
    """Return 1, 2, 4, ... up to the cores there are, but no more than share a batch well."""
    return [number for number in (1, 2, 4, 8, 16) if number <= available]


def training_curve(
    settings: Settings, name: str, title: str, x_label: str, points: dict[int, dict[str, Any]]
) -> Curve:
    """Measure one curve: a point for each value of x, made by its arguments of `training`."""
    lines: dict[str, list[float]] = {f"preset {preset}": [] for preset in PRESETS}
    for arguments in points.values():
        pin(arguments.get("processes", 1))
        for preset in PRESETS:
            (speed,) = training(settings, CLUTTERED, preset, "auto", **arguments)
            lines[f"preset {preset}"].append(speed)
    return Curve(name, title, x_label, "images per second", [float(x) for x in points], lines)
