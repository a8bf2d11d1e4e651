"""What happens beside a training? Progress bar, validation, checkpoints, a graceful stop."""

import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from tqdm import tqdm

from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.result import Evaluation
from agents.runs.team import give_signals_back, take_signals
from agents.sb3.log import record_rollout, record_time, running_error


class Watcher(BaseCallback):
    """A callback that lets every step pass."""

    def _on_step(self) -> bool:
        return True


class ProgressBar(Watcher):
    """Show episodes/s, running and validation error, and the time to finish.

    Args:
        num_episodes: The budget.
        count: Returns how many of them are played.
        title: What stands before the bar.
    """

    def __init__(self, num_episodes: int, count: Callable[[], int], title: str) -> None:
        super().__init__()
        self._num_episodes, self._count, self._title = num_episodes, count, title
        self._bar: Any = None
        self.validation_error: float | None = None

    def _on_training_start(self) -> None:
        self._bar = tqdm(
            total=self._num_episodes,
            initial=self._count(),
            desc=self._title,
            unit=" episodes",
            unit_scale=True,
            mininterval=0.5 if is_watched() else 10.0,  # a log file needs fewer lines
            dynamic_ncols=True,
        )

    def _on_rollout_end(self) -> None:
        error, shown = running_error(self.model), {}
        if error is not None:
            shown["error"] = f"{error:.1f}%"
        if self.validation_error is not None:
            shown["validation"] = f"{self.validation_error:.2f}%"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(self._count() - self._bar.n)

    def _on_training_end(self) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is, and begin a new line."""
        if self._bar is not None:
            self._bar.close()


def is_watched() -> bool:
    """Return whether somebody reads along, at a terminal or in a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Validation(Watcher):
    """Measure the error on the frozen validation scenes now and then, and at the end.

    It gets a row of its own in the log: `validation/error` and its 95 % interval, in percent.

    Args:
        scenes: The validation scenes.
        every: The episodes between two looks.
        bar: What shows the latest error.
        count: Returns how many episodes are played.
    """

    def __init__(
        self, scenes: FrozenScenes, every: int, bar: ProgressBar, count: Callable[[], int]
    ) -> None:
        super().__init__()
        self._scenes, self._every, self._bar, self._count = scenes, every, bar, count
        self._last_episodes = 0  # at the last look whether it is time
        self.latest: Evaluation | None = None

    def is_due(self, episodes: int, num_new: int) -> bool:
        """Return whether it takes place after so many episodes, the last `num_new` at once."""
        return episodes // self._every > (episodes - num_new) // self._every

    def rows_to_keep(
        self, done: int, budget: int, batch_size: int
    ) -> Callable[[dict[str, str]], bool]:
        """Return which rows of progress.csv a run that goes on keeps: what it will not redo.

        Args:
            done: Episodes that its model has learned from.
            budget: Episodes in all.
            batch_size: Episodes per update.
        """

        def keep(row: dict[str, str]) -> bool:
            episodes = int(row["time/episodes"])
            if episodes == done and row["validation/error"]:
                # One of the end, or of a stop by the user, is none of the course of the run.
                return done < budget and self.is_due(done, batch_size)
            return episodes <= done

        return keep

    def _on_training_start(self) -> None:
        self._last_episodes = self._count()

    def _on_rollout_start(self) -> None:
        # The start of a rollout lies between two gradient steps.
        episodes = self._count()
        if self.is_due(episodes, episodes - self._last_episodes):
            self._validate()
        self._last_episodes = episodes

    def _on_training_end(self) -> None:
        self._validate()

    def _validate(self) -> None:
        self.latest = self._scenes.evaluate(self.model)
        self._bar.validation_error = self.latest.error
        record_time(self.model, self._count())
        self.logger.record("validation/error", self.latest.error)
        self.logger.record("validation/error_low", self.latest.low)
        self.logger.record("validation/error_high", self.latest.high)
        self.logger.dump(self.num_timesteps)


class Progress(BaseCallback):
    """Count the episodes of an algorithm that does not itself, note them for the log, and end it.

    Args:
        num_glimpses: T, the steps of an episode that does not end before.
        budget: After how many episodes training ends: with the rollout in which they are reached.
    """

    def __init__(self, num_glimpses: int, budget: int) -> None:
        super().__init__()
        self._num_glimpses, self._budget = num_glimpses, budget
        self._num_ended = self._steps_of_ended = 0
        self._is_spent = False

    @property
    def episodes(self) -> int:
        """How many are played; the running ones count by their steps, T of them as one."""
        running = self.model.num_timesteps - self._steps_of_ended
        return self._num_ended + running // self._num_glimpses

    def _on_step(self) -> bool:
        for row in np.flatnonzero(self.locals["dones"]):
            self._num_ended += 1
            self._steps_of_ended += self.locals["infos"][row]["episode"]["l"]
        return not self._is_spent

    def _on_rollout_end(self) -> None:
        record_rollout(self.model, self.episodes)
        self._is_spent = self.episodes >= self._budget


class SpeedMeter(BaseCallback):
    """Measure the speed of training for some seconds, then stop it."""

    WARM_UP = 3  # rollouts: the first are slow

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._started = 0.0
        self._first = 0
        self._num_rollouts = 0
        self.steps_per_second = 0.0

    def _on_rollout_start(self) -> None:
        # The start of a rollout lies between two gradient steps, if there are any yet.
        if self.model.num_timesteps < getattr(self.model, "learning_starts", 0):
            return
        if self._num_rollouts == self.WARM_UP:
            self._started, self._first = time.perf_counter(), self.model.num_timesteps
        elif self._num_rollouts > self.WARM_UP:
            played = self.model.num_timesteps - self._first
            self.steps_per_second = played / (time.perf_counter() - self._started)
        self._num_rollouts += 1

    def _on_step(self) -> bool:
        measuring = self.steps_per_second > 0.0
        return not measuring or time.perf_counter() - self._started < self._seconds


class Checkpoint(Watcher):
    """Save a model at a time interval and at the end of its training."""

    def __init__(self, save: Callable[[], None], interval: float) -> None:
        super().__init__()
        self._save_now, self._interval = save, interval
        self._saved_at = time.monotonic()

    def _on_rollout_start(self) -> None:
        if time.monotonic() - self._saved_at >= self._interval:
            self._save()

    def _on_training_end(self) -> None:
        self._save()

    def _save(self) -> None:
        self._save_now()
        self._saved_at = time.monotonic()


class GracefulStop(BaseCallback):
    """End the training, not the program, on Ctrl-C or SIGTERM: use it as a context manager.

    A second signal has its usual effect.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stopped = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._handlers = take_signals(self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        give_signals_back(self._handlers)

    def _stop(self, *_: object) -> None:
        self.stopped = True
        give_signals_back(self._handlers)

    def _on_step(self) -> bool:
        return not self.stopped
