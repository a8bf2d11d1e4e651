"""How are many games made for Stable-Baselines3, and what does an agent ask of them?"""

import inspect
import itertools
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from stable_baselines3.common.vec_env import VecEnv

from agents.sb3.algorithms import MEMORIES
from agents.sb3.vec_env import SEED_DISTANCE, GymnasiumVecEnv
from ram_env.arguments import one_of_names, whole_number
from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import ActionFormat
from ram_env.games.game import Game
from ram_env.games.record import TaskRecord
from ram_env.registration import import_env_module
from ram_env.wrappers.vector import GlimpseHistory, SeenCanvas

# What Stable-Baselines3's and Gymnasium's functions take, and what there is to do here.
_WRAP = "register an env with its wrappers, or wrap what is returned"
_COUNT = "episodes are counted already; `VecMonitor` around what is returned writes a file"
_NATIVE = "all games are one vector env, which needs no processes"
INSTEAD = {"num_envs": "the number of envs is `n_envs` here, as in Stable-Baselines3's function"}
INSTEAD |= {"wrapper_class": _WRAP, "wrapper_kwargs": _WRAP}
INSTEAD |= {"monitor_dir": _COUNT, "monitor_kwargs": _COUNT}
INSTEAD |= {"vec_env_cls": _NATIVE, "vec_env_kwargs": _NATIVE, "start_index": "the first is 0"}


def make_vec_env(
    env_id: str,
    n_envs: int = 1,
    seed: int | None = None,
    *,
    memory: str = "none",
    env_kwargs: dict[str, Any] | None = None,
    **more_env_kwargs: Any,
) -> GymnasiumVecEnv:
    """Make the fastest `VecEnv` of a registered id, called like Stable-Baselines3's own function.

    Args:
        env_id: A registered id; `module:id` imports the module that registers it.
        n_envs: How many games at once.
        seed: Seeds game i with `seed * 2**20 + i` at the first reset, so that no two seeds share
            a scene; None: drawn from the system.
        memory: `"none"`; or for agents without one, `"history"` or `"canvas"`: see
            `ram_env.wrappers`.
        env_kwargs: Arguments of the env.
        **more_env_kwargs: Arguments of the env too, by their names.

    Raises:
        TypeError: If it is called with the `num_envs` of Gymnasium's functions, with what makes
            single envs, or with an env.
        ValueError: If an argument is unknown or out of its range.
        gymnasium.error.Error: If the id is not registered.
    """
    if not isinstance(env_id, str):
        raise TypeError(
            f"make_vec_env() needs the id of an env, got {env_id!r}: register what makes it, by "
            "`gym.register(id, entry_point)`."
        )
    for name, what in INSTEAD.items():
        if name in more_env_kwargs:
            raise TypeError(f"make_vec_env() got an unexpected keyword argument {name!r}: {what}.")
    if seed is not None:
        seed = whole_number("seed", seed, 0)
    arguments = {**(env_kwargs or {}), **more_env_kwargs}
    module, _, env_id = env_id.rpartition(":")
    import_env_module(module or None)
    games = make_games(env_id, n_envs, AutoresetMode.SAME_STEP, **arguments)
    env = GymnasiumVecEnv(add_memory(games, memory))
    if seed is not None:
        env.seed(seed)
    return env


def _chooses_autoreset(spec: EnvSpec) -> bool:
    """Return whether an env has a native vector env, and that lets its maker choose the mode."""
    maker: Any = spec.vector_entry_point
    if maker is None:
        return False
    maker = load_env_creator(maker) if isinstance(maker, str) else maker
    return "autoreset_mode" in inspect.signature(maker).parameters


