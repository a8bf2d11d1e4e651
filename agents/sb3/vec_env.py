"""How does Stable-Baselines3 play a gymnasium `VectorEnv`?"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from agents.sb3.spaces import box_for_dict

Info = dict[str, Any]

SEED_DISTANCE = 2**20  # between the first games of two seeds: as many games fit between


class GymnasiumVecEnv(VecEnv):
    """Show a gymnasium vector env to Stable-Baselines3.

    A finished episode restarts in the same step, as Stable-Baselines3 expects: its last observation
    is `infos[i]["terminal_observation"]`, and the info of its successor `reset_infos[i]`. A `Dict`
    action space of `location` and `label`, which Stable-Baselines3 refuses, is shown as the
    `Box(-1, 1, (2 + C,))` of location and class scores; the label is their argmax. Of a `stop` too
    the sign of a last number decides.

    Args:
        env: A vector env in autoreset mode `SAME_STEP`.

    Attributes:
        num_calls: How often the env was reset or stepped: who remembers it knows whether others
            have played meanwhile.

    Raises:
        ValueError: If its autoreset mode is another one, or its `Dict` actions are others.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(
                "`env` must restart episodes in the same step, as Stable-Baselines3 expects, got "
                f"{mode}: make it by agents.make_vec_env(id, {env.num_envs}); or with "
                "autoreset_mode='SameStep', which gym.make_vec wants in `vector_kwargs` where it "
                "makes a SyncVectorEnv or AsyncVectorEnv."
            )
        self.env = env
        self.num_calls = 0
        # SB3's constructor asks `get_attr("render_mode")`.
        self.num_envs = env.num_envs
        space = env.single_action_space
        self._dict_actions = isinstance(space, spaces.Dict)
        self._can_stop = False
        if isinstance(space, spaces.Dict):
            self._can_stop = "stop" in space.spaces
            space = box_for_dict(space)
        super().__init__(env.num_envs, env.single_observation_space, space)
        self.metadata = env.metadata
        self._actions: Any = None
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)

    def reset(self) -> VecEnvObs:
        """Reset all envs with the seeds and options set before; return the observations."""
        self.num_calls += 1
        # One number, from which `seed` counts on, as any vector env does: not all take a list.
        seed = None if self._seeds[0] is None else int(self._seeds[0])
        observation, infos = self.env.reset(seed=seed, options=self._joint_options())
        self.reset_infos = split_infos(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        self._returns[:] = 0.0
        self._lengths[:] = 0
        return observation

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the games: no two seeds share a game's, as Stable-Baselines3's `seed + i` would."""
        return super().seed(None if seed is None else seed * SEED_DISTANCE)

    def seed_from(self, first: int) -> None:
        """Seed game i with `first + i`."""
        super().seed(first)

    def step_async(self, actions: np.ndarray) -> None:
        """Take note of the actions."""
        if self._dict_actions:
            scores = actions[:, 2:-1] if self._can_stop else actions[:, 2:]
            self._actions = {"location": actions[:, :2], "label": scores.argmax(axis=1)}
            if self._can_stop:
                self._actions["stop"] = (actions[:, -1] > 0.0).astype(np.int64)
        else:
            self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all envs."""
        self.num_calls += 1
        observation, rewards, terminations, truncations, infos = self.env.step(self._actions)
        dones = terminations | truncations
        self._returns += rewards
        self._lengths += 1
        step_infos = split_infos(infos, self.num_envs)
        for row in np.flatnonzero(dones).tolist():
            last = self._end_episode(row, step_infos[row])
            last["TimeLimit.truncated"] = bool(truncations[row] and not terminations[row])
            step_infos[row] = last
        self._returns[dones] = 0.0
        self._lengths[dones] = 0
        return observation, rewards.astype(np.float32), dones, step_infos

    def _end_episode(self, row: int, begun: Info) -> Info:
        """Take apart what a vector env tells when an episode ends and the next begins.

        Args:
            row: The env.
            begun: Its info, with what belongs to the episode that has ended; the rest of it becomes
                the info of the reset.

        Returns:
            The info of the step that ended the episode.
        """
        last_observation = begun.pop("final_obs", None)
        # Gymnasium's RecordEpisodeStatistics notes those of the episode that ended.
        statistics = begun.pop("episode", {})
        last = begun.pop("final_info", None)
        if last is None:
            last = dict(begun)
        self.reset_infos[row] = begun
        mine = {"r": float(self._returns[row]), "l": int(self._lengths[row])}
        last["episode"] = statistics | last.get("episode", {}) | mine
        if last_observation is not None:
            last["terminal_observation"] = last_observation
        return last

    def close(self) -> None:
        """Close the envs."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return a picture of each env, or None for each if the env draws none."""
        return self.env.render() or [None] * self.num_envs  # type: ignore[return-value]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of each env, or of the outermost wrapper that has it.

        Raises:
            AttributeError: If there is none of this name.
        """
        rows = self._get_indices(indices)
        if attr_name in ("observation_space", "action_space"):
            return [getattr(self.env, f"single_{attr_name}") for _ in rows]
        owner: Any = self._owner(attr_name)
        if isinstance(owner, AsyncVectorEnv) and not all(owner.call("has_wrapper_attr", attr_name)):
            raise AttributeError(f"{owner} has no attribute {attr_name!r}.")  # it ends when asked
        if hasattr(owner, "get_attr"):
            values = owner.get_attr(attr_name)
            return [values[row] for row in rows]
        return [getattr(owner, attr_name) for _ in rows]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of each env, or of the outermost wrapper that has it.

        Raises:
            ValueError: If `indices` names some of the envs only, and they are none of their own.
        """
        owner: Any = self._owner(attr_name)
        if isinstance(owner, SyncVectorEnv):
            for row in self._get_indices(indices):
                owner.envs[row].set_wrapper_attr(attr_name, value)
            return
        self._require_all("set_attr", indices)
        if hasattr(owner, "set_attr"):
            owner.set_attr(attr_name, [value] * self.num_envs)
        else:
            setattr(owner, attr_name, value)

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of each env, or of the outermost wrapper that has it; return the results.

        Raises:
            ValueError: If `indices` names some of the envs only, and they are none of their own.
        """
        owner: Any = self._owner(method_name)
        if isinstance(owner, SyncVectorEnv):
            games = [owner.envs[row] for row in self._get_indices(indices)]
            methods = [game.get_wrapper_attr(method_name) for game in games]
            return [method(*method_args, **method_kwargs) for method in methods]
        self._require_all("env_method", indices)
        if hasattr(owner, "call"):
            return list(owner.call(method_name, *method_args, **method_kwargs))
        return [getattr(owner, method_name)(*method_args, **method_kwargs)] * self.num_envs

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return whether each env is in such a wrapper, as the adapter does the work of `Monitor`.

        A wrapper of the vector env is one of each env; those in an `AsyncVectorEnv` are not seen.
        """
        rows, layers = self._get_indices(indices), self._layers()
        if issubclass(wrapper_class, Monitor) or any(isinstance(x, wrapper_class) for x in layers):
            return [True for _ in rows]
        games = layers[-1].envs if isinstance(layers[-1], SyncVectorEnv) else None
        return [games is not None and is_wrapped(games[row], wrapper_class) for row in rows]

    def _layers(self) -> list[VectorEnv[Any, Any, Any]]:
        """Return the wrappers of the vector env, the outermost first, and itself."""
        layers = [self.env]
        while isinstance(layers[-1], VectorWrapper):
            layers.append(layers[-1].env)
        return layers

    def _owner(self, name: str) -> VectorEnv[Any, Any, Any]:
        """Return the outermost wrapper that has an attribute of its own, else the vector env."""
        *wrappers, env = self._layers()
        for wrapper in wrappers:
            kinds = type(wrapper).__mro__
            own_kinds = kinds[: kinds.index(VectorWrapper)]  # that one passes on what is inside
            if name in vars(wrapper) or any(name in vars(kind) for kind in own_kinds):
                return wrapper
        return env

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
        joint = {key: [option[key] for option in options] for key in options[0]}
        return {key: _one_or_all(values) for key, values in joint.items()}


def _one_or_all(values: list[Any]) -> Any:
    """Return the one value that all envs have, or else an array."""
    if all(np.array_equal(value, values[0]) for value in values):
        return values[0]  # not all vector envs take an array of what a single env takes
    return np.array(values)


def split_infos(infos: Any, num_envs: int) -> list[Info]:
    """Split the infos of a vector env into one dict per env.

    Args:
        infos: A dict, or one dict per env already. In it, arrays and lists of `num_envs` values and
            dicts of such belong to the envs one by one; if there is a mask `_key` beside one, only
            to those that it names. All else belongs to every env.
        num_envs: B.

    Returns:
        B dicts, of Python numbers where arrays hold them; a key is missing where its mask is False.
    """
    if not isinstance(infos, dict):
        return [dict(info) for info in infos]
    split: list[Info] = [{} for _ in range(num_envs)]
    for key, values in infos.items():
        if key[:1] == "_" and key[1:] in infos:
            continue  # a mask
        mask = infos.get(f"_{key}")
        rows = range(num_envs) if mask is None else np.flatnonzero(mask).tolist()
        column = _column(values, num_envs)
        for row in rows:
            split[row][key] = column[row]
    return split


def _column(values: Any, num_envs: int) -> list[Any]:
    """Return one value per env, Python numbers where they are scalars."""
    if isinstance(values, dict):
        return split_infos(values, num_envs)
    is_array = isinstance(values, np.ndarray) and values.ndim > 0
    if not (is_array or isinstance(values, list)) or len(values) != num_envs:
        return [values] * num_envs
    return values.tolist() if is_array and values.ndim == 1 else list(values)
