"""From the options of `train.py` to a run that is ready to begin.

What loads torch is imported within the functions: not before the options are read.
"""

import argparse
import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.model.config import make_config
from agents.runs.train_arguments import collect_env_kwargs, collect_settings
from agents.sb3.algorithms import check_memory, choose_algorithm
from ram_env.registration import resolve_env

if TYPE_CHECKING:
    from agents.runs.run import Run


def prepare(options: argparse.Namespace) -> "Run[Any]":
    """Check the options, of `parse_options`, and make all that they ask for; nothing is written.

    Raises:
        ValueError, OSError, gymnasium.error.Error: If one is impossible.
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

    from agents.runs.ram_run import RAMRun
    from agents.runs.run_options import RAMRunOptions
    from agents.runs.team import plan_team

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

    from agents.model.processes import launched
    from agents.runs.run_options import SB3RunOptions
    from agents.runs.sb3_run import SB3Run
    from agents.runs.team import count_cores

    if launched() is not None:
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
        ValueError: If there is no such run, or an option was given that it decides.
    """
    for name in options.given:
        if name not in ("resume", "device"):
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"`--resume` takes all options but `--device` from the run in {options.resume}, "
                f"got `{option}` too: leave it out."
            )
    from agents.runs.ram_run import RAMRun
    from agents.runs.run_options import options_of_run
    from agents.runs.team import plan_team

    run = options_of_run(options.resume)
    device = run.device if options.device == "auto" else options.device
    team = plan_team(run.processes, run.threads, device, run.num_envs)
    return RAMRun(dataclasses.replace(run, device=team.device))
