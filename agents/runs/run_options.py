"""What a run is made of: its options, from the command line or from an earlier run, and checks."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from agents.files import CONFIG, is_finished, leftovers, read_json
from agents.model.config import RAMConfig, check_type, replace_settings
from ram_env import SHORT_NAMES
from ram_env.registration import import_env_module

COUNTS = {"seed": 0, "episodes": 1, "num_envs": 1, "processes": 1, "threads": 1}  # at least


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What a run of any algorithm is made of."""

    env_id: str
    env_module: str | None = None  # that registers the id when it is imported; None: ram_env
    folder: Path
    seed: int
    algo: str = "ram"  # one of `agents.sb3.algorithms.ALGORITHMS`
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    memory: str = "none"  # of what was seen, one of `agents.sb3.algorithms.MEMORIES`
    episodes: int | None = None  # the budget; None: what fits into `minutes`
    minutes: float = 10.0
    num_envs: int = 256
    device: str = "auto"
    threads: int = 1  # per process

    @property
    def task_name(self) -> str:
        """The short name of the task, or its id if it has none."""
        names = {env_id: name for name, env_id in SHORT_NAMES.items()}
        return names.get(self.env_id, self.env_id)


@dataclass(frozen=True, kw_only=True)
class RAMRunOptions(RunOptions):
    """What a run of RAM is made of."""

    preset: str
    config: RAMConfig
    processes: int = 1
    resume: bool = False  # go on with the run in `folder`


@dataclass(frozen=True, kw_only=True)
class SB3RunOptions(RunOptions):
    """What a run of an algorithm of Stable-Baselines3 is made of."""

    settings: dict[str, Any]  # arguments of its constructor, as JSON has them


def options_of_run(folder: Path) -> RAMRunOptions:
    """Return the options of a run that ended early, to go on with it.

    Args:
        folder: The run folder.

    Raises:
        ValueError: If it holds no run, a damaged one, one that is finished, or one of an algorithm
            that cannot go on.
    """
    config = read_run_config(folder, "--resume", "a run that ended early")
    algo = config.get("algo", "ram")
    if algo != "ram":
        raise ValueError(
            f"`--resume` is for ram alone, and {folder} is a run of {algo}: train it anew."
        )
    try:
        settings = replace_settings(RAMConfig(), config["config"])
        kept = ("env_id", "preset", "seed", "env_kwargs", "episodes", "num_envs", "device")
        arguments = {name: config[name] for name in (*kept, "processes", "threads")}
        for name, lowest in COUNTS.items():
            check_type(f"`{name}`", arguments[name], int)
            if arguments[name] < lowest:
                raise ValueError(f"`{name}` must be at least {lowest}, got {arguments[name]}")
        for name in ("env_id", "preset", "device"):
            check_type(f"`{name}`", arguments[name], str)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`{folder / CONFIG}` is damaged ({error!r}): the run cannot go on."
        ) from error
    if is_finished(folder):
        raise ValueError(
            f"`--resume` must be the folder of a run that ended early: {folder} is finished, its "
            "whole budget is spent."
        )
    module = config.get("env_module")
    return RAMRunOptions(
        config=settings, folder=folder, resume=True, env_module=module, **arguments
    )


def read_run_config(folder: Path, option: str, what: str) -> dict[str, Any]:
    """Return what config.json of a run folder says, the module of its env imported.

    Args:
        folder: The run folder.
        option: That names it, for the error.
        what: What it must be the folder of, for the error.

    Raises:
        ValueError: If there is none, it is damaged, or its env cannot be imported.
    """
    path = folder / CONFIG
    try:
        config = read_json(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"`{option}` must be the folder of {what}: {path} is missing.") from error
    except OSError as error:
        raise ValueError(f"`{path}` cannot be read ({error}).") from error
    module = config.get("env_module")
    if not isinstance(module, str | None):
        raise ValueError(f"`{path}` is damaged: `env_module` must be a name, got {module!r}.")
    import_env_module(module)
    return config


def check_shares(options: RAMRunOptions) -> None:
    """Refuse a batch that cannot be shared evenly."""
    if options.num_envs % options.processes:
        whole = options.num_envs == options.config.batch_size  # as it is by default
        raise ValueError(
            f"`{'--batch-size' if whole else '--num-envs'}` must be a multiple of `--processes`, "
            f"so that each has as many, got {options.num_envs} and {options.processes}."
        )
    if options.config.batch_size % options.num_envs:
        raise ValueError(
            f"`--batch-size` must be a multiple of `--num-envs`, so that rounds of games fill it, "
            f"got {options.config.batch_size} and {options.num_envs}."
        )


def check_device(device: str) -> None:
    """Refuse a device that is not there; Stable-Baselines3 would quietly take the CPU."""
    if device == "auto":
        return
    try:
        torch.zeros(1, device=device).item()  # not even that can be done on "meta"
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"`--device` must be auto, cpu or a device that PyTorch can use, got {device!r} "
            f"({reason})."
        ) from error


def check_folder(folder: Path) -> None:
    """Refuse a run folder that holds something already, beyond what a kill left half written."""
    held = set(folder.iterdir()) - set(leftovers(folder)) if folder.is_dir() else folder.exists()
    if held:
        raise FileExistsError(
            "`--run-dir` must be a new or empty folder, so that no run is overwritten, "
            f"got {folder}."
        )
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise PermissionError(
            f"`--run-dir` must be in a folder that you may write to, got {folder}."
        )
