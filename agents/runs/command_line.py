"""What command lines have in common: KEY=VALUE pairs, numbers. No torch in here."""

import argparse
import json
from typing import Any

PYTHON_WORDS = {"True": True, "False": False, "None": None}


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
