"""The table of `agents.reproduce` on the disk: paper.json, paper.md and paper.png."""

import json
import os
import shlex
import statistics
import time
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from agents.files import write_atomically, write_json
from agents.paper_rows import Row

NAME = "paper"
VERSION = 1
OURS, THEIRS = "#0072B2", "#D55E00"
KEYS = ("name", "task", "preset", "gaze", "num_glimpses", "seed", "error", "low", "high")


class ReportError(Exception):
    """A results file that cannot be gone on with; nothing was overwritten."""


class Report:
    """The report in a folder; it is whole on the disk after every row.

    Args:
        folder: Where it shall be.
        order: Names of rows, in the order of the table.

    Attributes:
        rows: The finished rows by name, as paper.json has them; errors in percent.

    Raises:
        ReportError: If there is a report that is damaged or of another version.
    """

    def __init__(self, folder: Path, order: list[str]) -> None:
        """Go on with the report that is there."""
        self.path = folder / f"{NAME}.json"
        self._order = {name: number for number, name in enumerate(order)}
        self.rows: dict[str, dict[str, Any]] = {}
        if not self.path.exists():
            return
        try:
            content = json.loads(self.path.read_text())
            version, rows = content["version"], content["rows"]
            self.rows = {row["name"]: row for row in rows}
            complete = all(key in row for row in rows for key in KEYS)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReportError(
                f"`{self.path}` is damaged ({error!r}): mend it or move it away."
            ) from error
        if version != VERSION or not complete:
            raise ReportError(
                f"`{self.path}` must be of version {VERSION} with {', '.join(KEYS)} in each row, "
                f"got version {version}: move it away."
            )

    def add(self, row: Row, run: Path) -> dict[str, Any]:
        """Take in the finished run of a row and write the report; return the row."""
        config = json.loads((run / "config.json").read_text())
        result = json.loads((run / "evaluation.json").read_text())
        kept = ("num_scenes", "num_errors", "error_per_glimpse", "validation_error", "episodes")
        entry = {key: getattr(row, key) for key in KEYS[:6]}
        entry |= {key: result[key] for key in ("error", "low", "high", *kept)}
        entry |= {key: result[key] for key in ("parameters", "multiply_adds")}
        entry |= {
            "paper": row.paper,
            "minutes": round(result["training_seconds"] / 60.0, 1),
            "precision": config.get("precision", "float32"),
            "machine": config["machine"],
            "commit": config["commit"],
            "date": time.strftime("%Y-%m-%d"),
            "command": shlex.join(["python", *row.command(Path("runs", row.name))]),
        }
        self.rows[row.name] = entry
        self._write()
        return entry

    def _write(self) -> None:
        rows = sorted(self.rows.values(), key=lambda row: self._order.get(row["name"], 10**6))
        folder = self.path.parent
        os.makedirs(folder, exist_ok=True)
        write_json(self.path, {"version": VERSION, "rows": rows})
        text = describe_rows(rows).encode()
        write_atomically(folder / f"{NAME}.md", lambda file: file.write(text))
        figure = draw_rows(rows)
        write_atomically(
            folder / f"{NAME}.png", lambda file: figure.savefig(file, format="png", dpi=120)
        )


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
    lines += ["", "## Commands and machines", ""]
    lines += [
        f"- `{row['name']}`: `{row['command']}`; {row['machine']}, {row['precision']}, "
        f"{row['date']}"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _describe_seeds(rows: list[dict[str, Any]]) -> list[str]:
    """Return mean and spread of each row that was trained with several seeds."""
    groups: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("task", "preset", "gaze", "num_glimpses"))
        groups.setdefault(key, []).append(row["error"])
    lines = []
    for (task, preset, _, num_glimpses), errors in groups.items():
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
