"""How good is it? Error on the frozen scenes, with its interval, after each glimpse.

`python -m agents.evaluate --run runs/NAME [--split test]` measures a finished run again, with
`--dataset` or `--data-dir` if its images are elsewhere now,
`--pretrained TASK` the model of a task that comes with the package, and
`--policy MODULE:FACTORY --env TASK` whatever has `predict` as the models of Stable-Baselines3 do.
A `--policy` can leave all that with `--out DIR`, and join the table of agents by `python -m
agents.compare --add DIR`. With `--pictures DIR` gaze.png and gaze.gif show where it looked; with
`--confidence 0.99` an episode ends once the belief in a class reaches that. `--frontier` measures
all models that come with the package at many confidences, and writes a table and a picture of error
against glimpses.
"""

import argparse
import dataclasses
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym

from agents.base.errors import DivergenceError, plain_output
from agents.base.files import make_folder, path_of
from agents.base.pretrained import pretrained_rows
from agents.evaluation.pictures import draw_gazes
from agents.evaluation.players import (
    Player,
    player_of_policy,
    player_of_pretrained,
    player_of_run,
)
from agents.evaluation.result import Evaluation
from agents.reports.frontier import write_frontier
from agents.reports.guests import check_facts, write_guest
from agents.runs.options import as_option, check_env_kwargs, parse_pairs, speak_of_options
from agents.sb3.algorithms import MEMORIES
from ram_env.registration import find_modules_here, resolve_env


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.evaluate") -> int:
    """Run the command line; return the exit code."""
    parser = make_parser(prog)
    words = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(words)
    find_modules_here()
    try:
        if options.frontier is not None:
            make_folder(options.frontier)
            data = find_data(options)
            for path in write_frontier(options.frontier, options.split, options.stopping, **data):
                print(f"see {path}")
            return 0
        player = find_player(options)
        facts = find_facts(options)
        options.pictures = options.pictures or options.out
        if options.pictures is not None:
            make_folder(options.pictures)  # first: measuring takes a while
        evaluation = player.measure(options.confidence)
        pictures = draw(player, evaluation, options)
        if options.out is not None:
            leave(evaluation, options, f"{prog} {shlex.join(words)}", facts)
    except (ValueError, DivergenceError, gym.error.Error) as error:
        parser.error(
            re.sub(
                r"`(run|policy|confidence|stopping|facts)\b", r"`--\1", speak_of_options(str(error))
            )
        )
    if options.json:
        print(json.dumps(dataclasses.asdict(evaluation), indent=2))
        return 0
    print(evaluation.describe())
    is_committed = options.pretrained and options.split == "test"
    is_committed = is_committed and options.confidence is None and options.env_kwargs is None
    if is_committed and (options.dataset is None or evaluation.dataset == "mnist"):
        committed = pretrained_rows()[options.pretrained]["error"]
        print(f"  committed with the model: {committed:.2f} %")
    if len(evaluation.error_per_glimpse) > 1:
        for glimpse, value in enumerate(evaluation.error_per_glimpse, start=1):
            print(f"  after glimpse {glimpse}: {value:.2f} %")
    for path in pictures:
        print(f"  see {path}")
    return 0


def draw(player: Player, evaluation: Evaluation, options: argparse.Namespace) -> list[Path]:
    """Draw where the player looked, if there is a folder for it; return the files."""
    if options.pictures is None:
        return []
    title = f"{options.policy or options.pretrained or options.run}: {evaluation.describe()}"
    return draw_gazes(player.scenes, player.model, options.pictures, title)


def leave(
    evaluation: Evaluation, options: argparse.Namespace, command: str, facts: dict[str, Any]
) -> None:
    """Leave in the folder of `--out` what a run leaves of its results."""
    on_validation = argparse.Namespace(**vars(options) | {"split": "validation"})
    validation = find_player(on_validation).measure()
    memory = options.memory or "none"
    write_guest(options.out, evaluation, validation, memory, command, facts)


def make_parser(prog: str) -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    add = parser.add_argument
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=path_of, metavar="DIR", help="run folder of train.py")
    what.add_argument("--pretrained", metavar="TASK", help="model that comes with the package")
    what.add_argument("--policy", metavar="MODULE:FACTORY", help="a policy of your own")
    what.add_argument(
        "--frontier",
        type=path_of,
        nargs="?",
        const=Path("results/study"),
        metavar="DIR",
        help="error against glimpses of all models that come with the package (default of DIR: "
        "results/study)",
    )
    add(
        "--stopping",
        type=path_of,
        nargs="+",
        default=[],
        metavar="DIR",
        help="for --frontier: runs that learned when to answer, beside them (default: none)",
    )
    add("--env", metavar="ID", help="task for `--policy` (default: cluttered)")
    add(
        "--env-kwargs",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="arguments of it, or that a run's or the package's scenes are to differ in, such as "
        "canvas_size=80 (default: none)",
    )
    add("--dataset", metavar="NAME", help="where the images are now (default: as before)")
    add("--data-dir", metavar="DIR", help="folder of the IDX files now (default: as before)")
    add(
        "--memory",
        choices=MEMORIES,
        help="what a policy is told of what was seen (default: nothing)",
    )
    add(
        "--confidence",
        type=float,
        metavar="X",
        help="end an episode once the belief in a class reaches this (default: after all glimpses)",
    )
    add("--split", choices=["validation", "test"], default="test", help="(default: test)")
    add("--pictures", type=path_of, metavar="DIR", help="where to draw (default: nowhere)")
    add("--out", type=path_of, metavar="DIR", help="leave what a run leaves there (of `--policy`)")
    add(
        "--facts",
        nargs="+",
        action="extend",
        metavar="KEY=VALUE",
        help="for `--out`, of the training: what reads_labels env_steps seconds parameters",
    )
    add("--json", action="store_true", help="print JSON instead of a line")
    return parser


def find_player(options: argparse.Namespace) -> Player:
    """Return what the options name.

    Raises:
        ValueError, gymnasium.error.Error: If they name nothing that can be measured.
    """
    if options.policy is None:
        for name in ("env", "memory"):
            if getattr(options, name) is not None:
                raise ValueError(f"`{as_option(name)}` is for `--policy`: leave it out.")
    changes = parse_pairs("env_kwargs", options.env_kwargs or []) | find_data(options)
    check_env_kwargs(changes)
    if options.run is not None:
        return player_of_run(options.run, options.split, changes=changes)
    if options.pretrained is not None:
        return player_of_pretrained(options.pretrained, options.split, **changes)
    env_id, _ = resolve_env(options.env or "cluttered")
    memory = options.memory or "none"
    return player_of_policy(options.policy, env_id, changes, options.split, memory=memory)


def find_facts(options: argparse.Namespace) -> dict[str, Any]:
    """Return what `--facts` tells of a policy that leaves a folder.

    Raises:
        ValueError: If `--out` or `--facts` is alone, or the rest does not fit them.
    """
    if options.out is None and options.facts is None:
        return {}
    if options.policy is None or options.out is None:
        raise ValueError("`--facts` and `--out` are for `--policy`: give all three, or neither.")
    if options.split != "test" or options.confidence is not None or options.pictures is not None:
        raise ValueError(
            "`--out` is of the test scenes and all glimpses, with pictures of its own: leave out "
            "`--split`, `--confidence` and `--pictures`."
        )
    facts = parse_pairs("facts", options.facts or [])
    check_facts(facts)
    return facts


def find_data(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of an env that say where the images are."""
    given = {"dataset": options.dataset, "data_dir": options.data_dir}
    data: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    check_env_kwargs(data)
    return data


if __name__ == "__main__":
    sys.exit(main())
