"""Train the Recurrent Attention Model on one of the tasks, from the command line.

    python train.py --env cluttered --minutes 10

leaves a run folder: the model, its error on the test set, and pictures of where it looked.
"""

import argparse
import difflib
import importlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from agents.config import PRESETS, make_config
from ram_env import SHORT_NAMES

if TYPE_CHECKING:
    from agents.run import Run

STOPPED = 130  # the exit code of a program that Ctrl-C ended


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(description="Train an agent that learns where to look.")

    def add(name: str, meaning: str, **settings: Any) -> None:
        parser.add_argument(name, help=meaning, **settings)

    tasks = ", ".join(SHORT_NAMES)
    add("--env", f"{tasks}, or any registered id (default: cluttered)", default="cluttered")
    add(
        "--env-kwargs",
        "arguments of the env, such as num_distractors=8 (default: the task's)",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
    )
    add(
        "--preset",
        "settings of the agent (default: default)",
        choices=list(PRESETS),
        default="default",
    )
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument(
        "--episodes", type=_positive_int, metavar="N", help="budget in episodes, one scene each"
    )
    budget.add_argument(
        "--minutes",
        type=_positive_float,
        default=10.0,
        metavar="M",
        help="budget as the episodes that this machine trains in M minutes, measured at the start "
        "(default: 10)",
    )
    whole = {"type": _positive_int, "metavar": "N"}
    add("--num-glimpses", "glimpses per episode (default: the task's)", **whole)
    add("--seed", "of networks, scenes and exploration (default: 0)", type=_seed, default=0)
    add("--device", "auto, cpu, cuda, cuda:1, ... (default: auto)", default="auto")
    add("--num-envs", "games at once, a divisor of the batch (default: the batch size)", **whole)
    add("--batch-size", "episodes per gradient step (default: the preset's)", **whole)
    add(
        "--settings",
        "other settings of the agent, fields of agents.config.RAMConfig, such as core=lstm "
        "(default: the preset's)",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
    )
    add("--dataset", "auto, mnist, digits, idx or the path of an .npz (default: auto)")
    add("--data-dir", "folder of the IDX files (default: found or downloaded)", metavar="DIR")
    add("--run-dir", "run folder (default: runs/NAME-TIME)", type=Path, metavar="DIR")
    add(
        "--resume",
        "go on with the run in this folder, with its own options: give no others",
        type=Path,
        metavar="DIR",
    )
    add(
        "--processes",
        "processes that share each batch (default: one per core up to 4; with a GPU 1)",
        **whole,
    )
    add("--threads", "CPU threads per process (default: the cores shared out)", **whole)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    try:
        return run(options)
    except OptionError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(STOPPED, f"{parser.prog}: interrupted.\n")


class OptionError(Exception):
    """An option that cannot be followed; its message is all that the user needs."""


def run(options: argparse.Namespace) -> int:
    """Train as the options say; return the exit code.

    Raises:
        OptionError: If an option is impossible.
    """
    try:
        prepared = prepare(options)
    except (ValueError, FileExistsError, PermissionError, gym.error.Error) as error:
        raise OptionError(str(error)) from error
    folder = prepared.options.folder
    if prepared.leads:
        print(f"{prepared.title}: writing to {folder}", flush=True)
    result = prepared.train()
    if result is None:
        return 0  # the process that leads reports
    if prepared.stopped_early:
        print("Stopped before the budget was spent; everything so far is saved.")
    print(f"{result.describe()}\nRun folder: {folder} (see gaze.png, curves.png, evaluation.json)")
    return STOPPED if prepared.stopped_early else 0


def prepare(options: argparse.Namespace) -> "Run":
    """Check the options and make everything that they ask for; nothing is written.

    Raises:
        ValueError, FileExistsError, PermissionError, gymnasium.error.Error: If one is impossible.
    """
    if options.resume is not None:
        return prepare_to_resume(options)
    env_id = resolve_env(options.env)
    env_kwargs = collect_env_kwargs(options)
    config = make_config(options.preset, **collect_settings(options))
    num_envs = options.num_envs or config.batch_size
    name = options.env.split(":")[-1]
    folder = options.run_dir or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"

    # These load torch: not before the options are read.
    from agents.distributed import plan_team
    from agents.run import Run
    from agents.run_options import RunOptions

    team = plan_team(options.processes, options.threads, options.device, num_envs)
    return Run(
        RunOptions(
            env_id=env_id,
            preset=options.preset,
            config=config,
            folder=folder,
            seed=options.seed,
            env_kwargs=env_kwargs,
            episodes=options.episodes,
            minutes=options.minutes,
            num_envs=num_envs,
            device=team.device,
            processes=team.processes,
            threads=team.threads,
        )
    )


def prepare_to_resume(options: argparse.Namespace) -> "Run":
    """Make what the run to go on with was made of.

    Raises:
        ValueError: If there is no such run, or another option was given.
    """
    for name, value in vars(make_parser().parse_args([])).items():
        if name != "resume" and getattr(options, name) != value:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"`--resume` takes all options from the run in {options.resume}, got `{option}` "
                "too: leave it out."
            )
    from agents.distributed import plan_team
    from agents.run import Run
    from agents.run_options import options_of_run

    run = options_of_run(options.resume)
    plan_team(run.processes, run.threads, run.device, run.num_envs)  # whether torchrun agrees
    return Run(run)


def resolve_env(name: str) -> str:
    """Return the id that a short name or an id means; `module:id` imports the module.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    module, _, env_id = name.rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ValueError(f"`--env {name}`: cannot import {module!r} ({error}).") from error
    if env_id in gym.registry:
        return env_id
    known = [*SHORT_NAMES, *SHORT_NAMES.values()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"`--env` must be one of {', '.join(known)}, got {name!r}.{hint}")


def collect_env_kwargs(options: argparse.Namespace) -> dict[str, Any]:
    """Join the options that are arguments of the env.

    Raises:
        ValueError: If one is given twice, or is not the user's to give.
    """
    arguments = parse_pairs("--env-kwargs", options.env_kwargs)
    for name in ("split", "num_envs", "autoreset_mode", "render_mode"):
        if name in arguments:
            raise ValueError(f"`--env-kwargs {name}=...` is for the training to set: leave it out.")
    data_dir = options.data_dir and os.path.abspath(options.data_dir)
    own = {"dataset": options.dataset, "data_dir": data_dir, "num_glimpses": options.num_glimpses}
    for name, value in own.items():
        if value is not None and name in arguments:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"give either `{option}` or `--env-kwargs {name}=...`, not both.")
    return arguments | {name: value for name, value in own.items() if value is not None}


def collect_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Join the options that are settings of the agent.

    Raises:
        ValueError: If one is given twice.
    """
    settings = parse_pairs("--settings", options.settings)
    if options.batch_size is None:
        return settings
    if "batch_size" in settings:
        raise ValueError("give either `--batch-size` or `--settings batch_size=...`, not both.")
    return settings | {"batch_size": options.batch_size}


def parse_pairs(option: str, pairs: list[str]) -> dict[str, Any]:
    """Read the KEY=VALUE pairs of an option; a value is JSON where it can be, else a string.

    Raises:
        ValueError: If a pair has no key or no equals sign.
    """
    arguments = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"`{option}` must be KEY=VALUE pairs, got {pair!r}.")
        try:
            arguments[key] = json.loads(value)
        except json.JSONDecodeError:
            arguments[key] = value
    return arguments


def _positive_int(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number in 0..2**32 - 1, got {text!r}")
    return int(text)


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
