"""How does a library see an env if it knows but one vector in and one number out?"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from ram_env.games.game import Observation


class DiscreteAction(gym.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """Take one number for all parts of a `MultiDiscrete` action, which becomes `Discrete`.

    Of `MultiDiscrete([G, G, C])` it is (x * G + y) * C + label, as `numpy.ravel_multi_index` has
    it; with a stop, twice that, plus 1 to answer now.

    `ram_env.wrappers.vector.DiscreteAction` does the same for a vector env, bit for bit.

    Args:
        env: A `GlimpseEnv` of `action_format="multidiscrete"`, in any wrappers.

    Raises:
        TypeError: If it is no env.
        ValueError: If its action space is another one.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.ActionWrapper.__init__(self, env)
        self._sizes = sizes_of(env.action_space)
        self.action_space = discrete_of(self._sizes)

    def action(self, action: Any) -> np.ndarray:
        """Return the parts of an action."""
        return parts_of(action, self._sizes)


def sizes_of(space: spaces.Space[Any]) -> np.ndarray:
    """Return how many values each part of an action has, int64 (P,).

    Raises:
        ValueError: If the space is no `MultiDiscrete` with one axis.
    """
    if not isinstance(space, spaces.MultiDiscrete) or space.nvec.ndim != 1:
        raise ValueError(
            f"`env` must have an action space MultiDiscrete([grid, grid, C]), got {space}: make it "
            "with action_format='multidiscrete'."
        )
    return space.nvec


def discrete_of(sizes: np.ndarray) -> spaces.Discrete:
    """Return the space with a number for every action of these parts."""
    return spaces.Discrete(int(np.prod(sizes)))


def parts_of(numbers: Any, sizes: np.ndarray) -> np.ndarray:
    """Return the parts of actions that are one number each: int64 (...) -> int64 (..., P).

    The first part of a number beyond the last is beyond its own size, so that the env refuses it
    if, and only if, it reads that action: an env that restarts reads none.
    """
    values = np.asarray(numbers)[..., None] // (np.cumprod(sizes[::-1])[::-1] // sizes)
    return np.concatenate([values[..., :1], values[..., 1:] % sizes[1:]], axis=-1)


def flatten(observation: Observation, keys: Sequence[str], axis: int = 1) -> np.ndarray:
    """Return all numbers of an observation: float32, one axis from `axis` on, keys in order."""
    parts = [observation[key] for key in keys]
    return np.concatenate([part.reshape(*part.shape[:axis], -1) for part in parts], axis=axis)
