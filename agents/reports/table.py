"""What is a table of runs on the disk, and how do the rows that it lacks come about?

A table is a folder: table.json has a row for each run, README.md and picture.png show them. All
three are whole again after every row. `agents.reproduce` and `agents.compare` fill one each.
"""

import argparse
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.base.figures import Figure, save_figure
from agents.base.files import (
    CONFIG,
    EVALUATION,
    lock_folder,
    make_folder,
    path_of,
    read_json,
    write_atomically,
    write_json,
)
from ram_env.arguments import did_you_mean

VERSION = 1
MEASURED = [  # what every table takes from evaluation.json
    *("error", "low", "high", "num_scenes", "num_errors", "error_per_glimpse"),
    *("validation_error", "episodes", "parameters"),
]
ONE_CORE = ("--processes", "1", "--threads", "1")  # options of `train.py`
MAX_BATCH = 1000  # episodes: a budget is rounded up to whole batches, each of fewer

Entry = dict[str, Any]  # a finished row as table.json has it; errors in percent


@dataclass(frozen=True)
class Row:
    """One row of a table: a run of one of the programs of this project."""

    name: str  # of its run folder too
    facts: Entry  # what tells it from other rows, as its entry has it
    command: str  # that makes its run, for people
    run: Callable[[Path], int]  # makes its run in a folder unless it is there: exit code


@dataclass(frozen=True)
class Table:
    """Which rows a table has, and how they are shown."""

    name: str  # of its folder
    rows: Mapping[str, Row]  # by name, in order
    describe: Callable[[Entry, Entry], Entry]  # config, evaluation -> what this table alone tells
    write: Callable[[list[Entry]], str]  # finished rows -> a page of Markdown
    draw: Callable[[list[Entry]], Figure]


def row_of_program(
    name: str, facts: Entry, program: str, main: Callable[[list[str]], int], words: list[str]
) -> Row:
    """Return the row that a program trains; `words` are its options but for the run folder."""
    return Row(
        name,
        facts,
        f"python {program} {shlex.join(words)} --run-dir runs/{name}",
        lambda folder: main([*words, "--run-dir", str(folder)]),
    )


def make_parser(prog: str, description: str, table: Table) -> argparse.ArgumentParser:
    """Declare the options of a program that fills a table."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add = parser.add_argument
    runs, names = Path("runs", table.name), ", ".join(table.rows)
    add("--rows", nargs="+", action="extend", metavar="NAME", help=f"(default: all) of {names}")
    add("--out", type=path_of, default=Path("results"), metavar="DIR", help="(default: results)")
    add("--runs", type=path_of, default=runs, metavar="DIR", help=f"(default: {runs})")
    return parser


def fill(
    table: Table,
    options: argparse.Namespace,
    finished: Callable[[Entry, Path], None] | None = None,
) -> int:
    """Make the rows that a table lacks, by the options of `make_parser`; return the exit code.

    `finished` is called with the entry of each new row and its run folder.

    Raises:
        ValueError: If there is no row of a name, the folder cannot be written to, or table.json is
            damaged, of another version or holds a row of other facts; nothing is overwritten.
        FileExistsError: If another process fills the table.
    """
    chosen = choose_rows(options.rows, table.rows)
    folder = options.out / table.name
    make_folder(folder)
    # Held to the end: two programs would each write the rows that they know of.
    with lock_folder(folder):
        entries = read_entries(table, folder)
        for row in chosen:
            if row.name in entries:
                check_facts(row, entries[row.name], folder)
                print(f"{row.name}: is in {folder} already", flush=True)
                continue
            run = options.runs / row.name
            code = row.run(run)
            if code:
                print(f"{row.name}: ended with exit code {code}.", flush=True)
                return code
            entry = make_entry(table, row, run)
            if finished:  # before it is in the table: what is there is not looked at again
                finished(entry, run)
            entries[row.name] = entry
            write_table(table, folder, entries)
            print(f"{row.name}: {entry['error']:.2f} % error, in {folder}", flush=True)
    return 0


def choose_rows(names: list[str] | None, rows: Mapping[str, Row]) -> list[Row]:
    """Return the rows of these names, each once; all if None."""
    for name in names or ():
        if name not in rows:
            hint = did_you_mean(name, rows)
            raise ValueError(f"`--rows` must be of {', '.join(rows)}, got {name!r}.{hint}")
    return [rows[name] for name in dict.fromkeys(names or rows)]


def read_entries(table: Table, folder: Path) -> dict[str, Entry]:
    """Return the finished rows by name, and write anew what shows them."""
    path = folder / "table.json"
    if not path.exists():
        return {}
    content = read_json(path)
    if content.get("version") != VERSION:
        raise ValueError(
            f"`{path}` must be of version {VERSION}, got {content.get('version')!r}: move it away."
        )
    try:
        entries = {entry["name"]: entry for entry in content["rows"]}
        write_table(table, folder, entries)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"`{path}` is damaged ({error!r}): mend it or move it away.") from error
    return entries


def check_facts(row: Row, entry: Entry, folder: Path) -> None:
    """Refuse a row in the table that is another one by now; older rows lack some of the facts."""
    for name, value in row.facts.items():
        found = entry.get(name, value)
        same = value <= found < value + MAX_BATCH if name == "episodes" else found == value
        if not same:
            raise ValueError(
                f"row {row.name!r} in {folder} must have {name} {value!r}, got {found!r}: take it "
                "out of there to make it anew, or choose another `--out`."
            )


def make_entry(table: Table, row: Row, run: Path) -> Entry:
    """Return what table.json holds of the finished run of a row."""
    config, result = read_json(run / CONFIG), read_json(run / EVALUATION)
    return {
        "name": row.name,
        **row.facts,
        **table.describe(config, result),
        "command": row.command,
        **{key: result[key] for key in MEASURED},
        "minutes": round(result["training_seconds"] / 60.0, 1),
        "precision": in_turn(config, "precision", "float32"),
        "processes": config.get("processes", 1),
        "machine": in_turn(config, "machine"),
        "gpu": in_turn(config, "gpu"),
        "commit": in_turn(config, "commit"),
        "date": time.strftime("%Y-%m-%d"),
    }


def in_turn(config: Entry, key: str, default: str | None = None) -> str | None:
    """Return what config.json says of a run; if it was resumed elsewhere, of all its parts."""
    parts = [config, *config.get("resumed", [])]
    values = list(dict.fromkeys(part.get(key, default) for part in parts))
    if len(values) == 1:
        return values[0]
    return ", then ".join("none" if value is None else str(value) for value in values)


def write_table(table: Table, folder: Path, entries: dict[str, Entry]) -> None:
    """Write table.json, README.md and picture.png, rows in the table's order."""
    order = {name: number for number, name in enumerate(table.rows)}
    rows = sorted(entries.values(), key=lambda entry: order.get(entry["name"], len(order)))
    page = table.write(rows).encode()
    write_json(folder / "table.json", {"version": VERSION, "rows": rows})
    write_atomically(folder / "README.md", lambda file: file.write(page))
    save_figure(folder / "picture.png", lambda: table.draw(rows))


def describe_commands(rows: list[Entry]) -> list[str]:
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
