"""Evaluation: error on the frozen scenes, with its interval, after each glimpse.

`python -m agents.evaluate --run runs/NAME [--split test]` measures a finished run again,
`--pretrained TASK` the model of a task that comes with the package.
"""

import argparse
import dataclasses
import json
import math
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from agents.pictures import EpisodeRecord
from agents.pretrained_models import pretrained_rows
from ram_env import SHORT_NAMES
from ram_env.actions import ActionFormat
from ram_env.scenes import frozen_scenes
from ram_env.task import GlimpseTask

MAX_ENVS = 500  # episodes played at once: few enough for the caches, many enough for the matrices
MAX_BYTES = 2**28  # that they take, of large canvases


class Predictor(Protocol):
    """Anything that predicts as the models of Stable-Baselines3 do."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Return actions for a batch of observations, and the state for the next call."""


@dataclass(frozen=True)
class Evaluation:
    """The result of one deterministic pass over frozen scenes; errors in percent."""

    env_id: str
    env_kwargs: dict[str, Any]
    dataset: str  # what was really used: "mnist", "digits", ...
    split: str
    num_scenes: int
    num_errors: int
    error: float
    low: float  # of the Wilson 95 % interval
    high: float
    error_per_glimpse: list[float]  # of the label answered after glimpse 1, 2, ..., T

    def describe(self) -> str:
        """Return one line for people."""
        return (
            f"{self.error:.2f} % error on {self.num_scenes:,} {self.split} scenes of "
            f"{describe_dataset(self.dataset)} (95 % interval {self.low:.2f} to {self.high:.2f} %)"
        )


class Playback(NamedTuple):
    """B episodes of T glimpses as they were played, time-major."""

    locations: np.ndarray  # float32 (T, B, 2)
    glimpses: np.ndarray  # float32 (T, B, K, g, g)
    answers: np.ndarray  # int64 (T, B): the label answered after each glimpse
    beliefs: np.ndarray  # float32 (T, B, C)
    labels: np.ndarray  # int64 (B,): the truth


def describe_dataset(name: str) -> str:
    """Return how to call a data set in front of people: what is not MNIST says so."""
    return {"mnist": "MNIST", "digits": "digits (scikit-learn's, NOT MNIST)"}.get(name, name)


