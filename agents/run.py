"""One training run, from options to a run folder."""

import dataclasses
import math
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from agents.callbacks import Checkpoint, GracefulStop, ProgressBar, SpeedMeter, Validation
from agents.distributed import (
    agree,
    join_launched_team,
    launched_size,
    leave_signals_to_leader,
    leave_team,
    local_team,
    rank,
    require_same,
)
from agents.evaluate import Evaluation, FrozenScenes, describe_dataset
from agents.files import write_json
from agents.networks import forward_multiply_adds
from agents.pictures import save_gaze_animation, save_gaze_grid
from agents.progress import ProgressCSV
from agents.provenance import describe_source
from agents.ram import RAM
from agents.resume import load_checkpoint
from agents.run_options import RunOptions, check_device, check_folder, check_shares
from agents.vec_env import make_vec_env
from ram_env.task import GlimpseTask

CHECKPOINT_SECONDS = 60.0  # between two checkpoints
NUM_VALIDATIONS = 20  # in the course of a run, but fewer if it is short:
MIN_VALIDATION_INTERVAL = 10_000  # episodes
NUM_RIGHT, NUM_WRONG = 8, 4  # scenes in gaze.png
NUM_ANIMATED = 8  # scenes in gaze.gif


class Run:
    """A training run that is ready to start.

    Args:
        options: What it is made of.

    Raises:
        ValueError: If an option is impossible, or `torchrun` has started processes with different
            ones; nothing is written then.
        FileExistsError: If the run folder exists and is not empty.
    """

    def __init__(self, options: RunOptions) -> None:
        """Check the options by making everything that they ask for."""
        check_device(options.device)
        if not options.resume:
            check_folder(options.folder)
        check_shares(options)
        torch.set_num_threads(options.threads)
        num_envs = options.num_envs // options.processes
        try:
            self._env = make_vec_env(options.env_id, num_envs, **options.env_kwargs)
        except TypeError as error:  # an env of somebody else
            raise ValueError(f"`--env {options.env_id}` must be a glimpse env: {error}.") from error
        task = getattr(self._env.env.unwrapped, "task", None)
        if not isinstance(task, GlimpseTask):
            raise ValueError(f"`--env {options.env_id}` must be a glimpse env, of ram_env's kind.")
        # Of all processes together: this one's own share alone would fit too easily.
        task.check_memory(options.num_envs)
        # What "auto" found, so that all later measurements use the same data.
        env_kwargs = {**options.env_kwargs, "dataset": task.dataset.name}
        self.options = dataclasses.replace(options, env_kwargs=env_kwargs)
        self._num_glimpses = task.num_glimpses
        self._model = self._make_model()
        if self.leads:  # nobody else evaluates, and images take a while to read
            self._validation_scenes = FrozenScenes(options.env_id, env_kwargs, "validation")
            self._test_scenes = FrozenScenes(options.env_id, env_kwargs, "test")
        self.title = f"{options.task_name}, {describe_dataset(task.dataset.name)}"
        self.stopped_early = False
        if launched_size() is not None:
            join_launched_team(self._model.device)  # until train() is over
            require_same(repr(self._shared_options()))

    def train(self) -> Evaluation | None:
        """Train, evaluate and draw; leave everything in the run folder.

        Returns:
            The result on the test set; `stopped_early` says whether the whole budget was spent.
            None in a process that `torchrun` has started to help another one.
        """
        if launched_size() is None:
            with local_team(self.options.processes, follow, self.options):
                return self._lead()
        try:
            if self.leads:
                return self._lead()
            self.follow()
            return None
        finally:
            leave_team()

    def follow(self) -> None:
        """Train beside the process that leads; write nothing."""
        leave_signals_to_leader()
        episodes = self._budget()
        self._model.set_logger(Logger(None, []))
        self._learn(episodes, [])

    def _lead(self) -> Evaluation:
        """Train with a log, then evaluate and draw."""
        episodes = self._budget()
        folder, model = self.options.folder, self._model
        bar = ProgressBar(episodes, self.options.task_name)
        every = max(episodes // NUM_VALIDATIONS, MIN_VALIDATION_INTERVAL)
        validation = Validation(self._validation_scenes, every, bar)
        if self.options.resume:
            progress = ProgressCSV(folder / "progress.csv", self._stays(episodes, validation))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "config.json", self._describe(episodes))
            progress = ProgressCSV(folder / "progress.csv")
        model.set_logger(Logger(str(folder), [progress, TensorBoardOutputFormat(str(folder))]))
        with GracefulStop() as stop:
            try:
                checkpoint = Checkpoint(folder, CHECKPOINT_SECONDS)
                self._learn(episodes, [bar, validation, checkpoint, stop])
            finally:
                model.logger.close()
        seconds = model.seconds_trained
        self.stopped_early = stop.stopped
        model.save(folder / "model.zip", exclude=["optimizer"])
        result = self._test_scenes.evaluate(model)
        self._write_evaluation(result, validation.latest, seconds)
        self._draw(result)
        self._env.close()
        return result

    @property
    def leads(self) -> bool:
        """Whether this process reports and writes; `torchrun` starts others beside it."""
        return rank() == 0

    def _shared_options(self) -> RunOptions:
        """Return the options that must be the same in all processes, the others blanked out."""
        kwargs = {key: value for key, value in self.options.env_kwargs.items() if key != "data_dir"}
        return dataclasses.replace(
            self.options, folder=Path(), device="", threads=0, env_kwargs=kwargs
        )

    def _make_model(self) -> RAM:
        options = self.options
        settings = options.config.to_dict()
        return RAM("RAMPolicy", self._env, seed=options.seed, device=options.device, **settings)

    def _budget(self) -> int:
        """Return the number of episodes, whole batches, that the budget buys."""
        batch_size = self.options.config.batch_size
        if self.options.episodes is None:
            speed = measure_speed(self._make_model())
            batches = max(1, round(speed * 60.0 * self.options.minutes / batch_size))
        else:
            batches = math.ceil(self.options.episodes / batch_size)
        # Anew: the measurement has used the envs, and now the model knows its team.
        self._model = self._resumed_model() or self._make_model()
        return round(agree(batches)) * batch_size

    def _resumed_model(self) -> RAM | None:
        """Return the model of the run to go on with, its envs as they were; None: begin anew."""
        options = self.options
        if not options.resume:
            return None
        model = load_checkpoint(options.folder, self._env, options.device)
        if model is not None and model._n_updates:
            rounds = options.config.batch_size // options.num_envs
            self._env.reset()  # seeded: the first scenes, as at the start of the run
            vector_env: Any = self._env.env.unwrapped
            vector_env.skip_resets(model._n_updates * rounds - 1)
        return model

    def _learn(self, episodes: int, callbacks: list[BaseCallback]) -> None:
        """Train until so many episodes are played, those before a resumption included."""
        left = episodes - self._model._episode_num
        self._model.learn(
            left * self._num_glimpses, CallbackList(callbacks), reset_num_timesteps=False
        )

    def _stays(self, episodes: int, validation: Validation) -> Callable[[dict[str, str]], bool]:
        """Return which rows of progress.csv a run that goes on keeps: what it will not redo."""
        done, batch_size = self._model._episode_num, self.options.config.batch_size

        def stays(row: dict[str, str]) -> bool:
            row_episodes = int(row["time/episodes"])
            if row_episodes == done and row["validation/error"]:
                # One of the end, or of a stop by the user, is none of the course of the run.
                return done < episodes and validation.is_due(done, batch_size)
            return row_episodes <= done

        return stays

    def _describe(self, episodes: int) -> dict[str, Any]:
        """Return what config.json holds: all that is needed to run it again."""
        options, model = self.options, self._model
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
            "processes": options.processes,
            "threads": options.threads,
            "command": shlex.join(["python", *sys.argv]),
            **describe_source(),
        }

    def _write_evaluation(
        self, result: Evaluation, validation: Evaluation | None, seconds: float
    ) -> None:
        """Write evaluation.json: the result, the model's size and what it cost."""
        content = dataclasses.asdict(result) | {
            "validation_error": validation.error if validation else None,
            "episodes": self._model._episode_num,
            "training_seconds": round(seconds, 1),
            "stopped_early": self.stopped_early,
            "multiply_adds": self._num_glimpses
            * forward_multiply_adds(self._model.policy.networks),
            "parameters": sum(value.numel() for value in self._model.policy.parameters()),
            "protocol": "one deterministic pass, mean locations, last weights, frozen scenes",
        }
        write_json(self.options.folder / "evaluation.json", content)

    def _draw(self, result: Evaluation) -> None:
        """Draw the pictures of the run."""
        from agents.curves import save_curves  # matplotlib takes a while, and comes last

        folder = self.options.folder
        title = f"{self.title}: {result.error:.2f} % error on {result.num_scenes:,} test scenes"
        save_curves(folder / "curves.png", folder / "progress.csv", title)
        episodes = self._test_scenes.record(self._model, NUM_RIGHT, NUM_WRONG)
        save_gaze_grid(folder / "gaze.png", episodes, title)
        save_gaze_animation(folder / "gaze.gif", episodes[:NUM_ANIMATED], title)


def measure_speed(model: RAM, seconds: float = 3.0) -> float:
    """Train a model that is thrown away for a moment: episodes per second."""
    meter = SpeedMeter(seconds)
    # A schedule far longer than the moment, so that it does not end first.
    model.learn(10**9, meter, log_interval=10**9)
    return agree(meter.episodes_per_second)


def follow(options: RunOptions) -> None:
    """Be one of the processes that help to train a run."""
    Run(options).follow()
