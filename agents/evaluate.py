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
import shlex
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym

from agents.base.commands import add_data, add_models, as_option, data_of, speak_of_options
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
from agents.runs.options import check_env_kwargs, parse_pairs
from agents.sb3.algorithms import MEMORIES
from ram_env.registration import find_modules_here, resolve_env

STUDY = Path("results/study")  # where `--frontier` writes by default
# What options of a kind have in common.
FOLDER: dict[str, Any] = {"type": path_of, "metavar": "DIR"}
PAIRS: dict[str, Any] = {"nargs": "+", "action": "extend", "metavar": "KEY=VALUE"}


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.evaluate") -> int:
    """Run the command line; return the exit code."""
    parser = make_parser(prog)
    words = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(words)
    find_modules_here()
    try:
        check_goes_together(options, parser)
        if options.frontier is not None:
            return draw_frontier(options)
        player, facts = find_player(options), find_facts(options)
        options.pictures = options.pictures or options.out
        if options.pictures is not None:
            make_folder(options.pictures)  # first: measuring takes a while
        evaluation = player.measure(options.confidence)
        tell(evaluation, options)  # first: whatever becomes of its files, it is measured
        try:
            if options.out is not None:
                leave(evaluation, options, f"{prog} {shlex.join(words)}", facts)
            draw(player, evaluation, options)
        except OSError as error:
            parser.error(f"what was asked for cannot be written ({error}).")
    except (ValueError, DivergenceError, gym.error.Error) as error:
        parser.error(speak_of_options(str(error), vars(options)))
    return 0


def check_goes_together(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Refuse options that what is measured has no use for.

    Raises:
        ValueError: If there are any.
    """
    kinds = ("run", "pretrained", "policy", "frontier")
    kind = next(name for name in kinds if getattr(options, name) is not None)
    useless = {"env", "memory", "stopping"}
    if kind == "policy":
        useless = {"stopping"}
    elif kind == "frontier":
        useless = set(vars(options)) - {"frontier", "stopping", "split", "dataset", "data_dir"}
    for name, value in vars(options).items():
        if name in useless and value != parser.get_default(name):
            raise ValueError(f"`{as_option(name)}` is not for `{as_option(kind)}`: leave it out.")


def draw_frontier(options: argparse.Namespace) -> int:
    """Write what `--frontier` asks for, and say where it is; return the exit code."""
    make_folder(options.frontier)
    data = find_data(options)
    for path in write_frontier(options.frontier, options.split, options.stopping, **data):
        print(f"see {path}")
    return 0


def tell(evaluation: Evaluation, options: argparse.Namespace) -> None:
    """Print a result, for people or as JSON."""
    if options.json:
        print(json.dumps(dataclasses.asdict(evaluation), indent=2), flush=True)
        return
    print(evaluation.describe(), flush=True)
    is_committed = options.pretrained and options.split == "test"
    is_committed = is_committed and options.confidence is None and options.env_kwargs is None
    if is_committed and (options.dataset is None or evaluation.dataset == "mnist"):
        committed = pretrained_rows()[options.pretrained]["error"]
        print(f"  committed with the model: {committed:.2f} %")
    if len(evaluation.error_per_glimpse) > 1:
        for glimpse, value in enumerate(evaluation.error_per_glimpse, start=1):
            print(f"  after glimpse {glimpse}: {value:.2f} %")


def draw(player: Player, evaluation: Evaluation, options: argparse.Namespace) -> None:
    """Draw where the player looked, if there is a folder for it, and say in which files."""
    if options.pictures is None:
        return
    title = f"{options.policy or options.pretrained or options.run}: {evaluation.describe()}"
    files = draw_gazes(player.scenes, player.model, options.pictures, title, options.confidence)
    for path in () if options.json else files:
        print(f"  see {path}")


def leave(
    evaluation: Evaluation, options: argparse.Namespace, command: str, facts: dict[str, Any]
) -> None:
    """Leave in the folder of `--out` what a run leaves of its results."""
    on_validation = argparse.Namespace(**vars(options) | {"split": "validation"})
    player, memory = find_player(on_validation), options.memory or "none"
    num_glimpses = player.scenes.task.num_glimpses
    validation = player.measure()
    write_guest(options.out, evaluation, validation, memory, command, facts, num_glimpses)


def make_parser(prog: str) -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    who = parser.add_mutually_exclusive_group(required=True)
    add_models(who)
    who.add_argument("--policy", metavar="MODULE:FACTORY", help="a policy of your own")
    frontier = f"error against glimpses of all models of the package (default of DIR: {STUDY})"
    who.add_argument("--frontier", nargs="?", const=STUDY, **FOLDER, help=frontier)
    add_data(parser)
    add = parser.add_argument
    add("--split", choices=["validation", "test"], default="test", help="(default: test)")
    changes = "arguments of the env that differ, such as canvas_size=80 (default: none)"
    add("--env-kwargs", **PAIRS, help=changes)
    confidence = "end an episode at this belief in a class (default: after all glimpses)"
    add("--confidence", type=float, metavar="X", help=confidence)
    add("--pictures", **FOLDER, help="where to draw (default: nowhere)")
    add("--json", action="store_true", help="print JSON instead of a line")
    add_for_policy(parser.add_argument_group("for --policy"))
    stopping = "runs that learned when to answer, to be drawn beside (default: none)"
    group = parser.add_argument_group("for --frontier")
    group.add_argument("--stopping", nargs="+", default=[], **FOLDER, help=stopping)
    return parser


def add_for_policy(group: Any) -> None:
    """Declare what a policy of the user's plays, and what it leaves."""
    add = group.add_argument
    add("--env", metavar="ID", help="task (default: cluttered)")
    add("--memory", choices=MEMORIES, help="what it is told of what was seen (default: nothing)")
    add("--out", **FOLDER, help="where to leave what a run leaves (default: nowhere)")
    facts = "for `--out`, of the training: what reads_labels env_steps seconds parameters"
    add("--facts", **PAIRS, help=facts)


def find_player(options: argparse.Namespace) -> Player:
    """Return what the options name.

    Raises:
        ValueError, gymnasium.error.Error: If they name nothing that can be measured.
    """
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
    data = data_of(options)
    check_env_kwargs(data)
    return data


if __name__ == "__main__":
    sys.exit(main())
