"""The paper's table, trained anew: `python -m agents.reproduce [--rows NAME ...]`.

Each row is one run of `train.py` or `agents.baselines` with a fixed number of episodes, in a folder
of its own. A finished row is written to results/paper.json, .md and .png at once; rows that are
there already are not trained again, and one that was interrupted goes on.
"""

import argparse
import difflib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from agents.paper_report import Report, ReportError
from agents.paper_rows import ROWS, Row
from agents.pretrained_models import keep_if_better

ROOT = Path(__file__).parent.parent


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(
        prog="python -m agents.reproduce",
        description="Train the rows of the paper's table that are not in the results yet.",
    )
    add = parser.add_argument
    add("--rows", nargs="+", metavar="NAME", help=f"(default: all) of {', '.join(ROWS)}")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="(default: results)")
    add(
        "--runs", type=Path, default=Path("runs/paper"), metavar="DIR", help="(default: runs/paper)"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        rows = choose_rows(options.rows or list(ROWS))
        report = Report(options.out, list(ROWS))
    except (ReportError, ValueError) as error:
        parser.error(str(error))
    for row in rows:
        if row.name in report.rows:
            print(f"{row.name}: is in {report.path} already", flush=True)
            continue
        folder = options.runs / row.name
        code = train(row, folder)
        if code:
            print(f"{row.name}: the training ended with exit code {code}.", file=sys.stderr)
            return code
        entry = report.add(row, folder)
        print(f"{row.name}: {entry['error']:.2f} % error, in {report.path}", flush=True)
        if row.ships and keep_if_better(entry, folder / "model.zip"):
            print(f"{row.name}: now the pretrained model of {row.task}", flush=True)
    return 0


def choose_rows(names: list[str]) -> list[Row]:
    """Return the rows of these names.

    Raises:
        ValueError: If there is none of a name; the message tells the nearest.
    """
    for name in names:
        if name not in ROWS:
            near = difflib.get_close_matches(name, ROWS, n=1, cutoff=0.3)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"`--rows` must be of {', '.join(ROWS)}, got {name!r}.{hint}")
    return [ROWS[name] for name in dict.fromkeys(names)]


def train(row: Row, folder: Path) -> int:
    """Train a row unless its folder holds the finished run; return the exit code."""
    if is_finished(folder):
        return 0
    folder_option = Path(os.path.relpath(folder, ROOT))  # for the command that the run notes down
    arguments = row.command(folder_option)
    if (folder / "config.json").exists():  # it was interrupted
        if row.gaze == "none":
            shutil.rmtree(folder)  # it is short, and begins anew
        else:
            arguments = ["train.py", "--resume", str(folder_option)]
    return subprocess.run([sys.executable, *arguments], cwd=ROOT).returncode


def is_finished(folder: Path) -> bool:
    """Return whether a folder holds a run that has spent its whole budget."""
    try:
        result = json.loads((folder / "evaluation.json").read_text())
    except FileNotFoundError:
        return False
    return not result.get("stopped_early", False)


if __name__ == "__main__":
    sys.exit(main())
