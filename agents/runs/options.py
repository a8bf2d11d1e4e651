"""What can the user ask for? Every option, declared once, and the command line made of them.

A field is an option: its name, type, bounds, choices, default and help stand here or, of what RAM
and its networks can be set to, in `RAMConfig`. No torch in here.
"""

import argparse
import ast
import contextlib
import dataclasses
import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.base.commands import as_option
from agents.base.files import path_of
from agents.model.config import (
    PRESETS,
    RAMConfig,
    check_names,
    check_settings,
    check_type,
    setting,
    type_of,
)
from agents.sb3.algorithms import ALGORITHMS, MEMORIES
from ram_env import SHORT_NAMES
from ram_env.data.datasets import DATASETS
from ram_env.games.actions import ActionFormat
from ram_env.games.settings import RewardRule

PROGRAM_SETS = ("split", "num_envs", "autoreset_mode", "render_mode")  # arguments of the env
WITH_RESUME = {"resume", "device", "dataset", "data_dir"}  # the last two: where the images are now
TASK, AGENT, RUN = "task", "agent", "run"  # headings of `--help`, and
RAM = "settings of ram, with the defaults of preset default"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asks for; what is None or missing is decided by `agents.runs.plan`.

    Raises:
        ValueError: If an option is out of its range.
    """

    env: str = setting("cluttered", f"{', '.join(SHORT_NAMES)}, or any registered id", group=TASK)
    env_kwargs: dict[str, Any] = setting(
        {}, "arguments of the env, such as num_distractors=8 (default: the task's)", group=TASK
    )
    train_env_kwargs: dict[str, Any] = setting(
        {},
        "arguments that the env has in training alone, such as canvas_range=[60,1000] (default: "
        "none; of tasks on large canvases such a range)",
        group=TASK,
    )
    memory: str | None = setting(
        None,
        "of what was seen, for agents without one (default: what suits the algorithm)",
        choices=MEMORIES,
        group=TASK,
    )
    algo: str = setting("ram", "what learns", choices=tuple(ALGORITHMS), group=AGENT)
    preset: str | None = setting(
        None,
        "settings of ram to start from (default: what suits the task)",
        choices=tuple(PRESETS),
        group=AGENT,
    )
    init_from: str | None = setting(
        None,
        "trained model of ram to start from: one that comes with the package, such as cluttered, "
        "or a run folder. What of its networks does not fit begins anew (default: none; of "
        "megapixel any)",
        metavar="NAME|RUN|none",
        group=AGENT,
    )
    settings: dict[str, Any] = setting(
        {},
        "settings of the agent: those of ram that have options of their own below, such as "
        "core=lstm, or arguments of another algorithm, such as n_epochs=10 (default: the preset's)",
        group=AGENT,
    )
    num_envs: int | None = setting(
        None,
        "games at once; of ram a divisor of the batch size (default: that, or what suits the "
        "algorithm)",
        lowest=1,
        group=AGENT,
    )
    seed: int = setting(
        0, "of networks, scenes and exploration", lowest=0, highest=2**32 - 1, group=AGENT
    )
    episodes: int | None = setting(None, "budget in episodes, one scene each", lowest=1, group=RUN)
    minutes: float = setting(
        10.0,
        "budget as the episodes that this machine trains in so many minutes, measured at the start",
        above=0,
        highest=1e9,
        group=RUN,
    )
    run_dir: Path | None = setting(
        None,
        "run folder (default: runs/NAME-TIME). One that holds a run of the same options is gone on "
        "with, or left as it is if it is finished",
        group=RUN,
    )
    resume: Path | None = setting(
        None,
        "go on with the run of ram in this folder, with its own options: no others but --device, "
        "and --dataset or --data-dir if its images are elsewhere now",
        group=RUN,
    )
    device: str = setting("auto", "auto, cpu, cuda, cuda:1, ...", group=RUN)
    processes: int | None = setting(
        None,
        "processes that share each batch of ram (default: 4, 2 or 1 as the cores allow; with a GPU "
        "2 or 1)",
        lowest=1,
        group=RUN,
    )
    threads: int | None = setting(
        None, "CPU threads per process (default: the cores shared out)", lowest=1, group=RUN
    )
    checkpoint_seconds: float = setting(
        60.0, "seconds between two checkpoints", lowest=0, group=RUN
    )
    validation_episodes: int | None = setting(
        None,
        "episodes between two looks at the validation scenes (default: a twentieth of the budget, "
        "at least 10,000)",
        lowest=1,
        group=RUN,
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def to_json(self) -> dict[str, Any]:
        """Return the options as a dict that JSON can hold; `Options.from_json` reads it."""
        held = dataclasses.asdict(self)
        return {name: str(it) if isinstance(it, Path) else it for name, it in held.items()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Options":
        """Return the options that `to_json` has written.

        Raises:
            TypeError, ValueError: If it holds none.
        """
        paths = {name: Path(content[name]) for name in ("run_dir", "resume") if content.get(name)}
        return cls(**content | paths)

    def command(self) -> str:
        """Return the command that asks for these options; `parse_options` reads it."""
        words = ["ram-env", "train"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type_of(field) is dict and value:
                pairs = [f"{key}={_write_value(part)}" for key, part in value.items()]
                words += [as_option(field.name), *pairs]
            elif type_of(field) is not dict and value != field.default:
                words += [as_option(field.name), str(value)]
        return shlex.join(words)


@dataclass(frozen=True)
class EnvOptions:
    """Arguments of the env that have options of their own."""

    num_glimpses: int | None = setting(None, "glimpses per episode (default: the task's)")
    dataset: str | None = setting(
        None,
        "auto, mnist, digits, idx or the path of an .npz (default: auto); of the task folder the "
        "path of a folder with a folder of pictures for each class",
    )
    data_dir: str | None = setting(
        None, "folder of the IDX files (default: found or downloaded)", metavar="DIR"
    )
    data_cache: str | None = setting(
        None,
        "folder that pictures of the task folder are decoded into (default: the user's cache)",
        metavar="DIR",
    )
    action_format: str | None = setting(
        None,
        "how the agent acts (default: what suits the algorithm)",
        choices=tuple(ActionFormat),
    )
    reward: str | None = setting(
        None,
        "what an episode pays (default: what suits the algorithm)",
        choices=tuple(RewardRule),
    )


DECLARED = (Options, EnvOptions, RAMConfig)
FIELDS = [field.name for declared in DECLARED for field in dataclasses.fields(declared)]
GROUPS = ("env_kwargs", "train_env_kwargs", "settings")  # options that are many by name


def make_parser(prog: str = "train.py") -> argparse.ArgumentParser:
    """Make the command line; what is not given is not in its result."""
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [options]",
        description="Train an agent that learns where to look.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    groups = {name: parser.add_argument_group(name) for name in (TASK, AGENT, RUN, RAM)}
    for field in dataclasses.fields(Options):
        _declare(groups[field.metadata["group"]], field)
    for field in dataclasses.fields(EnvOptions):
        _declare(groups[TASK], field)
    for field in dataclasses.fields(RAMConfig):
        _declare(groups[RAM], field)
    return parser


def _declare(group: Any, field: dataclasses.Field[Any]) -> None:
    """Make an option of a setting."""
    kind = type_of(field)
    arguments: dict[str, Any] = {"help": help_of(field).replace("%", "%%")}
    if kind is dict:
        arguments |= {"nargs": "+", "action": "extend", "metavar": "KEY=VALUE"}
    else:
        names = {int: "N", float: "X", bool: "true|false", Path: "DIR"}
        metavar = "|".join(field.metadata["choices"]) or names.get(kind, "NAME")
        arguments["metavar"] = field.metadata.get("metavar", metavar)
        arguments["type"] = READERS.get(kind, kind)
    group.add_argument(as_option(field.name), **arguments)


def help_of(field: dataclasses.Field[Any]) -> str:
    """Return what a setting is, with its default."""
    text: str = field.metadata["help"]
    if field.default in (None, dataclasses.MISSING):
        return text
    return f"{text} (default: {_write_value(field.default)})"


def parse_options(arguments: list[str] | None = None, prog: str = "train.py") -> Options:
    """Read a command line.

    Raises:
        ValueError: If an option is impossible; it names fields: see `speak_of_options`.
        SystemExit: If argparse refuses it, or has shown the help.
    """
    given = vars(make_parser(prog).parse_args(arguments))
    pairs = {name: parse_pairs(name, given[name]) for name in GROUPS if name in given}
    return options_of(given | pairs)


def options_of(given: dict[str, Any]) -> Options:
    """Return the options of what was given by name, on the command line or in Python.

    Args:
        given: Values of fields of `Options`, `EnvOptions` and `RAMConfig`.

    Raises:
        ValueError: If a name is unknown, or an option is impossible.
    """
    check_names(given, FIELDS, "train")
    others = sorted(set(given) - WITH_RESUME)
    if "resume" in given and others:
        raise ValueError(
            f"`resume` takes all options but `device`, `dataset` and `data_dir` from the run in "
            f"{given['resume']}, got `{others[0]}` too: leave it out."
        )
    if {"episodes", "minutes"} <= set(given):
        raise ValueError("give either `episodes` or `minutes`, not both.")
    groups = {name: given.get(name, {}) for name in GROUPS}
    for name, group in groups.items():
        check_type(f"`{name}`", group, dict)
    for target, declared in (("env_kwargs", EnvOptions), ("settings", RAMConfig)):
        # As declared, in every process: those of `torchrun` compare their plans word by word.
        names = [field.name for field in dataclasses.fields(declared) if field.name in given]
        for name in names:
            if name in groups[target]:
                raise ValueError(f"give either `{name}` or `{target} {name}=...`, not both.")
        groups[target] = groups[target] | {name: given[name] for name in names}
    groups = {name: _as_written(name, group) for name, group in groups.items()}
    for name in GROUPS[:2]:
        check_env_kwargs(groups[name])
    own = {field.name: type_of(field) for field in dataclasses.fields(Options)}
    read = {name: given[name] for name in own if name in given}
    for name, value in read.items():
        if own[name] is Path and isinstance(value, str):
            read[name] = path_of(value)
    return Options(**read | groups)


def _as_written(name: str, group: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as the files of a run hold them: a tuple is a list, a path is text.

    Raises:
        ValueError: If one is nothing that a file of JSON can hold.
    """
    try:
        written: dict[str, Any] = json.loads(json.dumps(group, default=os.fspath))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must hold what a file of JSON can, so that the run can be repeated, got "
            f"what it cannot ({error}): save arrays of images as an .npz, and give its path."
        ) from error
    return written


