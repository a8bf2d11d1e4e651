"""How good is the paper's model? Its table, trained anew: `python -m agents.reproduce`.

Each row is one run of `train.py` or `agents.reports.whole_image` with a fixed number of episodes,
in a folder of its own, or the model of another row on canvases of one size. A finished row is
written to results/paper at once; rows that are there already are not trained again, and one that
was interrupted goes on.
"""

import sys
from pathlib import Path

from agents.base import pretrained
from agents.base.errors import plain_output
from agents.base.files import MODEL, write_atomically, write_json
from agents.reports.paper import TABLE
from agents.reports.table import Entry, fill, make_parser
from agents.runs.plan import usual_preset
from ram_env import TASKS


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


def keep_if_better(row: Entry, model: Path, folder: Path | None = None) -> bool:
    """Ship the model of a whole task, learned our best way, if its validation error is lower.

    Args:
        row: The row of the table that it was measured as.
        model: A file that `RAM.save` wrote, without its optimiser.
        folder: Where the shipped models are; those of the package if None.

    Returns:
        Whether it is shipped now.
    """
    env_id, _ = pretrained.env_of_task(row["task"])
    is_whole = row["num_glimpses"] == TASKS.get(env_id, row)["num_glimpses"]
    if row["preset"] != usual_preset(env_id) or not is_whole or "canvas_size" in row:
        return False
    folder = folder or pretrained.FOLDER
    shipped = pretrained.pretrained_rows(folder)
    best = shipped.get(row["task"])
    if best is not None and best["validation_error"] <= row["validation_error"]:
        return False
    folder.mkdir(exist_ok=True)
    content = model.read_bytes()
    write_atomically(folder / f"{row['task']}.zip", lambda file: file.write(content))
    write_json(folder / pretrained.INDEX, shipped | {row["task"]: row})
    return True


if __name__ == "__main__":
    sys.exit(main())
