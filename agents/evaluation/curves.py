"""How did a run learn? A picture of its errors and losses over its episodes."""

import csv
from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.base.figures import Axes, Figure, save_figure, ticker
from agents.base.files import Path

EPISODES = "time/episodes"
ERROR_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # percent
BLUE, RED, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
LOSSES = {"classification": BLUE, "policy": RED, "policy_gradient": RED, "actor": RED}
LOSSES |= {"baseline": GREEN, "value": GREEN, "critic": GREEN, "entropy": PURPLE}


def save_curves(path: Path, progress_csv: Path, title: str) -> None:
    """Save a PNG with the errors and the losses of a run over its episodes.

    Columns and cells of its log, progress.csv, may be missing; the title is one line.
    """
    columns = _read_columns(progress_csv)
    save_figure(path, lambda: _draw_curves(columns, title))


def show_ticks(axis: Any, ticks: Sequence[float], style: str = "%g") -> None:
    """Let an axis have ticks at these numbers alone, written in this style."""
    axis.set_major_locator(ticker.FixedLocator(ticks))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FormatStrFormatter(style))


def _draw_curves(columns: dict[str, np.ndarray], title: str) -> Figure:
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    figure.suptitle(title)
    error_axes, loss_axes = figure.subplots(1, 2)
    _plot_errors(error_axes, columns)
    for name, color in LOSSES.items():
        label = name.replace("_", " ")
        _plot(loss_axes, columns, f"train/{name}_loss", color=color, label=label)
    loss_axes.set_title("losses")
    for axes in (error_axes, loss_axes):
        axes.set_xlabel("episodes")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(ticker.EngFormatter(sep=""))
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    return figure


def _read_columns(path: Path) -> dict[str, np.ndarray]:
    """Read the columns of a CSV file as float64; what is empty or torn is NaN."""
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or ()
        rows = list(reader)
    return {name: np.array([_to_float(row[name]) for row in rows]) for name in names}


def _to_float(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return float("nan")


def _plot(axes: Axes, columns: dict[str, np.ndarray], name: str, **style: Any) -> None:
    """Plot a column over the episodes where it has values; a single value as a point."""
    if not {name, EPISODES} <= columns.keys():
        return
    known = np.isfinite(columns[name])
    marker = "." if known.sum() == 1 else ""
    if known.any():
        axes.plot(columns[EPISODES][known], columns[name][known], **{"marker": marker, **style})


def _plot_errors(axes: Axes, columns: dict[str, np.ndarray]) -> None:
    """Plot the training error as a line, the validation error as points with their intervals."""
    _plot(axes, columns, "rollout/error", color="#868E96", label="training, running mean")
    style = {"color": BLUE, "marker": "o", "ms": 4, "label": "validation, 95 % interval"}
    _plot(axes, columns, "validation/error", **style)
    low, high = "validation/error_low", "validation/error_high"
    if {EPISODES, low, high} <= columns.keys():
        axes.vlines(columns[EPISODES], columns[low], columns[high], color=BLUE)
    axes.set_title("error")
    axes.set_yscale("log")
    lowest, _ = axes.get_ylim()
    bottom = max((tick for tick in ERROR_TICKS[:-1] if tick <= lowest), default=lowest)
    axes.set_ylim(bottom, 100)  # so that two ticks are in sight
    show_ticks(axes.yaxis, ERROR_TICKS, "%g %%")
