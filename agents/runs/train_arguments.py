"""The options of `train.py`, and what they mean for env and agent. No torch in here."""

import argparse
import os
from pathlib import Path
from typing import Any

from agents.model.config import PRESETS
from agents.runs.command_line import (
    parse_env_kwargs,
    parse_pairs,
    positive_float,
    positive_int,
    seed,
)
from agents.sb3.algorithms import (
    ALGORITHMS,
    MEMORIES,
    MULTIDISCRETE,
    PURE_REWARD,
    check_action_format,
    choose_algorithm,
)
from ram_env import SHORT_NAMES
from ram_env.games.actions import ActionFormat
from ram_env.games.settings import RewardRule


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(description="Train an agent that learns where to look.")
    _add_task_options(parser)
    _add_agent_options(parser)
    _add_run_options(parser)
    return parser


def parse_options(
    parser: argparse.ArgumentParser, arguments: list[str] | None
) -> argparse.Namespace:
    """Read a command line; `given` holds the names of the options that are in it."""
    defaults = vars(parser.parse_args([]))
    blank = argparse.Namespace(**dict.fromkeys(defaults))
    found = vars(parser.parse_args(arguments, blank))
    given = {name: value for name, value in found.items() if value is not None}
    return argparse.Namespace(**defaults | given, given=list(given))


def _add_task_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("task").add_argument
    tasks = ", ".join(SHORT_NAMES)
    add("--env", default="cluttered", help=f"{tasks}, or any registered id (default: cluttered)")
    add(
        "--env-kwargs",
        nargs="+",
        action="extend",
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
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="other settings of the agent: fields of agents.model.config.RAMConfig, such as "
        "core=lstm, or arguments of another algorithm, such as n_epochs=10 (default: the preset's)",
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
        help="go on with the run of ram in this folder, with its own options: no others but "
        "--device",
    )
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    add(
        "--processes",
        type=positive_int,
        metavar="N",
        help="processes that share each batch of ram (default: 4, 2 or 1 as the cores allow; with "
        "a GPU 2 or 1)",
    )
    add(
        "--threads",
        type=positive_int,
        metavar="N",
        help="CPU threads per process (default: the cores shared out)",
    )


def collect_env_kwargs(options: argparse.Namespace) -> dict[str, Any]:
    """Join the options that are arguments of the env.

    Raises:
        ValueError: If one is given twice, or is not the user's to give.
    """
    arguments = parse_env_kwargs(options.env_kwargs)
    own = {
        "dataset": options.dataset,
        "data_dir": options.data_dir,
        "num_glimpses": options.num_glimpses,
        "action_format": options.action_format,
        "reward": options.reward,
    }
    for name, value in own.items():
        if value is not None and name in arguments:
            option = "--" + name.replace("_", "-")
            raise ValueError(f"give either `{option}` or `--env-kwargs {name}=...`, not both.")
    arguments |= {name: value for name, value in own.items() if value is not None}
    if isinstance(arguments.get("data_dir"), str):  # so that it is found from any other folder
        arguments["data_dir"] = os.path.abspath(os.path.expanduser(arguments["data_dir"]))
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
    if algo != "ram":  # it takes the env's own
        arguments.setdefault("action_format", algorithm.action_formats[0])
    action_format = arguments.get("action_format", algorithm.action_formats[0])
    check_action_format(algo, action_format)
    reward = PURE_REWARD if preset == "pure" else algorithm.reward
    if reward == RewardRule.LOG_LIKELIHOOD and action_format != ActionFormat.BOX:
        reward = RewardRule.EVERY_STEP.value  # without scores there is no likelihood
    if reward is not None:
        arguments.setdefault("reward", reward)
    if algorithm.location_grid is not None and arguments["action_format"] == MULTIDISCRETE:
        arguments.setdefault("location_grid", algorithm.location_grid)
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
