"""A training run of an algorithm of Stable-Baselines3, or of one that is made like those."""

import inspect
from pathlib import Path
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.errors import DivergenceError
from agents.model.config import check_type
from agents.runs import run
from agents.runs.callbacks import Checkpoint, Progress
from agents.runs.run import Run
from agents.runs.run_options import SB3RunOptions, check_folder
from agents.sb3.algorithms import ALGORITHMS
from agents.sb3.policy_file import (
    algorithm_class,
    check_size,
    constructor_arguments,
    save_policy,
)

STATS_WINDOW = 2560  # episodes that the running error is averaged over
OURS = {"self", "policy", "env", "seed", "device", "verbose", "tensorboard_log"}
OURS |= {"stats_window_size", "_init_setup_model"}  # arguments that are no settings


class SB3Run(Run[SB3RunOptions]):
    """A run of an algorithm of `agents.sb3.algorithms.ALGORITHMS`, RAM aside; see `Run`."""

    def _check(self, options: SB3RunOptions) -> None:
        check_folder(options.folder)
        known = dict(inspect.signature(algorithm_class(options.algo)).parameters)
        names = sorted(set(known) - OURS)
        unknown = sorted(set(options.settings) - set(names))
        if unknown:
            raise ValueError(
                f"unknown setting {unknown} of {options.algo}: the settings are {names}."
            )
        for name, value in options.settings.items():
            expected = type(known[name].default)
            if expected is type(None) and isinstance(value, str):
                raise ValueError(f"`{name}` of {options.algo} must be no text, got {value!r}.")
            if expected in (bool, int, float) and name != "learning_rate":
                check_type(f"`{name}` of {options.algo}", value, expected)

    def _make_model(self) -> BaseAlgorithm:
        options = self.options
        settings = constructor_arguments(options.settings)
        spaces = self._env.observation_space, self._env.action_space
        check_size(options.settings.get("policy_kwargs", {}), *spaces)
        try:
            return algorithm_class(options.algo)(
                ALGORITHMS[options.algo].policy,
                self._env,
                seed=options.seed,
                device=options.device,
                stats_window_size=STATS_WINDOW,
                **settings,
            )
        except (TypeError, AssertionError, AttributeError) as error:
            raise ValueError(
                f"`--settings` do not suit {options.algo}: {error or settings}."
            ) from error

    def _episodes_per_batch(self) -> int:
        """Return the episodes of a rollout, which training takes whole."""
        steps = getattr(self._model, "n_steps", 1) * self.options.num_envs
        return max(1, steps // self._num_glimpses)

    def _learn(self, episodes: int, callbacks: list[BaseCallback]) -> None:
        progress = Progress(self._num_glimpses)  # first: others write rows of the log
        steps = episodes * self._num_glimpses
        # A row for each rollout, or off policy, where finished episodes are counted, for each end
        # of all games: they end together.
        off_policy = isinstance(self._model, OffPolicyAlgorithm)
        interval = self.options.num_envs if off_policy else 1
        try:
            self._model.learn(steps, CallbackList([progress, *callbacks]), log_interval=interval)
        except ValueError as error:
            if "invalid values" not in str(error):  # as PyTorch's distributions call NaN
                raise
            raise DivergenceError(
                "training diverged: the policy's output is not finite after "
                f"{self._model.num_timesteps:,} env steps. Lower `learning_rate`."
            ) from error

    def _checkpoint(self) -> BaseCallback:
        path = self.options.folder / "checkpoint.zip"
        return Checkpoint(lambda: self._save(path), run.CHECKPOINT_SECONDS)

    def _save(self, path: Path) -> None:
        save_policy(path, self.options.algo, self.options.settings, self._model.policy)

    def _describe_model(self) -> dict[str, Any]:
        return {"settings": self.options.settings}

    def _describe_size(self) -> dict[str, Any]:
        return {"parameters": sum(value.numel() for value in self._model.policy.parameters())}
