"""How does one play who knows nothing? Where it looks and what it answers is drawn uniformly."""

import copy
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space


class RandomPolicy:
    """Draw actions uniformly from the action space, the same ones in each evaluation.

    Args:
        observation_space: What one game shows.
        action_space: What can be done in it.
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        self.observation_space, self.action_space = observation_space, action_space

    def predict(
        self,
        observation: dict[str, np.ndarray],
        state: spaces.Space[Any] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, spaces.Space[Any]]:
        """Draw actions for one observation or a batch.

        Args:
            observation: What one game shows or many do; only their number counts.
            state: What the last call returned; None begins the draws anew.
            episode_start: Not read.
            deterministic: Not read: the draws can be repeated in any case.

        Returns:
            Actions, and the space that goes on with the draws.
        """
        if state is None:
            state = copy.deepcopy(self.action_space)
            if not self.observation_space.contains(observation):  # it is a batch
                state = batch_space(state, len(next(iter(observation.values()))))
            state.seed(0)
        return np.asarray(state.sample()), state
