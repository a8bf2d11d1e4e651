"""Is an argument what it must be? Each check returns its final form, or says what to change."""

import difflib
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from operator import index as as_index
from typing import Any, TypeVar

import numpy as np

Choice = TypeVar("Choice", bound=Enum)

MAX_INT64 = 2**63 - 1
_SHOWN = 200  # characters of a value in an error message
_LISTED = 5  # names in one


def shown(value: Any) -> str:
    """Return how an error message shows a value, of whatever kind and size: both ends of it."""
    try:
        text = repr(value)
    except Exception:  # of numbers with thousands of digits, for one
        text = f"an object of type {type(value).__name__}"
    half = _SHOWN // 2
    return text if len(text) <= _SHOWN else f"{text[:half]}...{text[-half:]}"


def some_of(names: Sequence[str]) -> str:
    """Return how an error message lists names, of which there may be none or many."""
    if not names:
        return "nothing"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(map(shown, names[:_LISTED])) + more


def as_array(name: str, value: Any) -> np.ndarray:
    """Return an argument as an array, of whatever shape and type that has."""
    try:
        return np.asarray(value)
    except Exception as error:  # ragged lists, tensors that need gradients, ...
        raise ValueError(
            f"`{name}` must be an array, got {shown(value)}, which does not make one: {error}"
        ) from error


def whole_number(name: str, value: Any, lowest: int, highest: float = MAX_INT64) -> int:
    """Return a whole-number argument after checking its range; `math.inf` is a limit too."""
    try:
        number = None if isinstance(value, bool) else as_index(value)
    except TypeError:
        number = None
    if number is None:
        raise ValueError(f"`{name}` must be a whole number, got {shown(value)}.")
    if not lowest <= number <= highest:
        limits = f"in {lowest}..{highest}"
        if highest >= MAX_INT64:
            limits = f"at least {lowest}" if number < lowest else f"at most {highest}"
        raise ValueError(f"`{name}` must be {limits}, got {shown(number)}.")
    return number


def number_range(
    name: str, value: Any, least: int, most: int = MAX_INT64
) -> tuple[int, int] | None:
    """Return an argument that is a lowest and a highest whole number, or None."""
    if value is None:
        return None
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"`{name}` must be None or (lowest, highest), got {shown(value)}.")
    lowest = whole_number(name, value[0], least, most)
    return lowest, whole_number(name, value[1], lowest, most)


def positive_number(name: str, value: Any, highest: float) -> float:
    """Return an argument that is a number over 0 and up to `highest`."""
    number = _as_float(value)
    if not 0 < number <= highest:
        raise ValueError(
            f"`{name}` must be a positive number of at most {highest:g}, got {shown(value)}."
        )
    return number


def number_between(name: str, value: Any, lowest: float, highest: float) -> float:
    """Return an argument that is a number in a range, both ends included."""
    number = _as_float(value)
    if not lowest <= number <= highest:
        raise ValueError(f"`{name}` must be a number in {lowest}..{highest}, got {shown(value)}.")
    return number


def _as_float(value: Any) -> float:
    """Return a number as float, and NaN for what is none or too large for one."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (OverflowError, TypeError):
        return math.nan


def one_of(name: str, value: Any, choices: type[Choice]) -> Choice:
    """Return the member of an enum that `value` is or names."""
    try:
        return choices(value)
    except (ValueError, TypeError):  # TypeError: of arrays that compare with nothing
        names = ", ".join(repr(choice.value) for choice in choices)
        raise ValueError(f"`{name}` must be one of {names}, got {shown(value)}.") from None


def one_of_names(name: str, value: Any, names: Collection[str]) -> str:
    """Return an argument that is one of some names."""
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"`{name}` must be one of {', '.join(names)}, got {shown(value)}.")
    return str(value)


def flag(name: str, value: Any) -> bool:
    """Return an argument that must be True or False.

    Raises:
        ValueError: If it is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False, got {shown(value)}.")
    return value


def folder_path(name: str, value: Any) -> str | None:
    """Return an argument that is the path of a folder, there or not, as an absolute one, or None.

    Raises:
        ValueError: If it is neither.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if text is None:
        return None
    if isinstance(text, str) and text:
        return os.path.abspath(os.path.expanduser(text))
    raise ValueError(f"`{name}` must be None or the path of a folder, got {shown(value)}.")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the nearest one, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_bytes(num_bytes: int, what: str) -> None:
    """Refuse what would not leave a fifth of this machine's memory to everything else.

    Args:
        num_bytes: How much it takes.
        what: The name of it for the message, in the plural.

    Raises:
        ValueError: If it takes more. Where the system does not tell its memory, nothing is refused.
    """
    if not hasattr(os, "sysconf"):
        return
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if num_bytes > 0.8 * available:
        raise ValueError(
            f"{what} must fit into 80 % of this machine's memory of {available / 2**30:.1f} GiB, "
            f"got {num_bytes / 2**30:.1f} GiB: choose smaller numbers or fewer images."
        )


def options_of(options: Any) -> Mapping[Any, Any]:
    """Return the options of a reset, which may be None."""
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"`options` must be None or a dict, got {shown(options)}.")
    return options or {}


def scene_option(key: str, value: Any, limits: tuple[int, int], num_episodes: int) -> np.ndarray:
    """Return one reset option, within its limits, as int64 (B,)."""
    lowest, highest = limits
    if isinstance(value, int):
        # First: one too large for int64 would make an array of objects.
        value = whole_number(f"options[{key!r}]", value, lowest, highest)
    array = as_array(f"options[{key!r}]", value)
    if array.dtype.kind not in "iu" or array.shape not in [(), (num_episodes,)]:
        raise ValueError(
            f"`options[{key!r}]` must be a whole number, or in a vector env an array of one per "
            f"env, got {shown(value)}."
        )
    if (array < lowest).any() or (array > highest).any():
        raise ValueError(f"`options[{key!r}]` must be in {lowest}..{highest}, got {shown(value)}.")
    return np.broadcast_to(array.astype(np.int64), (num_episodes,))
