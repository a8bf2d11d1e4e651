"""What happens beside a training: progress bar, validation, checkpoints, a graceful stop."""

import signal
import sys
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from stable_baselines3.common.callbacks import BaseCallback
from tqdm import tqdm

from agents.evaluate import Evaluation, FrozenScenes
from agents.ram import RAM
from agents.resume import save_checkpoint


class ProgressBar(BaseCallback):
    """Show episodes/s, running and validation error, and the time to finish."""

    def __init__(self, num_episodes: int, title: str) -> None:
        """Prepare a bar over a budget of episodes."""
        super().__init__()
        self._num_episodes = num_episodes
        self._title = title
        self._bar: Any = None
        self.validation_error: float | None = None

    def _on_training_start(self) -> None:
        self._bar = tqdm(
            total=self._num_episodes,
            initial=self.model._episode_num,
            desc=self._title,
            unit=" episodes",
            unit_scale=True,
            mininterval=0.5 if sys.stderr.isatty() else 10.0,  # a log file needs fewer lines
            dynamic_ncols=True,
        )

    def _on_rollout_end(self) -> None:
        successes = self.model.ep_success_buffer
        shown = {}
        if successes:
            shown["error"] = f"{100.0 * (1.0 - sum(successes) / len(successes)):.1f}%"
        if self.validation_error is not None:
            shown["validation"] = f"{self.validation_error:.2f}%"
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(self.model._episode_num - self._bar.n)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._bar.close()


class Validation(BaseCallback):
    """Measure the error on the frozen validation scenes now and then, and at the end.

    It gets a row of its own in the log: `validation/error` and its 95 % interval, in percent.
    """

    model: RAM

    def __init__(self, scenes: FrozenScenes, every: int, bar: ProgressBar) -> None:
        """Prepare to validate every so many episodes."""
        super().__init__()
        self._scenes, self._every, self._bar = scenes, every, bar
        self._next = every
        self.latest: Evaluation | None = None

    def _on_training_start(self) -> None:
        self._next = (self.model._episode_num // self._every + 1) * self._every

    def is_due(self, episodes: int, batch_size: int) -> bool:
        """Return whether it takes place after so many episodes, in batches of a size."""
        return episodes // self._every > (episodes - batch_size) // self._every

    def _on_rollout_start(self) -> None:
        # The start of a rollout lies between two gradient steps.
        if self.model._episode_num >= self._next:
            self._next += self._every
            self._validate()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._validate()

    def _validate(self) -> None:
        self.latest = self._scenes.evaluate(self.model)
        self._bar.validation_error = self.latest.error
        self.model.record_time()
        self.logger.record("validation/error", self.latest.error)
        self.logger.record("validation/error_low", self.latest.low)
        self.logger.record("validation/error_high", self.latest.high)
        self.logger.dump(self.num_timesteps)


class SpeedMeter(BaseCallback):
    """Measure the speed of training for some seconds, then stop it."""

    WARM_UP = 3  # the first updates are slow

    def __init__(self, seconds: float) -> None:
        """Prepare to measure for so long."""
        super().__init__()
        self._seconds = seconds
        self._started = 0.0
        self._first = 0
        self.episodes_per_second = 0.0

    def _on_rollout_start(self) -> None:
        if self.model._n_updates == self.WARM_UP:
            self._started, self._first = time.perf_counter(), self.model._episode_num
        elif self.model._n_updates > self.WARM_UP:
            played = self.model._episode_num - self._first
            self.episodes_per_second = played / (time.perf_counter() - self._started)

    def _on_step(self) -> bool:
        measuring = self.episodes_per_second > 0.0
        return not measuring or time.perf_counter() - self._started < self._seconds


class Checkpoint(BaseCallback):
    """Save the model with its optimiser at a time interval and at the end; keep the one before."""

    model: RAM

    def __init__(self, folder: Path, interval: float) -> None:
        """Prepare to save into `folder` every `interval` seconds."""
        super().__init__()
        self._folder, self._interval = folder, interval
        self._saved_at = time.monotonic()

    def _on_rollout_start(self) -> None:
        if time.monotonic() - self._saved_at >= self._interval:
            self._save()

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._save()

    def _save(self) -> None:
        save_checkpoint(self.model, self._folder)
        self._saved_at = time.monotonic()


class GracefulStop(BaseCallback):
    """End the training, not the program, on Ctrl-C or SIGTERM: use it as a context manager.

    A second signal has its usual effect.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        """Prepare; signals are caught between enter and exit."""
        super().__init__()
        self.stopped = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Catch the signals."""
        self._handlers = {number: signal.signal(number, self._stop) for number in self.SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the signals have their usual effect again."""
        self._restore()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def _on_step(self) -> bool:
        return not self.stopped
