"""A curve: how something grows. Made by measurements, kept as JSON, drawn as a panel."""

from dataclasses import dataclass
from typing import Any

from agents.base.figures import Axes, Figure, ticker

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
COLUMNS = 3


@dataclass(frozen=True)
class Curve:
    """Lines over the same x, all logarithmic.

    Attributes:
        name: Of the curve in the file.
        title: What it shows and what was held fixed.
        x_label: With the unit.
        y_label: With the unit.
        x: Ascending.
        lines: By what they are, as many values each as there are in `x`.
        crossings: Where the line of that name falls below the last one; None: nowhere.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    x: list[float]
    lines: dict[str, list[float]]
    crossings: dict[str, float | None] | None = None


def draw_curves(curves: list[Curve], title: str) -> Figure:
    """Draw a panel per curve."""
    num_rows = -(-len(curves) // COLUMNS)
    figure = Figure(figsize=(16, 4 * num_rows), layout="constrained")
    figure.suptitle(title, fontsize=10)
    panels: list[Any] = list(figure.subplots(num_rows, COLUMNS, squeeze=False).flat)
    for axes, curve in zip(panels, curves, strict=False):
        _draw_curve(axes, curve)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    return figure


def _draw_curve(axes: Axes, curve: Curve) -> None:
    for (name, values), color in zip(curve.lines.items(), COLORS, strict=False):
        crossing = (curve.crossings or {}).get(name)
        label = name
        if crossing is not None:
            axes.axvline(crossing, color=color, linestyle=":", linewidth=1)
            label = f"{name}: less from {crossing:.0f} on"
        axes.plot(curve.x, values, color=color, marker="o", markersize=4, label=label)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(ticker.FixedLocator(curve.x))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: f"{x:.0f}"))
    low, high = axes.get_ylim()
    axes.set_ylim(top=high * (high / low) ** 0.25)  # room for the legend
    many = high / low > 1000
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1,) if many else (1, 2, 5)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    thousands = ticker.EngFormatter(sep="")
    axes.yaxis.set_major_formatter(
        ticker.FuncFormatter(lambda y, _: thousands(y) if y >= 1000 else f"{y:g}")
    )
    axes.set_title(curve.title, fontsize=10)
    axes.set_xlabel(curve.x_label)
    axes.set_ylabel(curve.y_label)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
