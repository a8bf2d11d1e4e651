"""Faults really tried: `python -m benchmarks.faults`, or `make faults`.

Runs the tests with the marker `fault` in their long form, which takes about an hour, and leaves
table.json, README.md and picture.png in results/faults: how many faults of each kind were tried,
survived and lost.
Arguments for pytest, such as a file of tests, choose some of them; the rows of the others stay.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from agents.base.figures import Figure, save_figure
from agents.base.files import make_folder, path_of, read_json, write_atomically, write_json
from benchmarks.machine import describe

ROOT = Path(__file__).parent.parent
STEPS = 10_000_000  # of random games under a referee
LONG = {"RAM_ENV_LONG": "1", "RAM_ENV_SOAK_STEPS": str(STEPS)}


def try_faults(arguments: list[str], is_long: bool) -> list[dict[str, Any]]:
    """Run the tests that try faults; return one entry per fault.

    Args:
        arguments: More of pytest.
        is_long: Whether in the long form.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "faults.json")
        environment = {**os.environ, "RAM_ENV_FAULTS": str(path), **(LONG if is_long else {})}
        subprocess.run(
            [sys.executable, "-m", "pytest", "-m", "fault", *arguments], cwd=ROOT, env=environment
        )
        faults: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return faults


def count(faults: list[dict[str, Any]], facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Count what was tried, survived and lost, by kind; a test that was skipped tried nothing.

    Args:
        faults: From `try_faults`.
        facts: That hold for all of them, to be part of each row.
    """
    kinds = dict.fromkeys(fault["name"] for fault in faults)
    rows = []
    for kind in kinds:
        of_kind = [fault for fault in faults if fault["name"] == kind and not fault["skipped"]]
        survived = sum(fault["survived"] for fault in of_kind)
        rows.append(
            {
                "name": kind,
                "tried": len(of_kind),
                "survived": survived,
                "lost": len(of_kind) - survived,
                "seconds": round(sum(fault["seconds"] for fault in of_kind), 1),
                **facts,
            }
        )
    return rows


def merge(rows: list[dict[str, Any]], old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of an earlier report with the new ones in the place of their kind."""
    new = {row["name"]: row for row in rows}
    kept = [new.pop(row["name"], row) for row in old]
    return [*kept, *new.values()]


def describe_rows(rows: list[dict[str, Any]]) -> str:
    """Return the page of Markdown."""
    lines = [
        "# Faults tried",
        "",
        "By `python -m benchmarks.faults`; *short* is the form that `make test` has. Each fault is "
        "a test with the marker `fault`.",
        "",
        "| fault | tried | survived | lost | seconds | form | commit | date | machine |",
        "|---|--:|--:|--:|--:|---|---|---|---|",
    ]
    columns = ("name", "tried", "survived", "lost", "seconds", "form", "commit", "date", "machine")
    lines += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def draw_memory(samples: list[tuple[float, float]]) -> Figure:
    """Draw memory, in MiB, over the seconds of a long training."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    seconds, mib = zip(*samples, strict=True)
    axes.plot([second / 60.0 for second in seconds], mib, color="#0072B2")
    axes.set_ylim(0, 1.2 * max(mib))
    axes.set_xlabel("minutes")
    axes.set_ylabel("resident memory / MiB")
    axes.set_title("training, evaluation and resets of all kinds, in turn")
    axes.grid(alpha=0.3)
    return figure


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if every fault was survived."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="the form that `make test` has")
    parser.add_argument(
        "--out",
        type=path_of,
        default=Path("results/faults"),
        metavar="DIR",
        help="folder of the report (default: results/faults)",
    )
    options, rest = parser.parse_known_args(arguments)  # the rest is for pytest
    report = options.out / "table.json"
    try:  # first: the faults take an hour
        make_folder(options.out)
        earlier = read_json(report)["rows"] if rest and report.exists() else []
    except ValueError as error:
        parser.error(str(error))
    except KeyError:
        parser.error(f"`{report}` is damaged: it has no rows.")
    faults = try_faults(rest, not options.short)
    if not faults:
        print("no fault was tried: see above.", file=sys.stderr)
        return 1
    machine = describe("digits", options.out)
    facts = {name: machine[name] for name in ("commit", "date", "machine", "versions")}
    rows = count(faults, {"form": "short" if options.short else "long", **facts})
    rows = merge(rows, earlier)
    write_json(report, {"version": 1, "rows": rows})
    page = describe_rows(rows)
    write_atomically(options.out / "README.md", lambda file: file.write(page.encode()))
    samples = [sample for fault in faults for sample in fault.get("memory", ())]
    if samples:
        save_figure(options.out / "picture.png", lambda: draw_memory(samples), dpi=100)
    print(page)
    return 0 if sum(row["lost"] for row in rows) == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
