"""What is a run made of? All that follows from the options, or from the folder of an earlier run.

No torch in here: an impossible option is refused before it is loaded.
"""

import dataclasses
import inspect
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

from agents.base.files import CONFIG, LOCK, is_finished, leftovers, read_config, read_json
from agents.model.config import RAMConfig, check_rounds, make_config
from agents.runs.options import Options
from agents.sb3.algorithms import ALGORITHMS
from ram_env import SHORT_NAMES
from ram_env.games.actions import ActionFormat
from ram_env.games.make import kind_of
from ram_env.games.record import at_new_place
from ram_env.games.settings import RewardRule
from ram_env.registration import CATCH_TASKS, MEGAPIXEL_TASKS, PICTURE_TASKS, TASKS, resolve_env

# Tasks whose canvas is too large to begin with, and its side in pixels.
LARGE_TASKS = {"GlimpseClutteredMNIST1000-v0": 1000, "GlimpseMegapixelMNIST-v0": 1500}
SMALLEST_CANVAS = 60  # that one learns to read on
# Of several digits: they are read already, by a model of the package, and lie far apart.
SMALLEST_OF_MANY, SOME_ALONE = 300, {"single_share": 0.15}
STARTS = dict.fromkeys(MEGAPIXEL_TASKS, "any")
NO_START = "none"
OWN_IMAGES = ("auto", "mnist", "digits")  # which fit on the canvas of `GlimpseMNIST-v0`
VERSION = 2  # of config.json; the first did not hold the options


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is made of."""

    options: Options  # as asked for
    folder: Path
    env_id: str
    env_module: str | None  # that registers the id when it is imported; None: ram_env
    env_kwargs: dict[str, Any]
    train_env_kwargs: dict[str, Any]  # further ones, in training alone
    memory: str
    settings: dict[str, Any]  # fields of `RAMConfig`, or arguments of another constructor
    num_envs: int  # of all processes together
    episodes: int | None  # None: what fits into `options.minutes`
    device: str
    processes: int | None  # None: as the cores allow
    threads: int | None  # per process; None: the cores shared out
    goes_on: bool = False  # with what lies in the folder
    replaces: bool = False  # what lies there: the beginning of a run that cannot go on

    @property
    def algo(self) -> str:
        """What learns, one of `agents.sb3.algorithms.ALGORITHMS`."""
        return self.options.algo

    @property
    def task_name(self) -> str:
        """The short name of the task, or its id if it has none."""
        names = {env_id: name for name, env_id in SHORT_NAMES.items()}
        return names.get(self.env_id, self.env_id)

    @property
    def init_from(self) -> str | None:
        """The model whose weights RAM starts from: see `trained_file`."""
        asked = self.options.init_from or usual_start(self.options, self.env_id)
        return None if asked == NO_START else asked

    def to_json(self) -> dict[str, Any]:
        """Return what config.json says of the plan; `plan_of_run` reads it."""
        preset = self.options.preset or usual_preset(self.env_id)
        ram = {"preset": preset, "config": self.settings}
        return {
            "version": VERSION,
            "command": self.options.command(),
            "options": self.options.to_json(),
            "env_id": self.env_id,
            "env_module": self.env_module,
            "env_kwargs": self.env_kwargs,
            "train_env_kwargs": self.train_env_kwargs,
            "algo": self.algo,
            "memory": self.memory,
            **(ram if self.algo == "ram" else {"settings": self.settings}),
            "seed": self.options.seed,
            "num_envs": self.num_envs,
            "episodes": self.episodes,
            "device": self.device,
            "processes": self.processes,
            "threads": self.threads,
        }


def plan_run(options: Options) -> Plan | None:
    """Decide what to do, by the options and by what lies in the run folder.

    Returns:
        A run that begins, or that goes on with what lies there; None if that is finished.

    Raises:
        ValueError: If an option is impossible, or does not go with another one.
        FileExistsError: If the folder holds something else.
        PermissionError: If it cannot be written to.
    """
    if options.resume is not None:
        plan = plan_of_run(options.resume, options.device)
        env_kwargs = at_new_place(plan.env_kwargs, options.env_kwargs)
        return dataclasses.replace(plan, env_kwargs=env_kwargs)
    plan = new_plan(options)
    if options.run_dir is None:  # a folder of its own, see `make_run`
        check_writable(plan.folder)
        return plan
    if not (plan.folder / CONFIG).is_file():
        check_folder(plan.folder)
        return plan
    check_same_options(plan.folder, options)
    if is_finished(plan.folder):
        return None
    if options.algo == "ram":
        return plan_of_run(plan.folder, options.device)
    return dataclasses.replace(plan, replaces=True)


def new_plan(options: Options) -> Plan:
    """Return what a new run of these options is made of.

    Raises:
        ValueError: If an option is impossible, or does not go with another one.
    """
    env_id, env_module = resolve_env(options.env)
    algorithm = ALGORITHMS[options.algo]
    if options.algo == "ram":
        if options.memory not in (None, "none"):
            raise ValueError(
                "`memory` is for agents without one, and ram has its core network, got "
                f"{options.memory!r}: leave it out."
            )
        config = make_config(options.preset or usual_preset(env_id), **options.settings)
        settings, needed = config.to_dict(), config.env_kwargs
        num_envs, processes = options.num_envs or settings["batch_size"], options.processes
    else:
        settings, needed = algorithm.settings | options.settings, {}
        num_envs, processes = options.num_envs or algorithm.num_envs, 1
        check_is_for_ram(options)
    name = options.env.split(":")[-1] + ("" if options.algo == "ram" else f"-{options.algo}")
    plan = Plan(
        options=options,
        folder=options.run_dir or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}",
        env_id=env_id,
        env_module=env_module,
        env_kwargs=with_defaults(options.algo, env_id, needed | options.env_kwargs),
        train_env_kwargs=usual_curriculum(options, env_id),
        memory=options.memory or algorithm.memory,
        settings=settings,
        num_envs=num_envs,
        episodes=options.episodes,
        device=options.device,
        processes=processes,
        threads=options.threads,
    )
    check_shares(plan)
    return plan


def usual_preset(env_id: str) -> str:
    """Return the preset that suits a task."""
    usual = dict.fromkeys(LARGE_TASKS, "large") | dict.fromkeys(PICTURE_TASKS, "pictures")
    usual |= dict.fromkeys(CATCH_TASKS, "catch") | dict.fromkeys(MEGAPIXEL_TASKS, "search")
    return usual.get(env_id, "default")


def usual_start(options: Options, env_id: str) -> str | None:
    """Return the model of the package to start from where a task suits one, or None."""
    suits = options.algo == "ram" and options.preset in (None, usual_preset(env_id))
    return STARTS.get(env_id) if suits else None


def usual_curriculum(options: Options, env_id: str) -> dict[str, Any]:
    """Return arguments of the env in training alone: those asked for, or what suits the task."""
    if options.train_env_kwargs or "canvas_range" in options.env_kwargs:
        return options.train_env_kwargs
    arguments = TASKS.get(env_id, {}) | options.env_kwargs
    side = arguments.get("canvas_size", LARGE_TASKS.get(env_id, 0))
    largest = max(side) if isinstance(side, list | tuple) else side
    if options.algo == "ram":
        preset = options.preset or usual_preset(env_id)
        if env_id not in LARGE_TASKS or preset not in ("large", "search"):
            return {}
        if preset == "search" and env_id in MEGAPIXEL_TASKS:
            return {"canvas_range": [min(SMALLEST_OF_MANY, largest), largest], **SOME_ALONE}
        return {"canvas_range": [min(SMALLEST_CANVAS, largest), largest]}
    crops, images = arguments.get("num_distractors", 0), arguments.get("dataset", "auto")
    is_chosen = "distractors_range" in arguments or options.memory == "canvas"
    if not crops or is_chosen or images not in OWN_IMAGES:
        return {}
    # Policy gradient alone finds no beginning amid clutter: some scenes have less, closely around.
    smallest = TASKS["GlimpseMNIST-v0"]["canvas_size"]
    return {"canvas_range": [smallest, largest], "distractors_range": [0, crops]}


def plan_of_run(folder: Path, device: str = "auto") -> Plan:
    """Return the plan of a run of RAM that ended early, to go on with it.

    Args:
        folder: The run folder.
        device: What to compute on; "auto": as before.

    Raises:
        ValueError: If the folder holds no such run, or a damaged one.
    """
    path = folder / CONFIG
    config = read_config(folder)
    algo = config.get("algo", "ram")
    if algo != "ram":
        raise ValueError(
            f"only a run of ram can go on, and {folder} is a run of {algo}: train it anew."
        )
    if config.get("version") != VERSION:
        raise ValueError(
            f"`{path}` must be of version {VERSION} for its run to go on, got "
            f"{config.get('version')!r}: train it anew."
        )
    try:
        kept = ("env_id", "env_module", "env_kwargs", "memory", "num_envs", "episodes", "device")
        curriculum = config.get("train_env_kwargs", {})
        plan = Plan(
            options=Options.from_json(config["options"]),
            folder=folder,
            settings=RAMConfig(**config["config"]).to_dict(),
            goes_on=True,
            train_env_kwargs=curriculum,
            **{name: config[name] for name in (*kept, "processes", "threads")},
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"`{path}` is damaged ({error!r}): the run cannot go on.") from error
    if is_finished(folder):
        raise ValueError(
            f"only a run that ended early can go on: {folder} is finished, its whole budget is "
            "spent."
        )
    return plan if device == "auto" else dataclasses.replace(plan, device=device)


def check_same_options(folder: Path, options: Options) -> None:
    """Raise FileExistsError if other options asked for the run in a folder.

    They may differ in where it lies and what it computes on.
    """
    found = read_json(folder / CONFIG).get("options")
    if found is None:
        raise FileExistsError(
            f"`run_dir` must be a new or empty folder, got {folder}, which holds a run."
        )
    for name, asked in options.to_json().items():
        if name not in ("run_dir", "resume", "device") and found.get(name) != asked:
            raise FileExistsError(
                f"`run_dir` must be a new or empty folder, or hold a run of the same options, got "
                f"{folder}, whose run has {name} {found.get(name)!r} instead of {asked!r}."
            )


def check_folder(folder: Path) -> None:
    """Raise FileExistsError if a folder holds more than what a kill left half written.

    It is a ValueError if there can be no such folder; see `check_writable` too.
    """
    try:
        kept = {folder / LOCK, *leftovers(folder)}
        held = set(folder.iterdir()) - kept if folder.is_dir() else folder.exists()
    except OSError as error:
        raise ValueError(f"`run_dir` must be a folder, got {folder} ({error.strerror}).") from error
    if held:
        raise FileExistsError(
            "`run_dir` must be a new or empty folder, so that nothing is overwritten, got "
            f"{folder}."
        )
    check_writable(folder)


def check_writable(folder: Path) -> None:
    """Raise PermissionError if a folder, or the one to make it in, cannot be written to."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise PermissionError(f"`run_dir` must be in a folder that you may write to, got {folder}.")


