"""How is a native vector env asked about its sub-envs, which it plays as one?"""

from typing import Any

import numpy as np

from ram_env.arguments import shown
from ram_env.drawing.rendering import EpisodeView

_OF_EACH = ("render", "np_random", "np_random_seed")  # what a vector env has one of per sub-env


class SubEnvs:
    """The methods of Gymnasium's `SyncVectorEnv` that reach into its sub-envs."""

    num_envs: int

    def view(self, row: int) -> EpisodeView:
        """Return what there is to draw of one sub-env's episode so far, the scene included."""
        raise NotImplementedError

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute, or what a method returns, for each sub-env, as `SyncVectorEnv` does.

        Raises:
            AttributeError: If there is none of this name.
        """
        if name == "view":
            return tuple(self.view(row) for row in range(self.num_envs))
        of_one = f"single_{name}" if name in ("observation_space", "action_space") else name
        value = getattr(self, of_one)
        if callable(value):
            value = value(*args, **kwargs)
        is_of_each = name in _OF_EACH and value is not None
        return value if is_of_each else (value,) * self.num_envs

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute for each sub-env.

        Raises:
            AttributeError: If there is none of this name.
        """
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of all sub-envs.

        Args:
            name: The attribute.
            values: One value, or a list or tuple of one per sub-env, which must all be the same.

        Raises:
            AttributeError: If it is an argument of the task: those are fixed.
            ValueError: If values are too few or many, or differ.
        """
        each = values if isinstance(values, list | tuple) else [values] * self.num_envs
        differ = any(value is not each[0] and not np.array_equal(value, each[0]) for value in each)
        if len(each) != self.num_envs or differ:
            raise ValueError(
                f"`values` must be one value, or the same for each of the {self.num_envs} sub-envs "
                f"of a native vector env, got {shown(values)}: if they must differ, make the envs "
                "with `vectorization_mode='sync'`."
            )
        setattr(self, name, each[0])
