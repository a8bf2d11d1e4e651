"""What is there to publish of the models that ship? `python -m agents.publish --out DIR`.

Writes a folder for each, as the Hugging Face Hub lays one out, and uploads nothing:
docs/publishing.md has the steps that a person takes.
"""

import argparse
import sys

import gymnasium as gym

from agents.base.commands import data_of, speak_of_options
from agents.base.errors import plain_output
from agents.base.files import path_of
from agents.base.pretrained import env_of_task, pretrained_rows
from agents.reports.cards import write_card
from ram_env.registration import CATCH_TASKS


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.publish") -> int:
    """Run the command line; return the exit code."""
    description = "Write a model, its card, results and pictures for each model that ships."
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add, names = parser.add_argument, list(pretrained_rows())
    add("--out", type=path_of, required=True, metavar="DIR", help="a folder for each goes in here")
    add("--models", nargs="+", choices=names, default=names, metavar="NAME", help="(default: all)")
    add("--dataset", metavar="NAME", help="of the digits in pictures (default: mnist)")
    add("--data-dir", metavar="DIR", help="folder of the IDX files (default: found or downloaded)")
    options = parser.parse_args(arguments)
    try:
        for name in options.models:
            folder = options.out / f"ram-{name}"
            data = {} if env_of_task(name)[0] in CATCH_TASKS else data_of(options)
            write_card(name, folder, **data)
            print(folder, flush=True)
    except (ValueError, OSError, gym.error.Error) as error:
        parser.error(speak_of_options(str(error), vars(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