def check_env_kwargs(env_kwargs: dict[str, Any]) -> None:
    """Refuse arguments of the env that are not the user's to give; make paths absolute.

    Raises:
        ValueError: If one is for the program to set.
    """
    for name in PROGRAM_SETS:
        if name in env_kwargs:
            raise ValueError(f"`env_kwargs {name}=...` is for the program to set: leave it out.")
    for name in ("data_dir", "data_cache", "dataset"):
        given = env_kwargs.get(name)
        if given and isinstance(given, str):  # so that it is found from any other folder
            path = os.path.abspath(os.path.expanduser(given))
            is_path = name != "dataset" or (given not in DATASETS and os.path.exists(path))
            env_kwargs[name] = path if is_path else given


def parse_pairs(name: str, pairs: list[str]) -> dict[str, Any]:
    """Read KEY=VALUE pairs.

    A value is what JSON or else Python reads it as, a number, a list, true, None, ...; all else is
    text.

    Raises:
        ValueError: If a pair has no key or no equals sign, or two have the same key.
    """
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"`{name}` must be KEY=VALUE pairs, got {pair!r}.")
        if key in arguments:
            raise ValueError(f"`{name}` must name each key once, got {key!r} twice.")
        arguments[key] = _read_value(value)
    return arguments


def _read_value(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError):
            return read(text)
    return text


def _write_value(value: Any) -> str:
    """Return the text that `_read_value` reads as this value."""
    if isinstance(value, str) and _read_value(value) == value:
        return value
    return json.dumps(value)


def _read_truth(text: str) -> bool:
    value = {"true": True, "false": False}.get(text.lower())
    if value is None:
        raise argparse.ArgumentTypeError(f"must be true or false, got {text!r}")
    return value


READERS: dict[type, Any] = {bool: _read_truth, Path: path_of}  # other types read text themselves
