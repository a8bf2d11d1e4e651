"""One training run, from options to a run folder: what is the same for every algorithm."""

import dataclasses
import math
import shlex
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.pictures import save_gaze_animation, save_gaze_grid
from agents.evaluation.provenance import describe_source
from agents.evaluation.result import Evaluation, describe_dataset
from agents.files import CONFIG, EVALUATION, lock_folder, remove_leftovers, write_json
from agents.model.processes import agree, launched
from agents.runs.callbacks import GracefulStop, ProgressBar, SpeedMeter, Validation
from agents.runs.run_options import RunOptions, check_device
from agents.sb3.algorithms import ALGORITHMS
from agents.sb3.log import COLUMNS, ProgressCSV, seconds_trained
from agents.sb3.vec_env import GymnasiumVecEnv, make_vec_env, task_of
from ram_env.games.classify import GlimpseTask

CHECKPOINT_SECONDS = 60.0  # between two checkpoints
NUM_VALIDATIONS = 20  # in the course of a run, but fewer if it is short:
MIN_VALIDATION_INTERVAL = 10_000  # episodes
NUM_RIGHT, NUM_WRONG = 8, 4  # scenes in gaze.png
NUM_ANIMATED = 8  # scenes in gaze.gif

Options = TypeVar("Options", bound=RunOptions)


