"""How are the measured rows written down? As table.json, README.md and picture.png."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

from agents.base.figures import Axes, Figure, save_figure
from agents.base.files import write_atomically, write_json
from benchmarks.machine import same_source
from benchmarks.rows import ROWS, make_row
from benchmarks.timing import QUICK, Result, show

COLOR = "#0072B2"
ROW_INCHES, PANEL_INCHES = 0.3, 0.75


class Report:
    """The report in a folder; it is whole on the disk after every row.

    Args:
        folder: Where it shall be; must exist.
        machine: Of `machine.describe`.
        quick: Whether its values are not for publication.

    Attributes:
        notes: Why an earlier report in the folder cannot be gone on with; empty if it is, or there
            is none.
    """

    def __init__(self, folder: Path, machine: dict[str, Any], quick: bool = False) -> None:
        """Go on with the report that is there if its values come from the same source."""
        self.folder, self.machine = folder, machine
        self.notes, self._results, self._quick = "", dict[str, Result](), quick
        path = folder / "table.json"
        if not path.exists():
            return
        try:
            content = json.loads(path.read_text())
            results = [Result(**row) for row in content["rows"]]
            results = [row for row in results if row.name in ROWS or ":" in row.name]
            fits = same_source(content["machine"], machine)
        except (ValueError, KeyError, TypeError, AttributeError):
            self.notes = f"{path} is damaged"
            return
        if not fits:
            self.notes = f"{path} is of another machine or commit"
        elif any(result.quick != quick for result in results):
            self.notes = f"{path} is of {'longer' if quick else 'quick'} repetitions"
        else:
            self._results = {result.name: result for result in results}

    @property
    def results(self) -> list[Result]:
        """The rows in the order of the table, those of other envs last."""
        order = {name: number for number, name in enumerate(ROWS)}
        return sorted(self._results.values(), key=lambda row: order.get(row.name, len(order)))

    def add(self, result: Result) -> None:
        """Take in a row, in the place of an earlier one of that name, and write the report."""
        self._results[result.name] = result
        rows = [dataclasses.asdict(row) for row in self.results]
        content = {"version": 1, "machine": self.machine, "rows": rows}
        write_json(self.folder / "table.json", content)
        text = describe_report(self.machine, self.results).encode()
        write_atomically(self.folder / "README.md", lambda file: file.write(text))
        title = headline(self.machine, self._quick)
        save_figure(self.folder / "picture.png", lambda: draw_results(self.results, title))


def headline(machine: dict[str, Any], quick: bool = False) -> str:
    """Return machine, commit and day in one line, and whether the values are quick ones."""
    commit = machine["commit"] or "unknown"
    gpu = f", {machine['gpu']}" if machine.get("gpu") else ""
    note = f"; {QUICK}" if quick else ""
    return f"{machine['machine']}{gpu}; commit {commit}; {machine['date']}{note}"


def describe_report(machine: dict[str, Any], results: list[Result]) -> str:
    """Return the report as a page of Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    lines = [
        "# Speed",
        "",
        f"Measured by `python -m benchmarks` on {headline(machine)}; {machine['system']}, Python "
        f"{machine['python']}, {versions}; images of {machine['dataset']}. The value is the median "
        "of the repetitions; each row has a process of its own, pinned to the cores named.",
        "",
        "| row | median | range | unit | cores | repetitions | what |",
        "|---|--:|--:|---|--:|--:|---|",
    ]
    for row in results:
        meaning = make_row(row.name).meaning + (f"; {row.note}" if row.note else "")
        lines.append(
            f"| `{row.name}` | {show(row.value)} | {show(row.low)} to {show(row.high)} "
            f"| {row.unit} | {row.cores} | {row.repeats} | {meaning} |"
        )
    return "\n".join(lines) + "\n"


def draw_results(results: list[Result], title: str) -> Figure:
    """Draw a bar with its range for every row, one panel per unit."""
    units = list(dict.fromkeys(row.unit for row in results))
    groups = [[row for row in results if row.unit == unit] for unit in units]
    inches = [PANEL_INCHES + ROW_INCHES * len(group) for group in groups]
    figure = Figure(figsize=(9, sum(inches) + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=9)
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=inches)
    for axes, group in zip(itertools.chain(*panels), groups, strict=True):
        _draw_panel(axes, group)
    return figure


def _draw_panel(axes: Axes, group: list[Result]) -> None:
    values = [row.value for row in group]
    reach = ([row.value - row.low for row in group], [row.high - row.value for row in group])
    cores = [f"{row.name} ({row.cores} core{'s'[: row.cores > 1]})" for row in group]
    bars = axes.barh(cores, values, color=COLOR, alpha=0.75, xerr=reach, capsize=3)
    axes.bar_label(bars, [show(value) for value in values], padding=8, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.15 * max(row.high for row in group))
    axes.set_xlabel(f"{group[0].unit}: median and range of the repetitions", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