def check_shares(plan: Plan) -> None:
    """Raise ValueError if a batch of RAM cannot be shared evenly."""
    if plan.algo != "ram":
        return
    batch_size, num_envs, processes = plan.settings["batch_size"], plan.num_envs, plan.processes
    if num_envs % (processes or 1):
        raise ValueError(
            f"`{'num_envs' if plan.options.num_envs else 'batch_size'}` must be a multiple of "
            f"`processes`, so that each has as many, got {num_envs} and {processes}."
        )
    check_rounds(batch_size, num_envs)


def check_is_for_ram(options: Options) -> None:
    """Raise ValueError if another algorithm is asked for what only RAM can do."""
    if options.preset is not None:
        raise ValueError(f"`preset` is for ram, got it with `algo` {options.algo}: leave it out.")
    if options.init_from is not None:
        raise ValueError(
            f"`init_from` is for ram, got it with `algo` {options.algo}: leave it out."
        )
    if options.processes not in (None, 1):
        raise ValueError(
            f"`processes` is for ram; {options.algo} trains in one, got {options.processes}: "
            "leave it out."
        )


def with_defaults(algo: str, env_id: str, env_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of an env with what suits an algorithm where they say nothing.

    Raises:
        ValueError: If the algorithm cannot take the action format.
    """
    algorithm, arguments = ALGORITHMS[algo], dict(env_kwargs)
    takes = algorithm.action_formats
    if algo != "ram":  # it takes the env's own
        arguments.setdefault("action_format", takes[0])
    action_format = arguments.get("action_format", takes[0])
    if action_format not in takes:
        raise ValueError(
            f"`action_format` of {algo} must be one of {', '.join(takes)}, got {action_format!r}."
        )
    reward = algorithm.reward
    if reward == RewardRule.LOG_LIKELIHOOD and action_format != ActionFormat.BOX:
        reward = RewardRule.EVERY_STEP.value  # without scores there is no likelihood
    game, _ = kind_of(gym.spec(env_id).kwargs | arguments)
    if reward is not None and "reward" in inspect.signature(game).parameters:
        arguments.setdefault("reward", reward)
    if algorithm.location_grid is not None and action_format == ActionFormat.MULTIDISCRETE:
        arguments.setdefault("location_grid", algorithm.location_grid)
    return arguments
