"""How well does a model play the frozen scenes of a split?"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from agents.evaluation.result import Evaluation, count_confusion, make_evaluation
from agents.looking.play import Predictor, check_confidence, glimpses_until, play, views_of
from agents.sb3.envs import add_memory, as_shown, make_games, task_of
from ram_env.drawing.rendering import EpisodeView

MAX_ENVS = 500  # episodes played at once: few enough for the caches, many enough for the matrices
MAX_BYTES = 2**28  # that they take, of large canvases


class Playback(NamedTuple):
    """How B episodes of T glimpses were answered."""

    answers: np.ndarray  # int64 (T, B): the label answered after each glimpse
    beliefs: np.ndarray  # float32 (T, B, C)
    is_wrong: np.ndarray  # bool (T, B), or (1, B) where the end alone tells: see `Game.is_wrong`
    num_glimpses: np.ndarray  # int64 (B,): how many were taken before the answer that counts

    @classmethod
    def of(cls, parts: Iterable["Playback"]) -> "Playback":
        """Put episodes together that were played at different times."""
        answers, beliefs, is_wrong, num_glimpses = zip(*parts, strict=True)
        return cls(
            np.concatenate(answers, axis=1),
            np.concatenate(beliefs, axis=1),
            np.concatenate(is_wrong, axis=1),
            np.concatenate(num_glimpses),
        )

    def held(self, told: np.ndarray) -> np.ndarray:
        """Return what holds after each glimpse of what is told of each answer, (T, B)."""
        times = np.minimum(np.arange(len(told))[:, None], self.num_glimpses - 1)
        return np.take_along_axis(told, times, axis=0)


class FrozenScenes:
    """The frozen scenes of a split, ready to be played by a model again and again.

    Args:
        env_id: A registered id.
        env_kwargs: Arguments for it, `action_format` as the model needs it.
        split: `"validation"` or `"test"`.
        num_scenes: The first so many; all if None.
        memory: What the model remembers of what was seen: see `agents.make_vec_env`.

    Raises:
        ValueError: If there are fewer scenes, or it is no glimpse env or does not take the
            arguments.
    """

    def __init__(
        self,
        env_id: str,
        env_kwargs: dict[str, Any] | None = None,
        split: str = "test",
        num_scenes: int | None = None,
        memory: str = "none",
    ) -> None:
        self.env_id, self.env_kwargs, self.split = env_id, dict(env_kwargs or {}), split
        kwargs = as_shown(self.env_kwargs | {"split": split})
        probe = task_of(make_games(env_id, 1, AutoresetMode.DISABLED, **kwargs))
        available = probe.num_frozen
        self.num_scenes = available if num_scenes is None else num_scenes
        if not 1 <= self.num_scenes <= available:
            raise ValueError(
                f"`num_scenes` must be in 1..{available}, the {split} scenes, got {num_scenes}."
            )
        fitting = max(1, MAX_BYTES // probe.bytes_per_episode)
        num_envs = min(self.num_scenes, MAX_ENVS, fitting)
        games = make_games(env_id, num_envs, AutoresetMode.DISABLED, **kwargs)
        self._env = add_memory(games, memory)
        self.task = task_of(self._env)

    @property
    def single_spaces(self) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
        """What a model observes, and how it acts, in one of the games."""
        return self._env.single_observation_space, self._env.single_action_space

    @property
    def labels(self) -> np.ndarray:
        """The true class of each scene, int64 (num_scenes,); -1 if it has none."""
        return self.task.frozen_labels()[: self.num_scenes]

    def evaluate(self, model: Predictor, confidence: float | None = None) -> Evaluation:
        """Let a model play every scene once, deterministically, and count its errors.

        Args:
            model: What plays.
            confidence: An episode ends once the belief in a class reaches this, if the model has
                not ended it; None: after all glimpses.

        Raises:
            ValueError: If the confidence is out of range, or the model has no beliefs.
        """
        check_confidence(confidence, self.task)
        wrong: Any = 0  # after each glimpse
        answers, num_glimpses = [], 0
        for playback in self.playbacks(model, confidence):
            answers.append(playback.held(playback.answers)[-1])
            wrong = wrong + playback.held(playback.is_wrong).sum(axis=1)
            num_glimpses += int(playback.num_glimpses.sum())
        return make_evaluation(
            self.env_id,
            self.env_kwargs,
            self.task.data_name,
            self.split,
            self.num_scenes,
            wrong.tolist(),
            count_confusion(self.labels, np.concatenate(answers), self.task.class_names),
            num_glimpses / self.num_scenes,
        )

    def playbacks(self, model: Predictor, confidence: float | None = None) -> Iterator[Playback]:
        """Yield how a model plays the scenes, in their order, as many at once as there are games.

        They are played through: what a model sees does not depend on when its answer counts.
        """
        for numbers in self._batches(np.arange(self.num_scenes)):
            yield self._play(model, numbers, confidence)

    def record(
        self, model: Predictor, num_right: int, num_wrong: int, confidence: float | None = None
    ) -> list[list[EpisodeView]]:
        """Return the first scenes that the model gets right and wrong, in the scenes' order.

        There are fewer if the model is too good or too bad. An episode has a view per glimpse until
        its answer.
        """
        wanted = {True: num_right, False: num_wrong}
        episodes = []
        for playback in self.playbacks(model, confidence):
            is_right = ~playback.held(playback.is_wrong)[-1]
            for position, right in enumerate(is_right.tolist()):
                if wanted[right]:
                    wanted[right] -= 1
                    episodes.append(self._views(playback, position))
            if not any(wanted.values()):
                break
        return episodes

    def replay(
        self, model: Predictor, numbers: np.ndarray, confidence: float | None = None
    ) -> list[list[EpisodeView]]:
        """Return how a model plays the scenes of these numbers, int64 (M,), as `record` does."""
        episodes = []
        for batch in self._batches(numbers):
            playback = self._play(model, batch, confidence)
            episodes += [self._views(playback, position) for position in range(len(batch))]
        return episodes

    def _batches(self, numbers: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the numbers of scenes in their order, at most one per env at a time."""
        for start in range(0, len(numbers), self._env.num_envs):
            yield numbers[start : start + self._env.num_envs]

    def _views(self, playback: Playback, position: int) -> list[EpisodeView]:
        """Return what there is to draw of an episode that the envs have just played."""
        seen = playback.num_glimpses[position]
        beliefs = playback.beliefs[:seen, position]
        answer = int(playback.answers[seen - 1, position])
        return views_of(self._env, position, beliefs, prediction=answer)

    def _play(self, model: Predictor, numbers: np.ndarray, confidence: float | None) -> Playback:
        """Play some scenes; what envs are left over play the first of them and are not counted."""
        count, num_envs = len(numbers), self._env.num_envs
        padded = np.concatenate([numbers, np.repeat(numbers[:1], num_envs - count)])
        steps = list(play(self._env, model, self.task.frozen_scenes(padded)))
        answers = np.stack([step.labels for step in steps])
        is_wrong = self.task.is_wrong(answers, steps[-1].infos)[:, :count]
        beliefs = np.stack([step.beliefs[:count] for step in steps])
        is_over = np.stack([step.is_over(confidence)[:count] for step in steps])
        return Playback(answers[:, :count], beliefs, is_wrong, glimpses_until(is_over))
