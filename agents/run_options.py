"""What a run is made of: its options, from the command line or from an earlier run, and checks."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from agents.config import RAMConfig, replace_settings
from ram_env import SHORT_NAMES


@dataclass(frozen=True)
class RunOptions:
    """What a run is made of; all of it is written to config.json."""

    env_id: str
    preset: str
    config: RAMConfig
    folder: Path
    seed: int
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    episodes: int | None = None  # the budget; None: what fits into `minutes`
    minutes: float = 10.0
    num_envs: int = 256
    device: str = "auto"
    processes: int = 1
    threads: int = 1  # per process
    resume: bool = False  # go on with the run in `folder`

    @property
    def task_name(self) -> str:
        """The short name of the task, or its id if it has none."""
        names = {env_id: name for name, env_id in SHORT_NAMES.items()}
        return names.get(self.env_id, self.env_id)


def options_of_run(folder: Path) -> RunOptions:
    """Return the options of a run that ended early, to go on with it.

    Args:
        folder: The run folder.

    Raises:
        ValueError: If it holds no run, a damaged one, or one that is finished.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text())
        settings = replace_settings(RAMConfig(), config["config"])
        kept = ("env_id", "preset", "seed", "env_kwargs", "episodes", "num_envs", "device")
        arguments = {name: config[name] for name in (*kept, "processes", "threads")}
    except FileNotFoundError as error:
        raise ValueError(
            f"`--resume` must be the folder of a run that ended early: {path} is missing."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"`{path}` is damaged ({error!r}): the run cannot go on.") from error
    result = folder / "evaluation.json"
    if result.exists() and not json.loads(result.read_text()).get("stopped_early", False):
        raise ValueError(
            f"`--resume` must be the folder of a run that ended early: {folder} is finished, its "
            "whole budget is spent."
        )
    return RunOptions(config=settings, folder=folder, resume=True, **arguments)


def check_shares(options: RunOptions) -> None:
    """Refuse a batch that cannot be shared evenly."""
    if options.num_envs % options.processes:
        raise ValueError(
            f"`--num-envs` must be a multiple of `--processes`, so that each has as many, "
            f"got {options.num_envs} and {options.processes}."
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
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"`--device` must be auto, cpu or a device that PyTorch can use, got {device!r} "
            f"({reason})."
        ) from error


def check_folder(folder: Path) -> None:
    """Refuse a run folder that holds something already."""
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise FileExistsError(
            "`--run-dir` must be a new or empty folder, so that no run is overwritten, "
            f"got {folder}."
        )
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise PermissionError(
            f"`--run-dir` must be in a folder that you may write to, got {folder}."
        )
