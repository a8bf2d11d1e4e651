"""What does each agent learn in the same time? `python -m agents.compare [--rows NAME ...]`.

Each row is one run of `train.py`, five minutes on one core, evaluated on the frozen test set. A
finished row is written to results/agents at once; rows that are there already are not trained
again. `--add DIR` adds the agent that `agents.evaluate --policy ... --out DIR` has measured.

`--zoo ALGO` prints instead the settings of such a row as RL Baselines3 Zoo reads them.
"""

import sys

from agents.base.errors import plain_output
from agents.base.files import path_of
from agents.reports.agents import MINUTES, TABLE
from agents.reports.guests import add_guest
from agents.reports.table import fill, make_parser
from agents.reports.zoo import NAMES, zoo_yaml


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.compare") -> int:
    """Run the command line; return the exit code."""
    description = f"Train the agents that are not in the results yet, {MINUTES} minutes each."
    parser = make_parser(prog, description, TABLE)
    parser.add_argument(
        "--add", type=path_of, metavar="DIR", help="add what `agents.evaluate --out` left there"
    )
    parser.add_argument(
        "--zoo",
        nargs="?",
        const="ppo",
        choices=NAMES,
        help="print an algorithm's settings as a --conf-file of rl_zoo3 (default: ppo)",
    )
    options = parser.parse_args(arguments)
    given = [f"--{name}" for name in ("zoo", "add", "rows") if getattr(options, name) is not None]
    if len(given) > 1:
        parser.error(f"{' and '.join(given)} do not go together: give one of them.")
    if options.zoo:
        print(zoo_yaml(options.zoo))
        return 0
    try:
        if options.add:
            return add_guest(TABLE, options.add, options)
        return fill(TABLE, options)
    except (ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    sys.exit(main())
