"""Who plays which games: a finished run, a model of the package, or anybody's policy?"""

import inspect
import pathlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

from gymnasium import spaces

from agents.base.files import CONFIG, MODEL, read_config
from agents.base.pretrained import env_of_task
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.provenance import check_data
from agents.evaluation.result import Evaluation
from agents.looking.play import Predictor
from agents.model.ram import RAM
from agents.sb3.policy_file import load_model
from agents.sb3.spaces import other_classes
from ram_env.games.record import TaskRecord, at_new_place


class Expert(NamedTuple):
    """A model, and the task that it has learned; no data of it is needed."""

    model: Predictor
    task: TaskRecord
    memory: str = "none"


class Player(NamedTuple):
    """A model, and the frozen scenes of the games that it was made for."""

    model: Predictor
    scenes: FrozenScenes

    def measure(self, confidence: float | None = None) -> Evaluation:
        """Let the model play every scene once, deterministically, and count its errors.

        Args:
            confidence: See `FrozenScenes.evaluate`.
        """
        return self.scenes.evaluate(self.model, confidence)


def player_of_run(
    run: pathlib.Path, split: str = "test", changes: dict[str, Any] | None = None
) -> Player:
    """Return the final model of a run folder.

    Args:
        run: The folder.
        split: `"validation"` or `"test"`.
        changes: Arguments of the env that are other ones now: `dataset` and `data_dir`, if its
            images are not any more where they were, or what its scenes are to differ in.

    Raises:
        ValueError: If the folder holds no finished run, or the images are others now.
    """
    config, model = load_run(run)
    try:
        env_id, env_kwargs, memory = config["env_id"], config["env_kwargs"], config["memory"]
    except KeyError as error:
        raise ValueError(f"`{run / CONFIG}` is damaged: it has no {error}.") from error
    env_kwargs = at_new_place(env_kwargs, changes or {})
    scenes = FrozenScenes(env_id, env_kwargs, split, memory=memory)
    check_data(config, scenes.task)
    _check_classes(model, scenes)
    return Player(model, scenes)


def expert_of_run(run: pathlib.Path) -> Expert:
    """Return the final model of a run folder, to look at other pictures.

    Raises:
        ValueError: If the folder holds no finished run, or an older one whose images are gone.
    """
    config, model = load_run(run)
    memory = config.get("memory", "none")
    if "task" in config:
        return Expert(model, read_task(run, config), memory)
    scenes = player_of_run(run).scenes  # of an earlier release: its images tell
    task = TaskRecord.of(scenes.task, scenes.env_id)
    if task is None:
        raise ValueError(f"`run` must be of a task of ram_env's own, got {run} of {scenes.env_id}.")
    return Expert(model, task, memory)


def read_task(run: pathlib.Path, config: dict[str, Any]) -> TaskRecord:
    """Return the `task` that the config.json of a run tells of.

    Raises:
        ValueError: If it is none.
    """
    try:
        return TaskRecord.from_json(config["task"])
    except Exception as error:  # of whatever kind: somebody else may have written it
        raise ValueError(f"`{run / CONFIG}` is damaged: its `task` is none ({error}).") from error


def expert_of_pretrained(name: str) -> Expert:
    """Return the model of a task that comes with the package, to look at other pictures.

    Raises:
        ValueError: If there is no model of that name.
    """
    model = RAM.from_pretrained(name, device="cpu")
    assert model.task is not None
    return Expert(model, model.task)