def make_games(
    env_id: str, num_envs: int, mode: AutoresetMode, **arguments: Any
) -> VectorEnv[Any, Any, Any]:
    """Make a vector env as `gymnasium.make_vec` does, of single envs if there is no native one.

    `arguments` are those of the env, or of `gymnasium.make_vec`.

    Raises:
        ValueError: If an argument is unknown or out of its range.
        gymnasium.error.Error: If the id is not registered.
    """
    if "vectorization_mode" not in arguments and _chooses_autoreset(gym.spec(env_id)):
        arguments["autoreset_mode"] = mode.value
    else:
        arguments = {"vectorization_mode": "sync", **arguments}
        kwargs = arguments.get("vector_kwargs", {})
        arguments["vector_kwargs"] = {**kwargs, "autoreset_mode": mode}
    if arguments.get("vectorization_mode") == "sync":
        rows = itertools.count()  # they are made in order
        wrappers = arguments.get("wrappers", ())
        arguments["wrappers"] = [*wrappers, lambda game: OptionsOfRow(game, next(rows))]
    try:
        return gym.make_vec(env_id, num_envs=num_envs, **arguments)
    except TypeError as error:
        raise ValueError(f"`{env_id}` does not take these arguments: {error}") from error


class OptionsOfRow(gym.Wrapper[Any, Any, Any, Any]):
    """Begin episodes by options of all games, arrays, as a native vector env does.

    Args:
        env: One game of a `SyncVectorEnv`, which hands the same options to all.
        row: Which one it is.
    """

    def __init__(self, env: gym.Env[Any, Any], row: int) -> None:
        super().__init__(env)
        self._row = row

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset with the entries of this row."""
        if options is not None:
            options = {
                key: value[self._row] if np.ndim(value) else value for key, value in options.items()
            }
        return self.env.reset(seed=seed, options=options)


def as_shown(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an env that is acted in as models are shown it: never by a Dict."""
    is_dict = arguments.get("action_format") == ActionFormat.DICT
    return arguments | ({"action_format": ActionFormat.BOX} if is_dict else {})


def view_of(env: VectorEnv[Any, Any, Any], row: int) -> EpisodeView:
    """Return what there is to draw of a game of ours."""
    games: Any = env.unwrapped
    if isinstance(games, SyncVectorEnv):
        return games.envs[row].get_wrapper_attr("view")()
    return games.view(row)


def task_of(env: VectorEnv[Any, Any, Any]) -> Game:
    """Return the task that the games of an env play, whatever wraps them.

    Raises:
        ValueError: If it is none of ours.
    """
    games: Any = env.unwrapped
    try:
        task = games.get_attr("task")[0]
    except AttributeError:
        task = None
    if not isinstance(task, Game):
        raise ValueError(f"`env` must be a glimpse env, of ram_env's kind, got {env}.")
    return task


def task_in(env: VecEnv) -> Game | None:
    """Return the task that the games of a `VecEnv` play; None if it is none of ours."""
    task = env.get_attr("task", indices=0)[0] if env.has_attr("task") else None
    return task if isinstance(task, Game) else None


def record_in(env: VecEnv) -> TaskRecord | None:
    """Return what there is to write down of the task of a `VecEnv`; None if it is none of ours."""
    task = task_in(env)
    env_id = env.get_attr("env_id", indices=0)[0] if env.has_attr("env_id") else None
    return TaskRecord.of(task, env_id) if task and env_id else None


def seed_games(env: VecEnv, seed: int, first_game: int = 0) -> None:
    """Seed the games of any `VecEnv`, by a number that is not negative: no two share a scene.

    `first_game` is the number of the first of these among the games of all processes.
    """
    first, games = seed * SEED_DISTANCE + first_game, env.unwrapped
    if isinstance(games, GymnasiumVecEnv):
        games.seed_from(first)
    else:
        env.seed(first)


def labels_begun(env: VecEnv) -> np.ndarray:
    """Return the true label of the episode that each game has just begun, int64 (B,).

    Raises:
        ValueError: If the infos of the resets do not hold it.
    """
    infos = env.unwrapped.reset_infos
    if all("label" in info for info in infos):
        return np.array([info["label"] for info in infos], dtype=np.int64)
    raise ValueError(
        "`env` must give the `label` of an episode in the info of its reset, as ram_env's envs do; "
        "without labels, learn from reward alone: preset='pure'."
    )


def add_memory(env: VectorEnv[Any, Any, Any], memory: str) -> VectorEnv[Any, Any, Any]:
    """Wrap a vector env so that observations hold what was seen before.

    Raises:
        ValueError: If there is no such memory, or the env is no glimpse env.
    """
    if one_of_names("memory", memory, MEMORIES) == "history":
        return GlimpseHistory(env)
    return SeenCanvas(env) if memory == "canvas" else env
