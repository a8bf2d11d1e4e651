"""How does an agent of any library play our games, if it knows one vector in and one number out?"""

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from ram_env.wrappers.flat import flatten, parts_of, sizes_of


class FlatPolicy:
    """Play as an agent that was trained in `FlattenObservation` and `DiscreteAction`.

    Args:
        act: Returns the numbers of B actions, int64 (B,), for observations float32 (B, N).
        observation_space: That of one game, a `Dict`.
        action_space: That of one game, a `MultiDiscrete`.

    Raises:
        ValueError: If the action space is another one.
    """

    def __init__(
        self,
        act: Callable[[np.ndarray], Any],
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
    ) -> None:
        self._act = act
        self._keys, self._sizes = list(observation_space.spaces), sizes_of(action_space)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Return actions for a batch of observations, as Stable-Baselines3's models do."""
        return parts_of(self._act(flatten(observation, self._keys)), self._sizes), state