def player_of_pretrained(
    name: str,
    split: str = "test",
    num_scenes: int | None = None,
    *,
    usual: str = "mnist",
    **changes: Any,
) -> Player:
    """Return the model of a task that comes with the package.

    Args:
        name: That of the task.
        split: `"validation"` or `"test"`.
        num_scenes: The first so many; all if None.
        usual: The `dataset` if none is given, of a task that has one.
        changes: Arguments of the env that are other ones, such as `dataset` and `data_dir`.

    Raises:
        ValueError: If there is no model of that name, or no such data set.
    """
    expert = expert_of_pretrained(name)
    model: Any = expert.model
    images = {"dataset": usual} if "dataset" in expert.task.arguments else {}
    env_id, arguments = env_of_task(name)
    arguments = arguments | images | model.config.env_kwargs | changes
    scenes = FrozenScenes(env_id, arguments, split, num_scenes)
    _check_classes(model, scenes)
    return Player(model, scenes)


def player_of_policy(
    policy: str,
    env_id: str,
    env_kwargs: dict[str, Any] | None = None,
    split: str = "test",
    num_scenes: int | None = None,
    memory: str = "none",
) -> Player:
    """Return a policy of anybody's.

    Args:
        policy: `module:factory`; the factory is called with the observation and the action space
            of one game, and returns what has `predict` as the models of Stable-Baselines3 do.
        env_id: A registered id.
        env_kwargs: Arguments for it.
        split: `"validation"` or `"test"`.
        num_scenes: The first so many; all if None.
        memory: What it remembers of what was seen: see `agents.make_vec_env`.

    Raises:
        ValueError: If there is no such factory, or what it makes cannot predict here.
    """
    scenes = FrozenScenes(env_id, env_kwargs, split, num_scenes, memory)
    return Player(_make_policy(policy, *scenes.single_spaces), scenes)


def load_run(run: pathlib.Path) -> tuple[dict[str, Any], Any]:
    """Return what config.json of a run says, and its model.

    Raises:
        ValueError: If the folder holds no finished run.
    """
    for path in (run / CONFIG, run / MODEL):
        if not path.is_file():
            raise ValueError(f"`run` must be the folder of a finished run: {path} is missing.")
    config = read_config(run)
    if "algo" not in config:
        raise ValueError(f"`{run / CONFIG}` is damaged: it has no 'algo'.")
    return config, load_model(run / MODEL, config["algo"])


def _check_classes(model: Any, scenes: FrozenScenes) -> None:
    _, action_space = scenes.single_spaces
    difference = other_classes(model.action_space, action_space)
    if difference:
        raise ValueError(f"`dataset` must have the classes of the model{difference}.")


def _make_policy(
    name: str, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> Predictor:
    """Call the factory `module:factory`; see `player_of_policy`."""
    policy: Predictor = _import_factory(name)(observation_space, action_space)
    if not callable(getattr(policy, "predict", None)):
        raise ValueError(
            f"`policy {name}` must return an object with `predict(observation, state, "
            f"episode_start, deterministic)`, got {policy!r}, which has none."
        )
    try:
        inspect.signature(policy.predict).bind(None, None, None, deterministic=True)
    except TypeError as error:
        raise ValueError(
            f"`policy {name}` must have `predict(observation, state, episode_start, "
            f"deterministic)`, got one that cannot be called so ({error}): what it has no use for "
            "it may leave unread."
        ) from error
    for kind, space in (("observation", observation_space), ("action", action_space)):
        trained_on = getattr(policy, f"{kind}_space", space)
        if trained_on != space:
            raise ValueError(
                f"`policy {name}` was made for another {kind} space, {trained_on}; here it is "
                f"{space}{other_classes(trained_on, space)}: choose its task by `env`, "
                "`env_kwargs` and `memory`."
            )
    return policy


def _import_factory(name: str) -> Callable[..., Any]:
    """Return the function that `module:factory` names."""
    module, _, factory = name.partition(":")
    if not module or not factory:
        raise ValueError(f"`policy` must be MODULE:FACTORY, got {name!r}.")
    try:
        make: Callable[..., Any] = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"`policy {name}` cannot be imported ({error}).") from error
    if not callable(make):
        raise ValueError(
            f"`policy {name}` must be a function of the observation and the action space, got "
            f"{make!r}."
        )
    return make
