"""What does a vector env show and take, for a library that lacks something? As single envs do."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from ram_env.arguments import options_of
from ram_env.games.game import Observation
from ram_env.vector_env import Infos, split_observation
from ram_env.wrappers.flat import discrete_of, flatten, parts_of, sizes_of
from ram_env.wrappers.memory import CanvasMemory, HistoryMemory, Memory, task_of

__all__ = ["DiscreteAction", "FlattenObservation", "GlimpseHistory", "SeenCanvas"]


class OpenWrapper(VectorWrapper):  # generic only from Gymnasium 1.4 on
    """Pass on what libraries look for in a vector env, and Gymnasium's own wrappers hide."""

    @property
    def autoreset_mode(self) -> AutoresetMode:
        """When a finished game restarts: for TorchRL, which reads no metadata."""
        return self.env.metadata["autoreset_mode"]

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute of the env inside, or what a method of it returns, for each sub-env.

        skrl renders by it.

        Raises:
            AttributeError: If there is none of this name, or the env inside has no `call`.
        """
        return self.env.call(name, *args, **kwargs)  # type: ignore[attr-defined]

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of the env inside for each sub-env; raises as `call` does."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of the env inside in all sub-envs.

        Raises:
            AttributeError: If it is an argument of the task, which are fixed, or the env inside has
                no `set_attr`.
            ValueError: If values are too few or many, or differ.
        """
        self.env.set_attr(name, values)  # type: ignore[attr-defined]


class VectorMemoryWrapper(OpenWrapper):
    """Show what a memory holds instead of the latest observations alone.

    For the same seed it returns bit for bit, infos included, what `SyncVectorEnv` over wrapped
    single envs returns, in every autoreset mode. Observations are fresh arrays.

    Args:
        env: A `GlimpseVectorEnv`, also one in wrappers that leave the observations as they are.

    Raises:
        TypeError: If it is no vector env.
        ValueError: If it is another vector env, or shows other observations.
    """

    memory_type: ClassVar[type[Memory]]

    def __init__(self, env: VectorEnv[Observation, Any, np.ndarray]) -> None:
        super().__init__(env)
        task = task_of(env, env.single_observation_space)
        self._memory = self.memory_type(env.num_envs, task)
        self.single_observation_space = self._memory.space
        self.observation_space = batch_space(self._memory.space, env.num_envs)
        self._in_same_step = self.autoreset_mode == AutoresetMode.SAME_STEP
        self._in_next_step = self.autoreset_mode == AutoresetMode.NEXT_STEP
        self._restarting = np.zeros(env.num_envs, dtype=bool)  # in the next step
        self._all = np.arange(env.num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observation, Infos]:
        """Start an episode in all sub-envs, or in those of `options["reset_mask"]`.

        Raises:
            TypeError: If a wrapper inside of this one returns infos that are no dict.
        """
        # Read first: `RecordEpisodeStatistics` of Gymnasium takes the mask out of the options.
        mask = options_of(options).get("reset_mask")
        observation, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        if not isinstance(infos, dict):
            raise TypeError(
                f"{type(self).__name__} needs infos in a dict, got a {type(infos).__name__}: wrap "
                "the env in it first, and in `DictInfoToList` or the like after that."
            )
        started = np.ones(self.num_envs, dtype=bool) if mask is None else mask
        self._take_note(self._memory.begin, started, observation)
        self._restarting &= ~started
        return self._memory.show(self._all), infos

    def step(self, actions: Any) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, Infos]:
        """Take one action in each sub-env, and remember what it showed.

        Returns:
            What the env returns, with the observations of the wrapper; also in `final_obs`.
        """
        observation, rewards, terminations, truncations, infos = self.env.step(actions)
        ended = terminations | truncations
        if self._in_same_step and ended.any():
            # Nothing to add: the last step of an episode shows the last glimpse again.
            rows = np.flatnonzero(ended)
            final_obs = split_observation(self._memory.show(rows), rows, self.num_envs)
            infos = {**infos, "final_obs": final_obs}
        restarted = ended if self._in_same_step else self._restarting
        self._take_note(self._memory.begin, restarted, observation)
        # A step that ends an episode shows the last glimpse again.
        self._take_note(self._memory.add, ~(restarted | terminations), observation)
        if self._in_next_step:
            self._restarting = ended
        return self._memory.show(self._all), rewards, terminations, truncations, infos

    def _take_note(
        self, note: Callable[[np.ndarray, Observation], None], mask: np.ndarray, batch: Observation
    ) -> None:
        """Begin or go on with the episodes of a mask, bool (num_envs,)."""
        if mask.all():
            note(self._all, batch)
        elif mask.any():
            note(np.flatnonzero(mask), {key: value[mask] for key, value in batch.items()})


class GlimpseHistory(VectorMemoryWrapper):
    """Show all glimpses of the episodes so far: see `ram_env.wrappers.GlimpseHistory`."""

    memory_type = HistoryMemory


class SeenCanvas(VectorMemoryWrapper):
    """Show canvases of all that was seen so far: see `ram_env.wrappers.SeenCanvas`."""

    memory_type = CanvasMemory


class FlattenObservation(OpenWrapper):
    """Show one vector of all numbers: see `ram_env.wrappers.FlattenObservation`, Gymnasium's own.

    Its `gymnasium.wrappers.vector.FlattenObservation` flattens one sub-env after the other, and
    refuses the mode `SAME_STEP`.

    Args:
        env: A vector env that shows a `Dict` of arrays, as ours do.

    Raises:
        ValueError: If it shows something else.
    """

    def __init__(self, env: VectorEnv[Observation, Any, np.ndarray]) -> None:
        super().__init__(env)
        space = env.single_observation_space
        if not isinstance(space, spaces.Dict):
            raise ValueError(f"`env` must show a Dict of arrays to be flattened, got {space}.")
        self._keys = list(space.spaces)
        self.single_observation_space = spaces.flatten_space(space)
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, Infos]:
        """Start episodes as the env does."""
        observation, infos = self.env.reset(seed=seed, options=options)  # type: ignore[arg-type]
        return flatten(observation, self._keys), infos

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Infos]:
        """Take one action in each sub-env; also `final_obs` is flat."""
        observation, rewards, terminations, truncations, infos = self.env.step(actions)
        if "final_obs" in infos:
            final_obs = np.full(self.num_envs, None, dtype=object)
            for row in np.flatnonzero(infos["_final_obs"]):
                final_obs[row] = flatten(infos["final_obs"][row], self._keys, axis=0)
            infos = {**infos, "final_obs": final_obs}
        return flatten(observation, self._keys), rewards, terminations, truncations, infos


class DiscreteAction(OpenWrapper):
    """Take one number for all parts of an action: see `ram_env.wrappers.DiscreteAction`."""

    def __init__(self, env: VectorEnv[Any, Any, np.ndarray]) -> None:
        super().__init__(env)
        self._sizes = sizes_of(env.single_action_space)
        self.single_action_space = discrete_of(self._sizes)
        self.action_space = batch_space(self.single_action_space, env.num_envs)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, Infos]:
        """Take one action in each sub-env, int64 (num_envs,)."""
        return self.env.step(parts_of(actions, self._sizes))
