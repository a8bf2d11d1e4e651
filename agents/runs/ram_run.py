"""A training run of RAM: shared by processes, and able to go on after an interruption."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

from agents.errors import TeamError
from agents.evaluation.provenance import describe_source
from agents.evaluation.result import Evaluation
from agents.files import CONFIG, read_json, write_json
from agents.model.networks import forward_multiply_adds
from agents.model.processes import all_same, launched, rank, world_size
from agents.model.ram import RAM
from agents.runs import run
from agents.runs.callbacks import Checkpoint, Validation
from agents.runs.checkpoints import load_checkpoint, save_checkpoint
from agents.runs.run import Run
from agents.runs.run_options import RAMRunOptions, check_folder, check_shares
from agents.runs.team import join_launched_team, leave_signals_to_leader, leave_team, local_team
from agents.sb3.log import ProgressCSV


class RAMRun(Run[RAMRunOptions]):
    """A run of RAM; see `Run`.

    Raises:
        ValueError: Also if `torchrun` has started processes with different options.
    """

    _model: RAM

    def __init__(self, options: RAMRunOptions) -> None:
        """Check the options by making everything that they ask for."""
        super().__init__(options)
        launch = launched()
        if launch is not None:
            join_launched_team(launch, self._model.device)  # until train() is over
            if not all_same(repr(self._shared_options())):
                raise ValueError(
                    "all processes must be started with the same options, got different ones."
                )

    def train(self) -> Evaluation | None:
        """Train, evaluate and draw; see `Run`. None in a process that `torchrun` has added."""
        if launched() is None:
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

    @property
    def leads(self) -> bool:
        """Whether this process reports and writes; `torchrun` starts others beside it."""
        return rank() == 0

    def _check(self, options: RAMRunOptions) -> None:
        if not options.resume:
            check_folder(options.folder)
        check_shares(options)

    def _num_own_envs(self, options: RAMRunOptions) -> int:
        return options.num_envs // options.processes

    def _num_envs_here(self, options: RAMRunOptions) -> int:
        launch = launched()
        processes = options.processes if launch is None else launch.local_size
        return processes * self._num_own_envs(options)

    def _shared_options(self) -> RAMRunOptions:
        """Return the options that must be the same in all processes, the others blanked out."""
        kwargs = {key: value for key, value in self.options.env_kwargs.items() if key != "data_dir"}
        return dataclasses.replace(
            self.options, folder=Path(), device="", threads=0, env_kwargs=kwargs
        )

    def _make_model(self) -> RAM:
        options = self.options
        settings = options.config.to_dict()
        return RAM("RAMPolicy", self._env, seed=options.seed, device=options.device, **settings)

    def _episodes_per_batch(self) -> int:
        return self.options.config.batch_size

    def _first_model(self) -> RAM:
        model = self._resumed_model() or self._make_model()
        # Of a new run not: initial weights may differ by rounding between kinds of machines.
        if self.options.resume and world_size() > 1 and not all_same(describe_weights(model)):
            raise TeamError(
                "all processes must go on from the same checkpoint, got different weights: give "
                "each machine the same run folder."
            )
        return model

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

    def _open_log(self, folder: Path, episodes: int, validation: Validation) -> ProgressCSV:
        if not self.options.resume:
            return super()._open_log(folder, episodes, validation)
        config = read_json(folder / CONFIG)
        part = {
            "episodes": self._model._episode_num,
            "precision": self._precision(),
            **self._describe_device(),
            **describe_source(),
        }
        write_json(folder / CONFIG, config | {"resumed": [*config.get("resumed", []), part]})
        stays = self._stays(episodes, validation)
        return ProgressCSV(folder / "progress.csv", self._columns(), stays)

    def _columns(self) -> tuple[str, ...]:
        return (*super()._columns(), "train/learning_rate", "train/location_std")

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

    def _checkpoint(self) -> BaseCallback:
        folder = self.options.folder
        return Checkpoint(lambda: save_checkpoint(self._model, folder), run.CHECKPOINT_SECONDS)

    def _save(self, path: Path) -> None:
        self._model.save(path, exclude=["optimizer"])

    def _describe_model(self) -> dict[str, Any]:
        return {
            "preset": self.options.preset,
            "config": self.options.config.to_dict(),
            "precision": self._precision(),
            "processes": self.options.processes,
        }

    def _precision(self) -> str:
        return "bfloat16" if self._model.mixed_precision else "float32"

    def _describe_size(self) -> dict[str, Any]:
        networks = self._model.policy.networks
        return {
            "multiply_adds": self._num_glimpses * forward_multiply_adds(networks),
            "parameters": sum(value.numel() for value in self._model.policy.parameters()),
        }


def describe_weights(model: RAM) -> str:
    """Return what differs if two models differ in a weight or in how far they are."""
    digest = hashlib.sha256(str(model._n_updates).encode())
    for name, value in model.policy.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


def follow(options: RAMRunOptions) -> None:
    """Be one of the processes that help to train a run."""
    RAMRun(options).follow()
