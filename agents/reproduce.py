"""How good is the paper's model? Its table, trained anew: `python -m agents.reproduce`.

Each row is one run of `train.py` or `agents.reports.whole_image` with a fixed number of episodes,
in a folder of its own. A finished row is written to results/paper at once; rows that are there
already are not trained again, and one that was interrupted goes on.
"""

import sys
from pathlib import Path

from agents.base.errors import plain_output
from agents.base.files import MODEL
from agents.reports.paper import TABLE, keep_if_better
from agents.reports.table import Entry, fill, make_parser


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.reproduce") -> int:
    """Run the command line; return the exit code."""
    description = "Train the rows of the paper's table that are not in the results yet."
    parser = make_parser(prog, description, TABLE)
    parser.add_argument(
        "--ship",
        action="store_true",
        help="let the model of a whole task replace the one in agents/pretrained/ if its "
        "validation error is lower",
    )
    options = parser.parse_args(arguments)
    try:
        return fill(TABLE, options, ship if options.ship else None)
    except (ValueError, OSError) as error:
        parser.error(str(error))


def ship(entry: Entry, run: Path) -> None:
    """Let the model of a finished row come with the package, if it is the best of its task."""
    if keep_if_better(entry, run / MODEL):
        print(f"{entry['name']}: now the pretrained model of {entry['task']}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