class Run(ABC, Generic[Options]):
    """A training run that is ready to start.

    Args:
        options: What it is made of.

    Raises:
        ValueError: If an option is impossible; nothing is written then.
        FileExistsError: If the run folder exists and is not empty.
    """

    def __init__(self, options: Options) -> None:
        """Check the options by making everything that they ask for."""
        check_device(options.device)
        self._check(options)
        torch.set_num_threads(options.threads)
        self._env, task = self._make_env(options)
        # Of all processes here together: this one's own share alone would fit too easily.
        task.check_bytes(self._num_envs_here(options))
        # What "auto" found, so that all later measurements use the same data.
        env_kwargs = {**options.env_kwargs, "dataset": task.dataset.name}
        self.options = dataclasses.replace(options, env_kwargs=env_kwargs)
        self._num_glimpses = task.num_glimpses
        self._model = self._make_model()
        if self.leads:  # nobody else evaluates, and images take a while to read
            self._validation_scenes = self._frozen_scenes("validation")
            self._test_scenes = self._frozen_scenes("test")
        self.title = f"{options.task_name}, {describe_dataset(task.dataset.name)}"
        self.stopped_early = False

    def train(self) -> Evaluation | None:
        """Train, evaluate and draw; leave everything in the run folder.

        Returns:
            The result on the test set; `stopped_early` says whether the whole budget was spent.
            None in a process that helps another one.

        Raises:
            FileExistsError: If another process is writing to the run folder.
        """
        return self._lead()

    @property
    def leads(self) -> bool:
        """Whether this process reports and writes; there may be others beside it."""
        return True

    @abstractmethod
    def _check(self, options: Options) -> None:
        """Refuse options that are impossible; nothing is made yet."""

    @abstractmethod
    def _make_model(self) -> BaseAlgorithm:
        """Make the model at its very beginning."""

    @abstractmethod
    def _episodes_per_batch(self) -> int:
        """Return of how many episodes a budget is a multiple."""

    @abstractmethod
    def _checkpoint(self) -> BaseCallback:
        """Return what saves checkpoints while the model learns."""

    @abstractmethod
    def _save(self, path: Path) -> None:
        """Save the trained model."""

    @abstractmethod
    def _describe_model(self) -> dict[str, Any]:
        """Return what config.json says of the model."""

    @abstractmethod
    def _describe_size(self) -> dict[str, Any]:
        """Return what evaluation.json says of the model's size."""

    def _num_own_envs(self, options: Options) -> int:
        """Return how many games this process plays at once."""
        return options.num_envs

    def _num_envs_here(self, options: Options) -> int:
        """Return how many games are played at once on this machine."""
        return options.num_envs

    def _make_env(self, options: Options) -> tuple[GymnasiumVecEnv, GlimpseTask]:
        """Return the envs to learn from, and the task that they play."""
        num_envs = self._num_own_envs(options)
        env = make_vec_env(options.env_id, num_envs, memory=options.memory, **options.env_kwargs)
        return env, task_of(env.env, options.env_id)

    def _frozen_scenes(self, split: str) -> FrozenScenes:
        options = self.options
        return FrozenScenes(options.env_id, options.env_kwargs, split, memory=options.memory)

    def _lead(self) -> Evaluation:
        """Train with a log, then evaluate and draw."""
        episodes = self._budget()
        folder = self.options.folder
        folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(folder), GracefulStop() as stop:
            self._check(self.options)  # again, now that nobody else can write
            remove_leftovers(folder)
            validation = self._learn_with_log(folder, episodes, stop)
            self.stopped_early = stop.stopped
            seconds = seconds_trained(self._model)
            self._save(folder / "model.zip")
            result = self._test_scenes.evaluate(self._model)
            self._draw(result)
            # The last file: a run without it, killed over its pictures too, can go on.
            self._write_evaluation(result, validation, seconds)
        self._env.close()
        return result

    def _learn_with_log(self, folder: Path, episodes: int, stop: GracefulStop) -> Evaluation | None:
        """Train to the end of the budget or until stopped; return the last validation."""
        bar = ProgressBar(episodes, self._num_glimpses, self.options.task_name)
        every = max(episodes // NUM_VALIDATIONS, MIN_VALIDATION_INTERVAL)
        validation = Validation(self._validation_scenes, every, bar)
        progress = self._open_log(folder, episodes, validation)
        self._model.set_logger(
            Logger(str(folder), [progress, TensorBoardOutputFormat(str(folder))])
        )
        try:
            self._learn(episodes, [bar, validation, self._checkpoint(), stop])
        finally:
            bar.close()
            self._model.logger.close()
        return validation.latest

    def _budget(self) -> int:
        """Return the number of episodes, whole batches, that the budget buys."""
        size = self._episodes_per_batch()
        if self.options.episodes is None:
            speed = measure_speed(self._make_model(), self._num_glimpses)
            batches = max(1, round(speed * 60.0 * self.options.minutes / size))
        else:
            batches = math.ceil(self.options.episodes / size)
        self._model = self._first_model()  # anew: the measurement has used the envs
        return round(agree(batches)) * size

    def _first_model(self) -> BaseAlgorithm:
        """Return the model that training begins, or goes on, with."""
        return self._make_model()

    def _open_log(self, folder: Path, episodes: int, validation: Validation) -> ProgressCSV:
        """Begin the files that say what happens in this run."""
        write_json(folder / CONFIG, self._describe(episodes))
        return ProgressCSV(folder / "progress.csv", self._columns())

    def _columns(self) -> tuple[str, ...]:
        """Return the columns of progress.csv."""
        return COLUMNS + ALGORITHMS[self.options.algo].losses

    def _learn(self, episodes: int, callbacks: list[BaseCallback]) -> None:
        """Train until so many episodes are played, those before a resumption included."""
        left = episodes * self._num_glimpses - self._model.num_timesteps
        self._model.learn(left, CallbackList(callbacks), reset_num_timesteps=False)

    def _describe(self, episodes: int) -> dict[str, Any]:
        """Return what config.json holds: all that is needed to run it again."""
        options = self.options
        return {
            "env_id": options.env_id,
            "env_module": options.env_module,
            "env_kwargs": options.env_kwargs,
            "algo": options.algo,
            "memory": options.memory,
            **self._describe_model(),
            "episodes": episodes,
            "seed": options.seed,
            "num_envs": options.num_envs,
            **self._describe_device(),
            "threads": options.threads,
            "command": shlex.join(["python", *sys.argv]),
            **describe_source(),
        }

    def _describe_device(self) -> dict[str, Any]:
        """Return what the model is on; of the GPUs that `torchrun` deals out not which one."""
        device = self._model.device
        return {
            "device": str(device) if launched() is None else device.type,
            "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        }

    def _write_evaluation(
        self, result: Evaluation, validation: Evaluation | None, seconds: float
    ) -> None:
        """Write evaluation.json: the result, the model's size and what it cost."""
        content = dataclasses.asdict(result) | {
            "validation_error": validation.error if validation else None,
            "episodes": self._model.num_timesteps // self._num_glimpses,
            "training_seconds": round(seconds, 1),
            "stopped_early": self.stopped_early,
            **self._describe_size(),
            "protocol": "one deterministic pass, last weights, frozen scenes",
        }
        write_json(self.options.folder / EVALUATION, content)

    def _draw(self, result: Evaluation) -> None:
        """Draw the pictures of the run."""
        from agents.evaluation.curves import save_curves  # matplotlib takes a while, and comes last

        folder = self.options.folder
        title = f"{self.title}: {result.error:.2f} % error on {result.num_scenes:,} test scenes"
        save_curves(folder / "curves.png", folder / "progress.csv", title)
        episodes = self._test_scenes.record(self._model, NUM_RIGHT, NUM_WRONG)
        save_gaze_grid(folder / "gaze.png", episodes, title)
        save_gaze_animation(folder / "gaze.gif", episodes[:NUM_ANIMATED], title)


def measure_speed(model: BaseAlgorithm, num_glimpses: int, seconds: float = 3.0) -> float:
    """Train a model that is thrown away for a moment: episodes per second."""
    meter = SpeedMeter(seconds)
    model.set_logger(Logger(None, []))  # its own would leave an empty folder behind
    # A schedule far longer than the moment, so that it does not end first.
    model.learn(10**9, meter, log_interval=10**9)
    return agree(meter.steps_per_second) / num_glimpses
