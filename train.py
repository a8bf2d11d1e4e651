"""Train an agent, the Recurrent Attention Model or another, on one of the tasks.

    python train.py --env cluttered --minutes 10

leaves a run folder: the model, its error on the test set, and pictures of where it looked.
"""

import argparse
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from agents.algorithms import (
    ALGORITHMS,
    MEMORIES,
    PURE_REWARD,
    check_action_format,
    check_memory,
    choose_algorithm,
)
from agents.command_line import parse_pairs, positive_float, positive_int, resolve_env, seed
from agents.config import PRESETS, make_config
from ram_env import SHORT_NAMES
from ram_env.actions import ActionFormat
from ram_env.task import RewardRule

if TYPE_CHECKING:
    from agents.results import Evaluation
    from agents.run import Run

# Exit codes
WRONG_OPTION = 2
DIVERGED = 3
CANNOT_WRITE = 4
TEAM_LOST = 5
STOPPED = 130  # of a program that Ctrl-C ended


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(description="Train an agent that learns where to look.")
    _add_task_options(parser)
    _add_agent_options(parser)
    _add_run_options(parser)
    return parser


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("task").add_argument
    tasks = ", ".join(SHORT_NAMES)
    add("--env", default="cluttered", help=f"{tasks}, or any registered id (default: cluttered)")
    add(
        "--env-kwargs",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="arguments of the env, such as num_distractors=8 (default: the task's)",
    )
    add(
        "--num-glimpses",
        type=positive_int,
        metavar="N",
        help="glimpses per episode (default: the task's)",
    )
    add("--dataset", help="auto, mnist, digits, idx or the path of an .npz (default: auto)")
    add("--data-dir", metavar="DIR", help="folder of the IDX files (default: found or downloaded)")
    add(
        "--action-format",
        choices=list(ActionFormat),
        help="how the agent acts (default: what suits the algorithm)",
    )
    add(
        "--reward",
        choices=list(RewardRule),
        help="what an episode pays (default: what suits the algorithm)",
    )
    add(
        "--memory",
        choices=MEMORIES,
        help="of what was seen, for agents without one (default: what suits the algorithm)",
    )


