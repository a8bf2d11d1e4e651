"""How does a model play a batch of episodes, and what does it believe after each glimpse?"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium.vector import VectorEnv

from agents.sb3.envs import task_of, view_of
from ram_env.arguments import as_array, number_between
from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import ActionFormat
from ram_env.games.game import Game


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


class Step(NamedTuple):
    """What B episodes answered after a glimpse."""

    labels: np.ndarray  # int64 (B,)
    beliefs: np.ndarray  # float32 (B, C); certainty if the action format has no scores
    stops: np.ndarray  # bool (B,): whether the model says to answer now
    infos: dict[str, Any]  # of the env

    def is_over(self, confidence: float | None) -> np.ndarray:
        """Return whether it is answered: the model says so, or believes firmly enough, bool (B,).

        Args:
            confidence: That the belief in a class must reach; None: it is no matter of that.
        """
        return (
            self.stops
            if confidence is None
            else self.stops | (self.beliefs.max(axis=1) >= confidence)
        )


def play(
    env: VectorEnv[Any, Any, Any], model: Predictor, options: Mapping[str, np.ndarray]
) -> Iterator[Step]:
    """Yield the steps of an episode in every env, played deterministically.

    All T steps are taken, also where the model would have answered before: what it sees is the
    same, and all games stay in step.

    Args:
        env: Games of ours, whatever wraps them, which do not restart by themselves.
        model: What plays.
        options: Of the reset.

    Raises:
        ValueError: If the model does not answer as a `Predictor` does.
    """
    task, num_envs = task_of(env), env.num_envs
    observation, _ = env.reset(options=dict(options))
    state, starts = None, np.ones(num_envs, dtype=bool)
    for _ in range(task.num_glimpses):
        answer: Any = model.predict(observation, state, starts, deterministic=True)
        actions, state = check_answer(answer, num_envs)
        answers = task.format.decode(actions)
        if answers.scores is None:
            beliefs = np.eye(task.num_classes, dtype=np.float32)[answers.labels]
        else:
            beliefs = np.exp(task.log_belief(answers.scores)).astype(np.float32)
        stops = np.zeros(num_envs, dtype=bool) if answers.stops is None else answers.stops
        observation, *_, infos = env.step(task.format.without_stop(actions))
        yield Step(answers.labels, beliefs, stops, infos)
        starts = np.zeros(num_envs, dtype=bool)


def check_confidence(confidence: float | None, task: Game) -> None:
    """Refuse a confidence to end looking at that is no share, or that no model here can reach.

    Raises:
        ValueError: If it is.
    """
    if confidence is None:
        return
    number_between("confidence", confidence, 0.0, 1.0)
    if task.usual_answer() is None:
        raise ValueError(
            f"`confidence` is for tasks of classifying, got it with {task.data_name}, where every "
            "step counts: leave it out."
        )
    if task.action_format != ActionFormat.BOX:
        raise ValueError(
            "`confidence` needs a model that tells its belief, as `action_format='box'` has it,"
            f" got one of {str(task.action_format)!r}: leave it out."
        )


def glimpses_until(is_over: np.ndarray) -> np.ndarray:
    """Return after how many glimpses it is answered: at the latest after all.

    Args:
        is_over: Whether it is, after each glimpse, bool (T, B).

    Returns:
        int64 (B,), in 1..T.
    """
    at_latest = np.ones_like(is_over[:1])
    return np.concatenate([is_over[:-1], at_latest]).argmax(axis=0) + 1


def check_answer(answer: Any, num_envs: int) -> tuple[np.ndarray, Any]:
    """Return the actions and the state that `predict` has answered with.

    Raises:
        ValueError: If they are not these two, or not as many actions as games.
    """
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise ValueError(
            "`predict` must return two values, the actions and the state for the next call, got "
            f"{type(answer).__name__}: `return actions, state`, with None for no state."
        )
    actions, state = as_array("actions", answer[0]), answer[1]
    if actions.shape[:1] != (num_envs,):
        raise ValueError(
            f"`predict` must return an action for each of the {num_envs} observations of a batch, "
            f"in an array of as many rows, got one of shape {actions.shape}."
        )
    return actions, state


def views_of(
    env: VectorEnv[Any, Any, Any], row: int, beliefs: np.ndarray, **changes: Any
) -> list[EpisodeView]:
    """Return what there was to draw of an episode after each of its glimpses.

    Args:
        env: The games.
        row: Which of them.
        beliefs: What was believed after each glimpse, float (T, C); later ones are left out.
        **changes: Of each view.
    """
    last = dataclasses.replace(view_of(env, row), **changes)
    return [
        dataclasses.replace(
            last.after(seen),
            belief=belief,
            prediction=last.prediction if seen == len(beliefs) else None,
            is_won=last.is_won if seen == len(beliefs) else None,
        )
        for seen, belief in enumerate(beliefs, start=1)
    ]
