"""Checks of arguments: each returns the value in its final form, or says what to change."""

import difflib
import math
import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from operator import index as as_index
from typing import Any, TypeVar

import numpy as np

from ram_env.retina import window_side

Choice = TypeVar("Choice", bound=StrEnum)

MAX_INT64 = 2**63 - 1
_SHOWN = 200  # characters of a value in an error message


def shown(value: Any) -> str:
    """Return how an error message shows a value, of whatever kind and size it is."""
    try:
        text = repr(value)
    except Exception:  # of numbers with thousands of digits, for one
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


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


def canvas_shape_of(canvas_size: Any) -> tuple[int, int]:
    """Return (height, width) of a canvas given by one side or by both."""
    sides = canvas_size if isinstance(canvas_size, list | tuple) else (canvas_size, canvas_size)
    if len(sides) != 2:
        raise ValueError(
            f"`canvas_size` must be a side or (height, width), got {shown(canvas_size)}."
        )
    height, width = (whole_number("canvas_size", side, 1) for side in sides)
    return height, width


def check_scales(patch_size: int, num_scales: int, canvas_shape: tuple[int, int]) -> None:
    """Refuse windows so wide that nearly all of them lies outside the canvas."""
    widest, side = window_side(patch_size, num_scales - 1), max(canvas_shape)
    if num_scales > 1 and widest >= 4 * side:
        raise ValueError(
            f"`num_scales` is too high: the widest window, `patch_size` * 2**(`num_scales` - 1)"
            f" = {widest} pixels, must be under 4 times the canvas side {side}, "
            f"got patch_size={patch_size} and num_scales={num_scales}."
        )


def check_image_sizes(
    image_shape: tuple[int, ...],
    canvas_shape: tuple[int, int],
    num_distractors: int,
    distractor_size: int,
) -> None:
    """Refuse images larger than the canvas, and crops larger than the images."""
    if any(image > canvas for image, canvas in zip(image_shape, canvas_shape, strict=True)):
        raise ValueError(
            f"`canvas_size` must be at least the image size {image_shape}, "
            f"got {canvas_shape}: enlarge the canvas."
        )
    if num_distractors and distractor_size > min(image_shape):
        raise ValueError(
            f"`distractor_size` must be in 1..{min(image_shape)}, the smaller side of an image,"
            f" got {distractor_size}."
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message about an unknown name: the nearest one, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


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


def options_of(options: Any) -> Mapping[Any, Any]:
    """Return the options of a reset, which may be None."""
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"`options` must be None or a dict, got {shown(options)}.")
    return options or {}


def scene_option(key: str, value: Any, highest: int, num_episodes: int) -> np.ndarray:
    """Return one reset option as int64 (B,)."""
    if isinstance(value, int):
        # First: one too large for int64 would make an array of objects.
        value = whole_number(f"options[{key!r}]", value, 0, highest)
    array = as_array(f"options[{key!r}]", value)
    if array.dtype.kind not in "iu" or array.shape not in [(), (num_episodes,)]:
        raise ValueError(
            f"`options[{key!r}]` must be a whole number, or in a vector env an array of one per "
            f"env, got {shown(value)}."
        )
    if (array < 0).any() or (array > highest).any():
        raise ValueError(f"`options[{key!r}]` must be in 0..{highest}, got {shown(value)}.")
    return np.broadcast_to(array.astype(np.int64), (num_episodes,))
