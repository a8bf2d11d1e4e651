"""How does Stable-Baselines3 play a gymnasium `VectorEnv`?"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from agents.sb3.spaces import box_for_dict

Info = dict[str, Any]


class GymnasiumVecEnv(VecEnv):
    """Show a gymnasium vector env to Stable-Baselines3.

    A finished episode restarts in the same step, as Stable-Baselines3 expects: its last observation
    is `infos[i]["terminal_observation"]`, and the info of its successor `reset_infos[i]`. A `Dict`
    action space of `location` and `label`, which Stable-Baselines3 refuses, is shown as the
    `Box(-1, 1, (2 + C,))` of location and class scores; the label is their argmax.

    Args:
        env: A vector env in autoreset mode `SAME_STEP`.

    Attributes:
        num_calls: How often the env was reset or stepped: who remembers it knows whether others
            have played meanwhile.
        reset_info_arrays: The infos of the last reset of all games at once, each an array of first
            dimension B with a mask `_key` beside it.

    Raises:
        ValueError: If its autoreset mode is another one, or its `Dict` actions are others.
    """

    _reset_infos: list[Info] | None  # None: not yet split from the arrays

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(
                "`env` must restart episodes in the same step, as Stable-Baselines3 expects, got "
                f"{mode}: make it with gym.make_vec(..., autoreset_mode='SameStep')."
            )
        self.env = env
        self.num_calls = 0
        self.reset_info_arrays: Info = {}
        # SB3's constructor asks `get_attr("render_mode")`.
        self.num_envs = env.num_envs
        space = env.single_action_space
        self._dict_actions = isinstance(space, spaces.Dict)
        if isinstance(space, spaces.Dict):
            space = box_for_dict(space)
        super().__init__(env.num_envs, env.single_observation_space, space)
        self.metadata = env.metadata
        self._actions: Any = None
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)

    def reset(self) -> VecEnvObs:
        """Reset all envs with the seeds and options set before; return the observations."""
        self.num_calls += 1
        seeds = self._seeds if any(seed is not None for seed in self._seeds) else None
        observation, infos = self.env.reset(seed=seeds, options=self._joint_options())  # type: ignore[arg-type]
        self.reset_info_arrays, self._reset_infos = infos, None
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return observation

    @property
    def reset_infos(self) -> list[Info]:
        """The info of the reset that began the episode of each game."""
        if self._reset_infos is None:
            self._reset_infos = split_infos(self.reset_info_arrays, self.num_envs)
        return self._reset_infos

    @reset_infos.setter
    def reset_infos(self, infos: list[Info]) -> None:
        self._reset_infos = infos

    def step_async(self, actions: np.ndarray) -> None:
        """Take note of the actions."""
        if self._dict_actions:
            label = actions[:, 2:].argmax(axis=1)
            self._actions = {"location": actions[:, :2], "label": label}
        else:
            self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all envs."""
        self.num_calls += 1
        observation, rewards, terminations, truncations, infos = self.env.step(self._actions)
        dones = terminations | truncations
        self._returns += rewards
        self._lengths += 1
        if not dones.any():
            return observation, rewards.astype(np.float32), dones, split_infos(infos, self.num_envs)
        final_obs, final_info = infos.pop("final_obs"), infos.pop("final_info")
        infos = {key: value for key, value in infos.items() if not key.startswith("_final_")}
        step_infos = split_infos(final_info, self.num_envs)
        if dones.all():
            self.reset_info_arrays, self._reset_infos = infos, None
        else:
            reset_infos = self.reset_infos
            for number, info in enumerate(split_infos(infos, self.num_envs)):
                (reset_infos if dones[number] else step_infos)[number] = info
        for row in np.flatnonzero(dones):
            step_infos[row] |= {
                "terminal_observation": final_obs[row],
                "TimeLimit.truncated": bool(truncations[row] and not terminations[row]),
                "episode": {"r": float(self._returns[row]), "l": int(self._lengths[row])},
            }
        self._returns[dones] = 0.0
        self._lengths[dones] = 0
        return observation, rewards.astype(np.float32), dones, step_infos

    def close(self) -> None:
        """Close the envs."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return a picture of each env, or None for each if the env draws none."""
        return self.env.render() or [None] * self.num_envs  # type: ignore[return-value]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the vector env, or of the games of a `SyncVectorEnv`."""
        games = getattr(self.env, "envs", None)
        if games is not None and not hasattr(self.env, attr_name):
            return [games[row].get_wrapper_attr(attr_name) for row in self._get_indices(indices)]
        value = getattr(self.env, attr_name)
        per_env = isinstance(value, tuple) and len(value) == self.num_envs
        return [value[row] if per_env else value for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector env: of all envs at once, there is only one.

        Raises:
            ValueError: If `indices` names some of the envs only.
        """
        self._require_all("set_attr", indices)
        setattr(self.env, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of the vector env once; return its result for each env.

        Raises:
            ValueError: If `indices` names some of the envs only.
        """
        self._require_all("env_method", indices)
        return [getattr(self.env, method_name)(*method_args, **method_kwargs)] * self.num_envs

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return True for each env if asked for `Monitor`, whose work the adapter does itself."""
        return [issubclass(wrapper_class, Monitor) for _ in self._get_indices(indices)]

    def _require_all(self, name: str, indices: VecEnvIndices) -> None:
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise ValueError(
                f"`indices` of {name}() must name all envs: they are one vector env, got {indices}."
            )

    def _joint_options(self) -> dict[str, Any] | None:
        """Join the options of the envs, a dict each, into arrays."""
        options: list[dict[str, Any]] = [option or {} for option in self._options]
        if not any(options):
            return None
        if any(set(option) != set(options[0]) for option in options):
            raise ValueError("`options` must have the same keys for every env of a vector env.")
        return {key: np.array([option[key] for option in options]) for key in options[0]}


def split_infos(infos: dict[str, Any], num_envs: int) -> list[Info]:
    """Split the infos of a vector env into one dict per env.

    Args:
        infos: Arrays of first dimension `num_envs`, each with a mask `_key` beside it.
        num_envs: B.

    Returns:
        B dicts of Python numbers and arrays; a key is missing where its mask is False.
    """
    keys = [key for key in infos if not key.startswith("_")]
    columns = [_column(infos[key]) for key in keys]
    masks = [infos[f"_{key}"] for key in keys]
    if all(mask.all() for mask in masks):
        if not keys:
            return [{} for _ in range(num_envs)]
        return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]
    return [
        {
            key: column[row]
            for key, column, mask in zip(keys, columns, masks, strict=True)
            if mask[row]
        }
        for row in range(num_envs)
    ]


def _column(values: Any) -> list[Any]:
    """Return one value per env, Python numbers where they are scalars."""
    if isinstance(values, dict):
        return split_infos(values, len(next(iter(values.values()))))
    return values.tolist() if values.ndim == 1 else list(values)