def _add_agent_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("agent").add_argument
    add("--algo", choices=list(ALGORITHMS), default="ram", help="what learns (default: ram)")
    add("--preset", choices=list(PRESETS), help="settings of ram (default: default)")
    add(
        "--settings",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="other settings of the agent: fields of agents.config.RAMConfig, such as core=lstm, "
        "or arguments of another algorithm, such as n_epochs=10 (default: the preset's)",
    )
    add(
        "--batch-size",
        type=positive_int,
        metavar="N",
        help="episodes per gradient step of ram, env steps of others (default: the preset's)",
    )
    add(
        "--num-envs",
        type=positive_int,
        metavar="N",
        help="games at once; of ram a divisor of the batch size (default: that, or what suits the "
        "algorithm)",
    )
    add("--seed", type=seed, default=0, help="of networks, scenes and exploration (default: 0)")


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("run")
    add = group.add_argument
    budget = group.add_mutually_exclusive_group()
    budget.add_argument(
        "--episodes", type=positive_int, metavar="N", help="budget in episodes, one scene each"
    )
    budget.add_argument(
        "--minutes",
        type=positive_float,
        default=10.0,
        metavar="M",
        help="budget as the episodes that this machine trains in M minutes, measured at the start "
        "(default: 10)",
    )
    add("--run-dir", type=Path, metavar="DIR", help="run folder (default: runs/NAME-TIME)")
    add(
        "--resume",
        type=Path,
        metavar="DIR",
        help="go on with the run of ram in this folder, with its own options: give no others",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    add(
        "--processes",
        type=positive_int,
        metavar="N",
        help="processes that share each batch of ram (default: one per core up to 4; with a GPU 1)",
    )
    add(
        "--threads",
        type=positive_int,
        metavar="N",
        help="CPU threads per process (default: the cores shared out)",
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    threading.excepthook = report_thread
    try:
        return run(options)
    except RunError as error:
        parser.exit(error.exit_code, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(STOPPED, f"{parser.prog}: interrupted.\n")


def report_thread(failure: threading.ExceptHookArgs) -> None:
    """Report what ended a thread, but not that TensorBoard's cannot write: the run says so too."""
    if not issubclass(failure.exc_type, OSError):
        threading.__excepthook__(failure)


class RunError(Exception):
    """A run that cannot begin or go on; its message is all that the user needs."""

    def __init__(self, message: object, exit_code: int) -> None:
        """Take the message and the exit code of the program."""
        super().__init__(str(message))
        self.exit_code = exit_code


def run(options: argparse.Namespace) -> int:
    """Train as the options say; return the exit code.

    Raises:
        RunError: If an option is impossible, or the training cannot go on.
    """
    try:
        prepared = prepare(options)
    except (ValueError, FileExistsError, PermissionError, gym.error.Error) as error:
        raise RunError(error, WRONG_OPTION) from error
    folder = prepared.options.folder
    if prepared.leads:
        print(f"{prepared.title}: writing to {folder}", flush=True)
    result = train(prepared)
    if result is None:
        return 0  # the process that leads reports
    if prepared.stopped_early:
        print("Stopped before the budget was spent; everything so far is saved.")
    print(f"{result.describe()}\nRun folder: {folder} (see gaze.png, curves.png, evaluation.json)")
    return STOPPED if prepared.stopped_early else 0


def train(prepared: "Run[Any]") -> "Evaluation | None":
    """Train; see `agents.run.Run.train`.

    Raises:
        RunError: If the training diverges, loses a process or cannot be written down.
    """
    from agents.errors import DivergenceError, TeamError

    folder = prepared.options.folder
    try:
        return prepared.train()
    except DivergenceError as error:
        raise RunError(f"{error} The checkpoints in {folder} are of before.", DIVERGED) from error
    except TeamError as error:
        raise RunError(
            f"{error} What was whole in {folder} still is: go on with `--resume {folder}`.",
            TEAM_LOST,
        ) from error
    except FileExistsError as error:
        raise RunError(error, WRONG_OPTION) from error
    except OSError as error:
        raise RunError(
            f"cannot write to {folder} ({error}): what was whole there still is. Make room or "
            "choose another `--run-dir`; a run of ram goes on with `--resume`.",
            CANNOT_WRITE,
        ) from error


def prepare(options: argparse.Namespace) -> "Run[Any]":
    """Check the options and make everything that they ask for; nothing is written.

    Raises:
        ValueError, FileExistsError, PermissionError, gymnasium.error.Error: If one is impossible.
    """
    if options.resume is not None:
        return prepare_to_resume(options)
    env_id, env_module = resolve_env(options.env)
    name = options.env.split(":")[-1] + ("" if options.algo == "ram" else f"-{options.algo}")
    folder = options.run_dir or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    shared: dict[str, Any] = {
        "env_id": env_id,
        "env_module": env_module,
        "env_kwargs": collect_env_kwargs(options),
        "memory": options.memory or choose_algorithm(options.algo).memory,
        "folder": folder,
        "seed": options.seed,
        "algo": options.algo,
        "episodes": options.episodes,
        "minutes": options.minutes,
    }
    check_memory(options.algo, shared["memory"])
    return prepare_ram(options, shared) if options.algo == "ram" else prepare_sb3(options, shared)


def prepare_ram(options: argparse.Namespace, shared: dict[str, Any]) -> "Run[Any]":
    """Make a run of RAM; see `prepare`."""
    preset = options.preset or "default"
    config = make_config(preset, **collect_settings(options))
    num_envs = options.num_envs or config.batch_size

    # These load torch: not before the options are read.
    from agents.distributed import plan_team
    from agents.ram_run import RAMRun
    from agents.run_options import RAMRunOptions

    team = plan_team(options.processes, options.threads, options.device, num_envs)
    return RAMRun(
        RAMRunOptions(
            **shared,
            preset=preset,
            config=config,
            num_envs=num_envs,
            device=team.device,
            processes=team.processes,
            threads=team.threads,
        )
    )


def prepare_sb3(options: argparse.Namespace, shared: dict[str, Any]) -> "Run[Any]":
    """Make a run of another algorithm; see `prepare`."""
    algorithm = choose_algorithm(options.algo)
    settings = algorithm.settings | collect_settings(options)
    if options.preset is not None:
        raise ValueError(
            f"`--preset` is for ram, got it with `--algo {options.algo}`: leave it out."
        )
    if options.processes not in (None, 1):
        raise ValueError(
            f"`--processes` is for ram; {options.algo} trains in one, got {options.processes}: "
            "leave it out."
        )

    # These load torch: not before the options are read.
    from agents.distributed import count_cores, launched_size
    from agents.run_options import SB3RunOptions
    from agents.sb3_run import SB3Run

    if launched_size() is not None:
        raise ValueError(f"`torchrun` is for ram; start `--algo {options.algo}` with python.")
    return SB3Run(
        SB3RunOptions(
            **shared,
            settings=settings,
            num_envs=options.num_envs or algorithm.num_envs,
            device=options.device,
            threads=options.threads or count_cores(),
        )
    )


def prepare_to_resume(options: argparse.Namespace) -> "Run[Any]":
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
    from agents.ram_run import RAMRun
    from agents.run_options import options_of_run

    run = options_of_run(options.resume)
    plan_team(run.processes, run.threads, run.device, run.num_envs)  # whether torchrun agrees
    return RAMRun(run)


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
    own = {
        "dataset": options.dataset,
        "data_dir": data_dir,
        "num_glimpses": options.num_glimpses,
        "action_format": options.action_format,
        "reward": options.reward,
    }
    for name, value in own.items():
        if value is not None and name in arguments:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"give either `{option}` or `--env-kwargs {name}=...`, not both.")
    arguments |= {name: value for name, value in own.items() if value is not None}
    return with_defaults(options.algo, arguments, options.preset)


def with_defaults(
    algo: str, env_kwargs: dict[str, Any], preset: str | None = None
) -> dict[str, Any]:
    """Return arguments of the env with what suits an algorithm where they say nothing.

    Raises:
        ValueError: If the algorithm cannot take the action format.
    """
    algorithm = choose_algorithm(algo)
    arguments = dict(env_kwargs)
    reward = PURE_REWARD if preset == "pure" else algorithm.reward
    if reward is not None:
        arguments.setdefault("reward", reward)
    if algo != "ram":  # it takes the env's own
        arguments.setdefault("action_format", algorithm.action_formats[0])
    check_action_format(algo, arguments.get("action_format", algorithm.action_formats[0]))
    return arguments


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


if __name__ == "__main__":
    sys.exit(main())
