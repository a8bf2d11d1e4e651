"""Checks of arguments: each returns the value in its final form, or says what to change."""

import os
from enum import StrEnum
from operator import index as as_index
from typing import Any, SupportsIndex, TypeVar

import numpy as np

Choice = TypeVar("Choice", bound=StrEnum)


def whole_number(name: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """Return a whole-number argument after checking its range."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise ValueError(f"`{name}` must be a whole number, got {value!r}.")
    number = as_index(value)
    if number < lowest or (highest is not None and number > highest):
        limits = f"at least {lowest}" if highest is None else f"in {lowest}..{highest}"
        raise ValueError(f"`{name}` must be {limits}, got {number}.")
    return number


def positive_number(name: str, value: Any) -> float:
    """Return a positive, finite argument."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not 0 < value < np.inf:
        raise ValueError(f"`{name}` must be a positive, finite number, got {value!r}.")
    return float(value)


def number_between(name: str, value: Any, lowest: float, highest: float) -> float:
    """Return an argument that is a number in a range, both ends included."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not lowest <= value <= highest:
        raise ValueError(f"`{name}` must be a number in {lowest}..{highest}, got {value!r}.")
    return float(value)


def one_of(name: str, value: str, choices: type[Choice]) -> Choice:
    """Return the member of an enum that `value` is or names."""
    try:
        return choices(value)
    except ValueError:
        names = ", ".join(repr(choice.value) for choice in choices)
        raise ValueError(f"`{name}` must be one of {names}, got {value!r}.") from None


def canvas_shape_of(canvas_size: Any) -> tuple[int, int]:
    """Return (height, width) of a canvas given by one side or by both."""
    sides = canvas_size if isinstance(canvas_size, list | tuple) else (canvas_size, canvas_size)
    if len(sides) != 2:
        raise ValueError(f"`canvas_size` must be a side or (height, width), got {canvas_size!r}.")
    height, width = (whole_number("canvas_size", side, 1) for side in sides)
    return height, width


def check_memory(num_bytes: int, what: str, remedy: str) -> None:
    """Refuse what would not leave a fifth of this machine's memory to everything else.

    Args:
        num_bytes: How much it takes.
        what: It is, for the message.
        remedy: What to change, for the message.

    Raises:
        ValueError: If it takes more. Where the system does not tell its memory, nothing is refused.
    """
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if num_bytes > 0.8 * memory:
        raise ValueError(
            f"{what} must fit into 80 % of this machine's memory of {memory / 2**30:.1f} GiB, got "
            f"{num_bytes / 2**30:.1f} GiB: {remedy}."
        )


def scene_option(key: str, value: Any, highest: int, num_episodes: int) -> np.ndarray:
    """Return one reset option as int64 (B,)."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.shape not in [(), (num_episodes,)]:
        raise ValueError(
            f"`options[{key!r}]` must be a whole number, or in a vector env an array of one per "
            f"env, got {value!r}."
        )
    if (array < 0).any() or (array > highest).any():
        raise ValueError(f"`options[{key!r}]` must be in 0..{highest}, got {value!r}.")
    return np.broadcast_to(array.astype(np.int64), (num_episodes,))
