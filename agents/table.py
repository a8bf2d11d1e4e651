"""Tables of trained rows: each row is one run, and is on the disk as soon as it is finished.

`agents.reproduce` and `agents.compare` each fill one; what is special about a table is its rows and
how they are shown.
"""

import argparse
import difflib
import json
import os
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from agents.files import write_atomically, write_json

ROOT = Path(__file__).parent.parent


class Row(Protocol):
    """One row of a table: a run of a program of this project."""

    @property
    def name(self) -> str:
        """Of the row."""

    @property
    def resumes(self) -> bool:
        """Whether its run can go on after an interruption; else it begins anew."""

    def command(self, folder: Path) -> list[str]:
        """Return the arguments of Python that train the row into a folder."""


class TableError(Exception):
    """A results file that cannot be gone on with; nothing was overwritten."""


class Table(ABC):
    """A table in a folder: NAME.json, NAME.md and NAME.png, whole on the disk after every row.

    Args:
        folder: Where it shall be.
        order: Names of rows, in the order of the table.

    Attributes:
        rows: The finished rows by name, as the JSON file has them; errors in percent.

    Raises:
        TableError: If there is a table that is damaged or of another version.
    """

    NAME: str
    VERSION: int
    KEYS: tuple[str, ...]  # that every row has

    def __init__(self, folder: Path, order: list[str]) -> None:
        """Go on with the table that is there."""
        self.path = folder / f"{self.NAME}.json"
        self._order = {name: number for number, name in enumerate(order)}
        self.rows: dict[str, dict[str, Any]] = {}
        if not self.path.exists():
            return
        try:
            content = json.loads(self.path.read_text())
            version, rows = content["version"], content["rows"]
            self.rows = {row["name"]: row for row in rows}
            complete = all(key in row for row in rows for key in self.KEYS)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TableError(
                f"`{self.path}` is damaged ({error!r}): mend it or move it away."
            ) from error
        if version != self.VERSION or not complete:
            raise TableError(
                f"`{self.path}` must be of version {self.VERSION} with {', '.join(self.KEYS)} in "
                f"each row, got version {version}: move it away."
            )

    @abstractmethod
    def entry(self, row: Any, config: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """Return what the JSON file holds of a row besides what every table tells of it.

        Args:
            row: The row.
            config: What config.json of its run says.
            result: What evaluation.json of its run says.
        """

    @abstractmethod
    def describe(self, rows: list[dict[str, Any]]) -> str:
        """Return the table as a page of Markdown."""

    @abstractmethod
    def draw(self, rows: list[dict[str, Any]]) -> Figure:
        """Return the table as a picture."""

    def entry_of(self, row: Row, run: Path) -> dict[str, Any]:
        """Return what the table shall hold of the finished run of a row."""
        config = json.loads((run / "config.json").read_text())
        result = json.loads((run / "evaluation.json").read_text())
        entry = {"name": row.name, **self.entry(row, config, result)}
        kept = ("error", "low", "high", "num_scenes", "num_errors", "error_per_glimpse")
        entry |= {key: result[key] for key in (*kept, "validation_error", "episodes")}
        entry |= {
            "minutes": round(result["training_seconds"] / 60.0, 1),
            "parameters": result["parameters"],
            "precision": in_turn(config, "precision", "float32"),
            "processes": config.get("processes", 1),
            "machine": in_turn(config, "machine"),
            "gpu": in_turn(config, "gpu"),
            "commit": in_turn(config, "commit"),
            "date": time.strftime("%Y-%m-%d"),
        }
        return entry

    def add(self, entry: dict[str, Any]) -> None:
        """Take in a row and write the table."""
        self.rows[entry["name"]] = entry
        self._write()

    def _write(self) -> None:
        rows = sorted(self.rows.values(), key=lambda row: self._order.get(row["name"], 10**6))
        folder = self.path.parent
        os.makedirs(folder, exist_ok=True)
        write_json(self.path, {"version": self.VERSION, "rows": rows})
        text = self.describe(rows).encode()
        write_atomically(folder / f"{self.NAME}.md", lambda file: file.write(text))
        figure = self.draw(rows)
        write_atomically(
            folder / f"{self.NAME}.png", lambda file: figure.savefig(file, format="png", dpi=120)
        )


def in_turn(config: dict[str, Any], key: str, default: str | None = None) -> str | None:
    """Return what config.json says of a run; if it was resumed elsewhere, of all its parts."""
    parts = [config, *config.get("resumed", [])]
    values = list(dict.fromkeys(part.get(key, default) for part in parts))
    return ", then ".join(map(str, values)) if len(values) > 1 else values[0]


def describe_commands(rows: list[dict[str, Any]]) -> list[str]:
    """Return lines of Markdown that say where each row comes from."""
    lines = ["## Commands and machines", ""]
    for row in rows:
        processes = row.get("processes", 2)  # rows of before it was noted down had two
        gpu = f", {row['gpu']}" if row.get("gpu") else ""
        lines.append(
            f"- `{row['name']}`: `{row['command']}`; {row['machine']}{gpu}, {processes} "
            f"process{'es' if processes > 1 else ''}, {row['precision']}, {row['date']}"
        )
    return lines


def make_parser(
    program: str, description: str, rows: Mapping[str, Row], runs: Path
) -> argparse.ArgumentParser:
    """Declare the options of a program that fills a table.

    Args:
        program: Its module.
        description: What it does.
        rows: All rows by name.
        runs: Where their run folders are by default.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    add = parser.add_argument
    add("--rows", nargs="+", metavar="NAME", help=f"(default: all) of {', '.join(rows)}")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="(default: results)")
    add("--runs", type=Path, default=runs, metavar="DIR", help=f"(default: {runs})")
    return parser


def fill(
    make_table: Callable[[Path, list[str]], Table],
    rows: Mapping[str, Row],
    parser: argparse.ArgumentParser,
    arguments: list[str] | None,
    finished: Callable[[Any, dict[str, Any], Path], None] = lambda row, entry, run: None,
) -> int:
    """Train the rows that a command line asks for and the table lacks; return the exit code.

    Args:
        make_table: Goes on with the table in a folder, rows in the order given.
        rows: All rows by name.
        parser: Of `make_parser`.
        arguments: Of the command line; None: of this process.
        finished: Called with each new row, what the table holds of it, and its run folder.
    """
    options = parser.parse_args(arguments)
    try:
        chosen = choose_rows(options.rows or list(rows), rows)
        table = make_table(options.out, list(rows))
    except (TableError, ValueError) as error:
        parser.error(str(error))
    for row in chosen:
        if row.name in table.rows:
            print(f"{row.name}: is in {table.path} already", flush=True)
            continue
        folder = options.runs / row.name
        code = train(row, folder)
        if code:
            print(f"{row.name}: the training ended with exit code {code}.", file=sys.stderr)
            return code
        entry = table.entry_of(row, folder)
        finished(row, entry, folder)  # first: a row in the table is not looked at again
        table.add(entry)
        print(f"{row.name}: {entry['error']:.2f} % error, in {table.path}", flush=True)
    return 0


def choose_rows(names: list[str], rows: Mapping[str, Row]) -> list[Row]:
    """Return the rows of these names.

    Raises:
        ValueError: If there is none of a name; the message tells the nearest.
    """
    for name in names:
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=1, cutoff=0.3)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"`--rows` must be of {', '.join(rows)}, got {name!r}.{hint}")
    return [rows[name] for name in dict.fromkeys(names)]


def train(row: Row, folder: Path) -> int:
    """Train a row unless its folder holds the finished run; return the exit code."""
    if is_finished(folder):
        return 0
    folder_option = Path(os.path.relpath(folder, ROOT))  # for the command that the run notes down
    arguments = row.command(folder_option)
    if (folder / "config.json").exists():  # it was interrupted
        if row.resumes:
            arguments = ["train.py", "--resume", str(folder_option)]
        else:
            shutil.rmtree(folder)  # it is short, and begins anew
    return run_program(arguments)


def run_program(arguments: list[str]) -> int:
    """Run Python with these arguments to its end, also after Ctrl-C; return the exit code."""
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                pass  # it reaches the program too, which saves what it has and ends


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds a run that has spent its whole budget."""
    try:
        result = json.loads((folder / "evaluation.json").read_text())
    except FileNotFoundError:
        return False
    return not result.get("stopped_early", False)
