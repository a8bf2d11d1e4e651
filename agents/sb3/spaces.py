"""Which spaces do agents play in, and how does a file describe them?"""

import math
from typing import Any

import numpy as np
from gymnasium import spaces

MAX_BOX_SIZE = 2**24  # numbers in an observation: more than any agent here sees


def glimpse_shape_of(space: spaces.Space[Any], needs_reach: bool = False) -> tuple[int, ...]:
    """Return (K, g, g), in colour (K, 3, g, g), of the observations of RAM.

    Args:
        space: The observation space.
        needs_reach: Whether it must hold `reach`.

    Raises:
        ValueError: If the space is another one.
    """
    parts = space.spaces if isinstance(space, spaces.Dict) else {}
    if set(parts) - {"reach"} != {"glimpse", "location"} or parts["location"].shape != (2,):
        raise ValueError(
            "`observation_space` must be a Dict of `glimpse` and `location` (2,), as ram_env's "
            f"envs have, got {space}."
        )
    if needs_reach and "reach" not in parts:
        raise ValueError(
            "`observation_space` must hold `reach` for `location='retinotopic'`: make the env with "
            "observe_reach=True."
        )
    shape = parts["glimpse"].shape
    assert shape is not None
    return shape


def num_classes_of(space: spaces.Space[Any], stop: bool = False) -> int:
    """Return C of the actions of RAM.

    Args:
        space: The action space.
        stop: Whether the last number of a `Box` says to answer now: see `action_format_of`.

    Raises:
        ValueError: If the space is another one.
    """
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.shape[0] >= 3 + stop:
        return space.shape[0] - 2 - stop
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.shape in [(3,), (4,)]:
        return int(space.nvec[2])
    raise ValueError(
        "`action_space` must be Box (2 + C,) or MultiDiscrete [grid, grid, C], as ram_env's "
        f"`action_format` 'box' and 'multidiscrete' have, got {space}."
    )


def other_classes(trained_on: spaces.Space[Any], here: spaces.Space[Any]) -> str:
    """Return how an error message goes on if two action spaces differ in their classes, or ""."""
    try:
        known, found = num_classes_of(trained_on), num_classes_of(here)
    except ValueError:
        return ""
    return "" if known == found else f", which tells {known} classes apart; here are {found}"


def box_for_dict(space: spaces.Dict) -> spaces.Box:
    """Return the Box of location and class scores that stands for a Dict of location and label.

    If the Dict has a `stop`, so has the Box, as its last number.

    Raises:
        ValueError: If it is another Dict.
    """
    label = space.spaces.get("label")
    others = set(space.spaces) - {"location", "label"}
    is_ours = "location" in space.spaces and isinstance(label, spaces.Discrete)
    if others - {"stop"} or not is_ours or not isinstance(label, spaces.Discrete):
        raise ValueError(
            f"a Dict action space must hold `location` and a Discrete `label`, got {space}."
        )
    return spaces.Box(-1.0, 1.0, (2 + int(label.n) + len(others),), dtype=np.float32)


def describe_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """Return what JSON needs to hold of a space; `make_space` reads it.

    Args:
        space: A `Box` of the same finite bounds everywhere, `MultiDiscrete`, `MultiBinary`, or a
            `Dict` of these.

    Raises:
        ValueError: If it is another one.
    """
    if isinstance(space, spaces.Dict):
        parts = {key: describe_space(part) for key, part in space.items()}
        return {"type": "dict", "spaces": parts}
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "multidiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "multibinary", "n": list(space.shape)}
    if isinstance(space, spaces.Box) and _has_plain_bounds(space):
        low, high = space.low.flat[0].item(), space.high.flat[0].item()
        return describe_box(low, high, list(space.shape), str(space.dtype))
    raise ValueError(f"a space must be Box, MultiDiscrete, MultiBinary or Dict, got {space}.")


def describe_box(low: float, high: float, shape: Any, dtype: str = "float32") -> dict[str, Any]:
    """Return what JSON needs to hold of a Box of the same bounds everywhere."""
    return {"type": "box", "low": low, "high": high, "shape": shape, "dtype": dtype}


def make_space(description: dict[str, Any]) -> spaces.Space[Any]:
    """Make the space that `describe_space` described.

    Raises:
        ValueError, KeyError, TypeError: If it describes none, or one that is too large to be meant.
    """
    kind = description["type"]
    if kind == "dict":
        parts: Any = {key: make_space(part) for key, part in description["spaces"].items()}
        return spaces.Dict(**parts)  # as keywords, which keep their order: a dict would be sorted
    if kind == "multidiscrete":
        return spaces.MultiDiscrete(description["nvec"])
    if kind == "multibinary":
        return spaces.MultiBinary(description["n"])
    if kind != "box" or description["dtype"] not in ("float32", "float64", "uint8"):
        raise ValueError(f"{description} is no space that is known")
    shape = tuple(description["shape"])
    if math.prod(shape) > MAX_BOX_SIZE:
        raise ValueError(f"a box of shape {shape} is larger than {MAX_BOX_SIZE:,} numbers")
    box = spaces.Box(description["low"], description["high"], shape, np.dtype(description["dtype"]))
    if not _has_plain_bounds(box):
        raise ValueError(f"a box must have finite bounds, got {box}")
    return box


def _has_plain_bounds(box: spaces.Box) -> bool:
    """Return whether the bounds are finite and the same everywhere."""
    both = box.low, box.high
    return all(np.isfinite(it).all() and (it == it.flat[0]).all() for it in both)
