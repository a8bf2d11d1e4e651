"""One training run, from options to a run folder."""

import dataclasses
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from agents.callbacks import Checkpoint, GracefulStop, ProgressBar, Validation
from agents.config import RAMConfig
from agents.curves import save_curves
from agents.evaluate import Evaluation, FrozenScenes, describe_dataset
from agents.files import write_json
from agents.pictures import save_gaze_animation, save_gaze_grid
from agents.progress import ProgressCSV
from agents.ram import RAM
from agents.vec_env import GymnasiumVecEnv, make_vec_env
from ram_env import SHORT_NAMES

PACKAGES = ("torch", "stable-baselines3", "gymnasium", "numpy", "pillow")
NUM_VALIDATIONS = 20  # in the course of a run
NUM_RIGHT, NUM_WRONG = 8, 4  # scenes in gaze.png
NUM_ANIMATED = 8  # scenes in gaze.gif


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
    threads: int | None = None  # None: PyTorch's choice, one per core

    @property
    def task_name(self) -> str:
        """The short name of the task, or its id if it has none."""
        names = {env_id: name for name, env_id in SHORT_NAMES.items()}
        return names.get(self.env_id, self.env_id)


def train(options: RunOptions) -> tuple[Evaluation, bool]:
    """Train, evaluate and draw; leave everything in the run folder.

    Returns:
        The result on the test set, and whether the run was stopped before its budget was spent.

    Raises:
        ValueError: If an option is impossible; nothing is written then.
        FileExistsError: If the run folder exists and is not empty.
    """
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    env = make_vec_env(options.env_id, options.num_envs, **options.env_kwargs)
    options = _with_resolved_dataset(options, env)
    model = _make_model(options, env)
    num_glimpses = env.env.unwrapped.task.num_glimpses  # type: ignore[attr-defined]
    scenes = {
        split: FrozenScenes(options.env_id, options.env_kwargs, split)
        for split in ("validation", "test")
    }
    episodes = _budget(options, env, num_glimpses)
    folder = _make_folder(options.folder)
    write_json(folder / "config.json", _describe(options, episodes, model))
    title = f"{options.task_name}, {describe_dataset(scenes['test'].task.dataset.name)}"
    print(f"{title}: {episodes:,} episodes, writing to {folder}", flush=True)
    bar = ProgressBar(episodes, options.task_name)
    validation = Validation(scenes["validation"], max(1, episodes // NUM_VALIDATIONS), bar)
    started = time.monotonic()
    model.set_logger(
        Logger(
            str(folder),
            [ProgressCSV(folder / "progress.csv"), TensorBoardOutputFormat(str(folder))],
        )
    )
    with GracefulStop() as stop:
        callbacks = CallbackList([bar, validation, Checkpoint(folder / "checkpoint.zip"), stop])
        model.learn(episodes * num_glimpses, callbacks)
    seconds = time.monotonic() - started
    model.logger.close()
    model.save(folder / "model.zip", exclude=["optimizer"])
    result = scenes["test"].evaluate(model)
    _write_evaluation(folder, model, result, validation.latest, seconds, stop.stopped)
    _draw(folder, model, scenes["test"], result, title)
    env.close()
    return result, stop.stopped


def _make_model(options: RunOptions, env: GymnasiumVecEnv) -> RAM:
    settings = dataclasses.asdict(options.config)
    return RAM("RAMPolicy", env, seed=options.seed, device=options.device, **settings)


def _with_resolved_dataset(options: RunOptions, env: GymnasiumVecEnv) -> RunOptions:
    """Say which data "auto" found, so that all later measurements use the same."""
    dataset = env.env.unwrapped.task.dataset.name  # type: ignore[attr-defined]
    return dataclasses.replace(options, env_kwargs={**options.env_kwargs, "dataset": dataset})


def _budget(options: RunOptions, env: GymnasiumVecEnv, num_glimpses: int) -> int:
    """Return the number of episodes, whole batches, that the budget buys."""
    batch_size = options.config.batch_size
    if options.episodes is not None:
        return math.ceil(options.episodes / batch_size) * batch_size
    speed = measure_speed(_make_model(options, env), num_glimpses)
    return max(1, round(speed * 60.0 * options.minutes / batch_size)) * batch_size


def measure_speed(model: RAM, num_glimpses: int, seconds: float = 3.0) -> float:
    """Train a model that is thrown away for a moment: episodes per second."""
    batch = model.config.batch_size * num_glimpses
    model.learn(2 * batch)  # the first steps are slow
    played, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        model.learn(batch)
        played += model.config.batch_size
    return played / (time.perf_counter() - started)


def _make_folder(folder: Path) -> Path:
    """Make the run folder."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(
            f"`--run-dir` must be a new or empty folder, so that no run is overwritten, "
            f"got {folder}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _describe(options: RunOptions, episodes: int, model: RAM) -> dict[str, Any]:
    """Return what config.json holds: all that is needed to run it again."""
    return {
        "env_id": options.env_id,
        "env_kwargs": options.env_kwargs,
        "preset": options.preset,
        "config": options.config.to_dict(),
        "episodes": episodes,
        "seed": options.seed,
        "num_envs": options.num_envs,
        "device": str(model.device),
        "precision": "bfloat16" if model.mixed_precision else "float32",
        "threads": torch.get_num_threads(),
        "command": shlex.join(["python", *sys.argv]),
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": describe_machine(),
        "commit": current_commit(),
    }


def describe_machine() -> str:
    """Return processor and number of cores in one line."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    except OSError:
        pass  # not Linux: the short name must do
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def current_commit() -> str | None:
    """Return the commit of the source tree, with `-dirty` if it was changed; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        source = Path(__file__).parent
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _write_evaluation(
    folder: Path,
    model: RAM,
    result: Evaluation,
    validation: Evaluation | None,
    seconds: float,
    stopped: bool,
) -> None:
    """Write evaluation.json: the result, the model's size and what it cost."""
    content = dataclasses.asdict(result) | {
        "validation_error": validation.error if validation else None,
        "episodes": model._episode_num,
        "training_seconds": round(seconds, 1),
        "stopped_early": stopped,
        "parameters": sum(parameter.numel() for parameter in model.policy.parameters()),
        "protocol": "one deterministic pass, mean locations, last weights, frozen scenes",
    }
    write_json(folder / "evaluation.json", content)


def _draw(folder: Path, model: RAM, scenes: FrozenScenes, result: Evaluation, title: str) -> None:
    """Draw the pictures of the run."""
    full_title = f"{title}: {result.error:.2f} % error on {result.num_scenes:,} test scenes"
    save_curves(folder / "curves.png", folder / "progress.csv", full_title)
    episodes = scenes.record(model, NUM_RIGHT, NUM_WRONG)
    save_gaze_grid(folder / "gaze.png", episodes, full_title)
    save_gaze_animation(folder / "gaze.gif", episodes[:NUM_ANIMATED], full_title)
