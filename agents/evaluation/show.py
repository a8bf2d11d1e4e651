"""What does a trained model look at? `ram-env show cluttered` draws it, without any training."""

import argparse
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym

from agents.base.commands import DATA, add_data, data_of, speak_of_options
from agents.base.errors import DivergenceError, plain_output
from agents.base.files import make_folder, path_of
from agents.base.pretrained import pretrained_rows
from agents.evaluation.pictures import draw_run
from agents.evaluation.players import Player, player_of_pretrained, player_of_run
from agents.evaluation.result import describe_dataset
from ram_env.arguments import did_you_mean


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.evaluation.show") -> int:
    """Run the command line; return the exit code."""
    description = "Draw where a trained model looks, and what it then believes, on test scenes."
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add = parser.add_argument
    names = ", ".join(pretrained_rows())
    add("model", metavar="NAME|DIR", help=f"a model of the package ({names}) or a run folder")
    add_data(parser)
    add("--out", type=path_of, default=Path(), metavar="DIR", help="(default: the current folder)")
    options = parser.parse_args(arguments)
    try:
        player = find_player(options.model, data_of(options))
        make_folder(options.out)
        dataset = describe_dataset(player.scenes.task.data_name)
        title = f"{options.model} on test scenes of {dataset}"
        run = None if options.model in pretrained_rows() else path_of(options.model)
        try:
            files = draw_run(run, player.scenes, player.model, options.out, title)
        except OSError as error:
            parser.error(f"`--out` cannot be written ({error}).")
    except (ValueError, DivergenceError, gym.error.Error) as error:
        parser.error(speak_of_options(str(error), DATA))
    print(f"{title}: see {' and '.join(map(str, files))}")
    return 0


def find_player(model: str, data: dict[str, Any]) -> Player:
    """Return the model of the package of this name, or else that of the run folder.

    `data` is `dataset` and `data_dir`, those that are given. Raises ValueError if it is neither.
    """
    names = pretrained_rows()
    if model in names:
        return player_of_pretrained(model, usual="auto", **data)
    if path_of(model).is_dir():
        return player_of_run(path_of(model), changes=data)
    raise ValueError(
        f"`model` must be one of {', '.join(names)}, or a run folder, got {model!r}."
        f"{did_you_mean(model, names)}"
    )


if __name__ == "__main__":
    sys.exit(main())
