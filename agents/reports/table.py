"""Tables of trained rows: each row is one run, and is on the disk as soon as it is finished.

`agents.reproduce` and `agents.compare` each fill one; what is special about a table is its rows and
how they are shown.
"""

import argparse
import difflib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from matplotlib.figure import Figure

from agents.files import (
    CONFIG,
    EVALUATION,
    is_finished,
    lock_folder,
    make_folder,
    read_json,
    write_atomically,
    write_json,
)

ROOT = Path(__file__).parents[2]


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

    def __init__(self, folder: Path, order: list[str]) -> None:
        """Go on with the table that is there."""
        self.path = folder / f"{self.NAME}.json"
        self._order = {name: number for number, name in enumerate(order)}
        self.rows: dict[str, dict[str, Any]] = {}
        if not self.path.exists():
            return
        try:
            content = read_json(self.path)
        except (OSError, ValueError) as error:  # its message names the file
            raise TableError(f"{str(error).removesuffix('.')}: mend it or move it away.") from error
        try:
            version, rows = content["version"], [dict(row) for row in content["rows"]]
            self.rows = {row["name"]: row for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise TableError(
                f"`{self.path}` is damaged ({error!r}): mend it or move it away."
            ) from error
        if version != self.VERSION:
            raise TableError(
                f"`{self.path}` must be of version {self.VERSION}, got {version!r}: move it away."
            )
        for row in rows:
            try:
                self.describe([row])  # asks for all that a row must have
            except (KeyError, TypeError, ValueError) as error:
                raise TableError(
                    f"`{self.path}` is damaged, in row {row['name']!r} ({error!r}): mend it or "
                    "move it away."
                ) from error

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
        config, result = read_json(run / CONFIG), read_json(run / EVALUATION)
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
        folder, text, figure = self.path.parent, self.describe(rows).encode(), self.draw(rows)
        write_json(self.path, {"version": self.VERSION, "rows": rows})
        write_atomically(folder / f"{self.NAME}.md", lambda file: file.write(text))
        write_atomically(
            folder / f"{self.NAME}.png", lambda file: figure.savefig(file, format="png", dpi=120)
        )


def in_turn(config: dict[str, Any], key: str, default: str | None = None) -> str | None:
    """Return what config.json says of a run; if it was resumed elsewhere, of all its parts."""
    parts = [config, *config.get("resumed", [])]
    values = list(dict.fromkeys(part.get(key, default) for part in parts))
    if len(values) == 1:
        return values[0]
    return ", then ".join("none" if value is None else str(value) for value in values)


def describe_commands(rows: list[dict[str, Any]]) -> list[str]:
    """Return lines of Markdown that say where each row comes from."""
    lines = ["## Commands and machines", ""]
    for row in rows:
        processes = row["processes"]
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
    names = ", ".join(rows)
    add("--rows", nargs="+", action="extend", metavar="NAME", help=f"(default: all) of {names}")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="(default: results)")
    add("--runs", type=Path, default=runs, metavar="DIR", help=f"(default: {runs})")
    return parser


def fill(
    make_table: Callable[[Path, list[str]], Table],
    rows: Mapping[str, Row],
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    finished: Callable[[Any, dict[str, Any], Path], None] = lambda row, entry, run: None,
) -> int:
    """Train the rows that a command line asks for and the table lacks; return the exit code.

    Args:
        make_table: Goes on with the table in a folder, rows in the order given.
        rows: All rows by name.
        parser: Of `make_parser`.
        options: What it has read.
        finished: Called with each new row, what the table holds of it, and its run folder.
    """
    try:
        chosen = choose_rows(options.rows or list(rows), rows)
        make_folder(options.out, "--out")
        # Held to the end: two programs would each write the rows that they know of.
        with lock_folder(options.out, "--out"):
            table = make_table(options.out, list(rows))
            return _fill(table, chosen, options.runs, finished)
    except (TableError, ValueError, FileExistsError) as error:
        parser.error(str(error))


def _fill(
    table: Table,
    chosen: list[Row],
    runs: Path,
    finished: Callable[[Any, dict[str, Any], Path], None],
) -> int:
    """Train the rows that a table lacks; see `fill`."""
    for row in chosen:
        folder = runs / row.name
        if row.name in table.rows:
            check_command(
                str(table.rows[row.name].get("command")),
                row.command(folder),
                f"row {row.name!r} of {table.path} must be",
                "take it out of there to train it anew, or choose another `--out`",
            )
            print(f"{row.name}: is in {table.path} already", flush=True)
            continue
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
    """Train a row unless its folder holds the finished run; return the exit code.

    Raises:
        TableError: If the folder holds the run of another command.
        FileExistsError: If a program that was left behind still writes to it.
    """
    folder_option = Path(os.path.relpath(folder, ROOT))  # for the command that the run notes down
    arguments = row.command(folder_option)
    if (folder / CONFIG).exists():
        check_command(
            str(read_json(folder / CONFIG).get("command")),
            arguments,
            f"{folder} must hold",
            "move it away or choose other `--runs`",
        )
        if is_finished(folder):
            return 0
        if row.resumes:  # it was interrupted
            arguments = ["train.py", "--resume", str(folder_option)]
        else:
            with lock_folder(folder, "--runs"):
                shutil.rmtree(folder)  # it is short, and begins anew
    return run_program(arguments)


def check_command(given: str, arguments: list[str], what: str, advice: str) -> None:
    """Refuse the run of another command: it would stand in the table as this row.

    Args:
        given: The command of the run.
        arguments: Of Python, that train the row.
        what: Beginning of the message, "... must be": what is the run of a command.
        advice: End of the message: what to do.

    Raises:
        TableError: If the commands differ by more than the run folder.
    """
    command = shlex.join(["python", *arguments])
    if _without_folder(given) != _without_folder(command):
        raise TableError(f"{what} the run of `{command}`, got that of `{given}`: {advice}.")


def _without_folder(command: str) -> list[str]:
    """Return the words of a command that trains, but for the folder that it trains into."""
    words = shlex.split(command)
    place = words.index("--run-dir") if "--run-dir" in words else len(words)
    return words[:place] + words[place + 2 :]


def run_program(arguments: list[str]) -> int:
    """Run Python with these arguments to its end; return the exit code.

    A signal to stop reaches the program too, which saves what it has and ends: Ctrl-C by itself.
    """
    with subprocess.Popen([sys.executable, *arguments], cwd=ROOT) as process:
        before = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    pass
        finally:
            signal.signal(signal.SIGTERM, before)