def wilson_interval(num_errors: int, num_scenes: int) -> tuple[float, float]:
    """Return the Wilson 95 % interval of an error rate, as shares of 1.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    z = 1.959963984540054  # the 97.5 % point of the normal distribution
    rate = num_errors / num_scenes
    scale = 1.0 + z**2 / num_scenes
    centre = (rate + z**2 / (2 * num_scenes)) / scale
    spread = rate * (1.0 - rate) / num_scenes + z**2 / (4 * num_scenes**2)
    half = z * math.sqrt(spread) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def make_evaluation(
    env_id: str,
    env_kwargs: dict[str, Any],
    dataset: str,
    split: str,
    num_scenes: int,
    num_errors: list[int],
) -> Evaluation:
    """Turn counts of errors, after each glimpse, into a result; see `Evaluation`."""
    low, high = wilson_interval(num_errors[-1], num_scenes)
    return Evaluation(
        env_id=env_id,
        env_kwargs=env_kwargs,
        dataset=dataset,
        split=split,
        num_scenes=num_scenes,
        num_errors=num_errors[-1],
        error=100.0 * num_errors[-1] / num_scenes,
        low=100.0 * low,
        high=100.0 * high,
        error_per_glimpse=[100.0 * count / num_scenes for count in num_errors],
    )


class FrozenScenes:
    """The frozen scenes of a split, ready to be played by a model again and again.

    Args:
        env_id: A registered id.
        env_kwargs: Arguments for it, `action_format` as the model needs it.
        split: `"validation"` or `"test"`.
        num_scenes: The first so many; all if None.

    Raises:
        ValueError: If there are fewer scenes, or the split has no frozen ones.
    """

    def __init__(
        self,
        env_id: str,
        env_kwargs: dict[str, Any] | None = None,
        split: str = "test",
        num_scenes: int | None = None,
    ) -> None:
        """Make the envs."""
        self.env_id, self.env_kwargs, self.split = env_id, dict(env_kwargs or {}), split
        kwargs = self.env_kwargs | {"split": split}
        if kwargs.get("action_format") == ActionFormat.DICT:
            kwargs["action_format"] = ActionFormat.BOX  # as agents/vec_env.py shows it to a model
        probe = self._task(gym.make_vec(env_id, num_envs=1, **kwargs))
        available = len(probe.dataset.labels)
        self.num_scenes = available if num_scenes is None else num_scenes
        if not 1 <= self.num_scenes <= available:
            raise ValueError(
                f"`num_scenes` must be in 1..{available}, the {split} scenes, got {num_scenes}."
            )
        fitting = max(1, MAX_BYTES // probe.bytes_per_episode)
        num_envs = min(self.num_scenes, MAX_ENVS, fitting)
        self._env = gym.make_vec(env_id, num_envs=num_envs, autoreset_mode="Disabled", **kwargs)
        self.task = self._task(self._env)

    @staticmethod
    def _task(env: VectorEnv[Any, Any, Any]) -> GlimpseTask:
        task = env.unwrapped.task  # type: ignore[attr-defined]
        assert isinstance(task, GlimpseTask)
        return task

    def evaluate(self, model: Predictor) -> Evaluation:
        """Let a model play every scene once, deterministically, and count its errors."""
        wrong = np.zeros(self.task.num_glimpses, dtype=np.int64)
        for indices in self._batches():
            playback = self._play(model, indices)
            wrong += (playback.answers != playback.labels).sum(axis=1)
        return make_evaluation(
            self.env_id,
            self.env_kwargs,
            self.task.dataset.name,
            self.split,
            self.num_scenes,
            wrong.tolist(),
        )

    def record(self, model: Predictor, num_right: int, num_wrong: int) -> list[EpisodeRecord]:
        """Return the first scenes that the model gets right and wrong, in the scenes' order.

        There are fewer if the model is too good or too bad.
        """
        right: list[tuple[int, EpisodeRecord]] = []
        wrong: list[tuple[int, EpisodeRecord]] = []
        for indices in self._batches():
            playback = self._play(model, indices)
            for position, index in enumerate(indices):
                hit = playback.answers[-1, position] == playback.labels[position]
                kept, wanted = (right, num_right) if hit else (wrong, num_wrong)
                if len(kept) < wanted:
                    kept.append((int(index), self._record(playback, position)))
            if len(right) == num_right and len(wrong) == num_wrong:
                break
        return [record for _, record in sorted(right + wrong, key=lambda pair: pair[0])]

    def _record(self, playback: Playback, position: int) -> EpisodeRecord:
        canvas = self._env.unwrapped.view(position).canvas  # type: ignore[attr-defined]
        return EpisodeRecord(
            canvas=canvas,
            locations=playback.locations[:, position],
            glimpses=playback.glimpses[:, position],
            beliefs=playback.beliefs[:, position],
            label=int(playback.labels[position]),
        )

    def _batches(self) -> Iterator[np.ndarray]:
        """Yield the scene numbers, at most one per env at a time."""
        for start in range(0, self.num_scenes, self._env.num_envs):
            yield np.arange(start, min(start + self._env.num_envs, self.num_scenes))

    def _play(self, model: Predictor, indices: np.ndarray) -> Playback:
        """Play some scenes; what envs are left over play the first of them and are not counted."""
        count, num_envs = len(indices), self._env.num_envs
        padded = np.concatenate([indices, np.repeat(indices[:1], num_envs - count)])
        observation, infos = self._env.reset(options=frozen_scenes(self.split, padded))
        state, starts = None, np.ones(num_envs, dtype=bool)
        steps = []
        for _ in range(self.task.num_glimpses):
            actions, state = model.predict(observation, state, starts, deterministic=True)
            answers, beliefs = self._read(actions)
            glimpse, location = observation["glimpse"], observation["location"]
            steps.append([part[:count] for part in (location, glimpse, answers, beliefs)])
            observation = self._env.step(actions)[0]
            starts = np.zeros(num_envs, dtype=bool)
        locations, glimpses, answered, believed = (
            np.stack(part) for part in zip(*steps, strict=True)
        )
        return Playback(locations, glimpses, answered, believed, infos["label"][:count])

    def _read(self, actions: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return labels, (B,), and beliefs, (B, C): certainty where a format has no scores."""
        decoded = self.task.decode(actions)
        if decoded.scores is None:
            return decoded.labels, np.eye(self.task.num_classes, dtype=np.float32)[decoded.labels]
        return decoded.labels, np.exp(self.task.log_belief(decoded.scores)).astype(np.float32)


def evaluate_run(run: pathlib.Path, split: str, num_scenes: int | None = None) -> Evaluation:
    """Measure the final model of a run folder.

    Raises:
        ValueError: If the folder holds no finished run.
    """
    from agents.ram import RAM

    for name in ("config.json", "model.zip"):
        if not (run / name).is_file():
            raise ValueError(
                f"`--run` must be the folder of a finished run: {run / name} is missing."
            )
    try:
        config = json.loads((run / "config.json").read_text())
        env_id, env_kwargs = config["env_id"], config["env_kwargs"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"`{run / 'config.json'}` is damaged ({error!r}).") from error
    model = RAM.load(run / "model.zip", device="cpu")
    return FrozenScenes(env_id, env_kwargs, split, num_scenes).evaluate(model)


def evaluate_pretrained(name: str, split: str, num_scenes: int | None = None) -> Evaluation:
    """Measure the model of a task that comes with the package, on MNIST.

    Raises:
        ValueError: If there is no model of that name, or no MNIST.
    """
    from agents.ram import RAM

    model = RAM.from_pretrained(name, device="cpu")
    return FrozenScenes(SHORT_NAMES[name], {"dataset": "mnist"}, split, num_scenes).evaluate(model)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m agents.evaluate", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=pathlib.Path, help="run folder of train.py")
    what.add_argument("--pretrained", metavar="TASK", help="model that comes with the package")
    parser.add_argument("--split", choices=["validation", "test"], default="test")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a line")
    options = parser.parse_args(arguments)
    try:
        if options.pretrained:
            evaluation = evaluate_pretrained(options.pretrained, options.split)
        else:
            evaluation = evaluate_run(options.run, options.split)
    except (ValueError, gym.error.Error) as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(dataclasses.asdict(evaluation), indent=2))
        return
    print(evaluation.describe())
    if options.pretrained and options.split == "test":
        committed = pretrained_rows()[options.pretrained]["error"]
        print(f"  committed with the model: {committed:.2f} %")
    for glimpse, value in enumerate(evaluation.error_per_glimpse, start=1):
        print(f"  after glimpse {glimpse}: {value:.2f} %")


if __name__ == "__main__":
    main()
