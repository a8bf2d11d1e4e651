"""The paper's table, trained anew: `python -m agents.reproduce [--rows NAME ...]`.

Each row is one run of `train.py` or `agents.reports.whole_image` with a fixed number of episodes,
in a folder of its own. A finished row is written to results/paper.json, .md and .png at once; rows
that are there already are not trained again, and one that was interrupted goes on.
"""

import sys
from pathlib import Path
from typing import Any

from agents.model.pretrained import keep_if_better
from agents.reports.paper_report import PaperTable
from agents.reports.paper_rows import ROWS, PaperRow
from agents.reports.table import fill, make_parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    description = "Train the rows of the paper's table that are not in the results yet."
    parser = make_parser("agents.reproduce", description, ROWS, Path("runs/paper"))
    parser.add_argument(
        "--ship",
        action="store_true",
        help="let the model of a whole task replace the one in agents/pretrained/ if its "
        "validation error is lower",
    )
    options = parser.parse_args(arguments)
    if options.ship:
        return fill(PaperTable, ROWS, parser, options, ship)
    return fill(PaperTable, ROWS, parser, options)


def ship(row: PaperRow, entry: dict[str, Any], run: Path) -> None:
    """Let the model of a finished row come with the package, if it is the best of its task."""
    if row.ships and keep_if_better(entry, run / "model.zip"):
        print(f"{row.name}: now the pretrained model of {row.task}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
