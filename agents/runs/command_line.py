"""What command lines have in common: names of envs, KEY=VALUE pairs, numbers. No torch in here."""

import argparse
import difflib
import importlib
import json
from typing import Any

import gymnasium as gym

from ram_env import SHORT_NAMES

PYTHON_WORDS = {"True": True, "False": False, "None": None}


def resolve_env(name: str) -> tuple[str, str | None]:
    """Return the id that a short name or an id means, and the module that registers it, or None.

    Args:
        name: As given to `--env`; `module:id` imports the module.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name in SHORT_NAMES:
        return SHORT_NAMES[name], None
    module, _, env_id = name.rpartition(":")
    import_env_module(module or None, f"--env {name}")
    if env_id in gym.registry:
        return env_id, module or None
    known = [*SHORT_NAMES, *SHORT_NAMES.values()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"`--env` must be one of {', '.join(known)}, got {name!r}.{hint}")


def import_env_module(module: str | None, option: str) -> None:
    """Import the module that registers an env.

    Raises:
        ValueError: If it cannot be imported; the message names the option that asked for it.
    """
    if module is None:
        return
    try:
        importlib.import_module(module)
    except (ImportError, TypeError) as error:  # TypeError: of a relative name
        raise ValueError(f"`{option}`: cannot import {module!r} ({error}).") from error


def parse_pairs(option: str, pairs: list[str]) -> dict[str, Any]:
    """Read the KEY=VALUE pairs of an option.

    A value is what JSON, or Python, would read as a number, a truth value or nothing, or what JSON
    would read as a list or dict; else it is text.

    Raises:
        ValueError: If a pair has no key or no equals sign, or two have the same key.
    """
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"`{option}` must be KEY=VALUE pairs, got {pair!r}.")
        if key in arguments:
            raise ValueError(f"`{option}` must name each key once, got {key!r} twice.")
        arguments[key] = _read_value(value)
    return arguments


def _read_value(text: str) -> Any:
    """Read the value of a pair."""
    if text in PYTHON_WORDS:
        return PYTHON_WORDS[text]
    for read in (json.loads, _read_decimal):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _read_decimal(text: str) -> float:
    """Read a number whose first or last digits JSON would miss, such as .5 or 1."""
    if text.strip("+-")[:1] not in tuple(".0123456789"):  # no words, such as "infinity"
        raise ValueError(text)
    return float(text)


def parse_env_kwargs(pairs: list[str]) -> dict[str, Any]:
    """Read the KEY=VALUE pairs of `--env-kwargs`.

    Raises:
        ValueError: If they cannot be read, or one is not the user's to give.
    """
    arguments = parse_pairs("--env-kwargs", pairs)
    for name in ("split", "num_envs", "autoreset_mode", "render_mode"):
        if name in arguments:
            raise ValueError(f"`--env-kwargs {name}=...` is for the program to set: leave it out.")
    return arguments


def positive_int(text: str) -> int:
    """Read a number of at least 1, as a type of argparse."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)


def seed(text: str) -> int:
    """Read a seed, as a type of argparse."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number in 0..2**32 - 1, got {text!r}")
    return int(text)


def positive_float(text: str) -> float:
    """Read a positive number of at most a billion, as a type of argparse."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 < value <= 1e9:
        raise argparse.ArgumentTypeError(f"must be a positive number, at most 1e9, got {text!r}")
    return value
