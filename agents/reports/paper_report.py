"""The table of `agents.reproduce` on the disk: paper.json, paper.md and paper.png."""

import shlex
import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from agents.reports.paper_rows import PaperRow
from agents.reports.table import Table, describe_commands

OURS, THEIRS = "#0072B2", "#D55E00"


class PaperTable(Table):
    """The paper's table; see `Table`."""

    NAME = "paper"
    VERSION = 1
    OF_ROW = ("task", "preset", "gaze", "num_glimpses", "seed")

    def entry(
        self, row: PaperRow, config: dict[str, Any], result: dict[str, Any]
    ) -> dict[str, Any]:
        """Return what paper.json alone holds of a row."""
        return {key: getattr(row, key) for key in self.OF_ROW} | {
            "settings": list(row.settings),
            "paper": row.paper,
            "multiply_adds": result["multiply_adds"],
            "command": shlex.join(["python", *row.command(Path("runs", row.name))]),
        }

    def describe(self, rows: list[dict[str, Any]]) -> str:
        """Return paper.md."""
        return describe_rows(rows)

    def draw(self, rows: list[dict[str, Any]]) -> Figure:
        """Return paper.png."""
        return draw_rows(rows)


def describe_rows(rows: list[dict[str, Any]]) -> str:
    """Return the table as a page of Markdown."""
    lines = [
        "# The paper's table",
        "",
        "Test error: one deterministic pass over the frozen test set of 10,000 scenes, the last "
        "weights of a budget fixed beforehand, with its Wilson 95 % interval. *Paper*: Mnih et "
        "al., NIPS 2014. Millions of multiply-adds per classified image. Written by "
        "`python -m agents.reproduce`.",
        "",
        "| row | test error | interval | paper | validation | episodes | minutes | parameters "
        "| multiply-adds | seed | commit |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for row in rows:
        paper = "" if row["paper"] is None else f"{row['paper']:.2f} %"
        lines.append(
            f"| `{row['name']}` | **{row['error']:.2f} %** | {row['low']:.2f} to {row['high']:.2f} "
            f"| {paper} | {row['validation_error']:.2f} % | {row['episodes']:,} | {row['minutes']} "
            f"| {row['parameters']:,} | {row['multiply_adds'] / 1e6:.2f} M | {row['seed']} "
            f"| {row['commit']} |"
        )
    lines += ["", *_describe_seeds(rows), "## Error after each glimpse, percent", ""]
    for row in rows:
        if row["num_glimpses"]:
            errors = ", ".join(f"{error:.2f}" for error in row["error_per_glimpse"])
            lines.append(f"- `{row['name']}`: {errors}")
    lines += ["", *describe_commands(rows)]
    return "\n".join(lines) + "\n"


def _describe_seeds(rows: list[dict[str, Any]]) -> list[str]:
    """Return mean and spread of each row that was trained with several seeds."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        facts = [row[name] for name in ("task", "preset", "gaze", "num_glimpses")]
        key = (*facts, *row.get("settings", []))  # rows of before it was noted down had none
        groups.setdefault(key, []).append(row["error"])
    lines = []
    for (task, preset, _, num_glimpses, *_), errors in groups.items():
        if len(errors) > 1:
            lines.append(
                f"`{task}`, preset `{preset}`, {num_glimpses} glimpses, {len(errors)} seeds: mean "
                f"{statistics.mean(errors):.2f} %, standard deviation "
                f"{statistics.stdev(errors):.2f} points."
            )
    return [*lines, ""] if lines else []


def draw_rows(rows: list[dict[str, Any]]) -> Figure:
    """Draw each row's error with its interval beside the paper's."""
    figure = Figure(figsize=(9, 1.4 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = range(len(rows))
    errors = [row["error"] for row in rows]
    reach = (
        [row["error"] - row["low"] for row in rows],
        [row["high"] - row["error"] for row in rows],
    )
    axes.errorbar(
        errors, places, xerr=reach, fmt="o", color=OURS, capsize=3, label="ours, 95 % interval"
    )
    theirs = [(row["paper"], place) for place, row in zip(places, rows, strict=True)]
    known = [(error, place) for error, place in theirs if error is not None]
    if known:
        x, y = zip(*known, strict=True)
        axes.plot(x, y, "D", color=THEIRS, markerfacecolor="none", label="paper (NIPS 2014)")
    axes.set_yticks(places, [row["name"] for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("test error / percent")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
