"""The spaces that RAM plays in: what it reads off them, and how a model file describes them."""

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from ram_env.arguments import shown, whole_number

MAX_BOX_SIZE = 2**24  # numbers in an observation: more than any agent here sees


def glimpse_shape_of(space: spaces.Space[Any]) -> tuple[int, ...]:
    """Return (K, g, g)."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {}
    if set(parts) != {"glimpse", "location"} or parts["location"].shape != (2,):
        raise ValueError(
            "`observation_space` must be a Dict of `glimpse` and `location` (2,), as ram_env's "
            f"envs have, got {space}."
        )
    shape = parts["glimpse"].shape
    assert shape is not None
    return shape


def num_classes_of(space: spaces.Space[Any]) -> int:
    """Return C."""
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.shape[0] >= 3:
        return space.shape[0] - 2
    if isinstance(space, spaces.MultiDiscrete) and space.nvec.shape == (3,):
        return int(space.nvec[2])
    raise ValueError(
        "`action_space` must be Box (2 + C,) or MultiDiscrete [grid, grid, C], as ram_env's "
        f"`action_format` 'box' and 'multidiscrete' have, got {space}."
    )


def box_for_dict(space: spaces.Dict) -> spaces.Box:
    """Return the Box of location and class scores that stands for a Dict of location and label."""
    label = space.spaces.get("label")
    if set(space.spaces) != {"location", "label"} or not isinstance(label, spaces.Discrete):
        raise ValueError(
            f"a Dict action space must hold `location` and a Discrete `label`, got {space}."
        )
    return spaces.Box(-1.0, 1.0, (2 + int(label.n),), dtype=np.float32)


def describe_action_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """Return what JSON needs to hold of an action space."""
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "multidiscrete", "nvec": space.nvec.tolist()}
    assert space.shape is not None
    return {"type": "box", "size": space.shape[0]}


def described_num_classes(description: Any) -> int:
    """Return C of an action space that was described; no memory is taken.

    Raises:
        ValueError: If it is none that RAM plays in.
    """
    match description:
        case {"type": "box", "size": size}:
            return whole_number("action_space", size, 3) - 2
        case {"type": "multidiscrete", "nvec": [width, height, num_classes]}:
            sizes = [whole_number("action_space", n, 1) for n in (width, height, num_classes)]
            return sizes[2]
    raise ValueError(f"`action_space` must be of RAM's, got {shown(description)}")


def described_glimpse_shape(sides: Any) -> tuple[int, ...]:
    """Return (K, g, g) of an observation space that was described; no memory is taken.

    Raises:
        ValueError: If it is no shape of glimpses.
    """
    if not isinstance(sides, list) or len(sides) != 3 or sides[1] != sides[2]:
        raise ValueError(f"`glimpse_shape` must be [K, g, g], got {shown(sides)}")
    return tuple(whole_number("glimpse_shape", side, 1) for side in sides)


def make_action_space(description: dict[str, Any]) -> spaces.Space[Any]:
    """Make the action space that was described."""
    if description["type"] == "multidiscrete":
        return spaces.MultiDiscrete(description["nvec"])
    return spaces.Box(-1.0, 1.0, (description["size"],), dtype=np.float32)


def make_observation_space(glimpse_shape: list[int]) -> spaces.Dict:
    """Make the observation space of glimpses of a shape."""
    return spaces.Dict(
        glimpse=spaces.Box(0.0, 1.0, tuple(glimpse_shape), dtype=np.float32),
        location=spaces.Box(-1.0, 1.0, (2,), dtype=np.float32),
    )


def describe_space(space: spaces.Space[Any]) -> dict[str, Any]:
    """Return what JSON needs to hold of a space of any agent.

    Args:
        space: A `Box` of the same bounds everywhere, `MultiDiscrete`, `MultiBinary`, or a `Dict`
            of these.

    Raises:
        ValueError: If it is another one.
    """
    if isinstance(space, spaces.Dict):
        return {
            "type": "dict",
            "spaces": {key: describe_space(part) for key, part in space.items()},
        }
    if isinstance(space, spaces.MultiDiscrete):
        return {"type": "multidiscrete", "nvec": space.nvec.tolist()}
    if isinstance(space, spaces.MultiBinary):
        return {"type": "multibinary", "n": list(space.shape)}
    if isinstance(space, spaces.Box) and np.ptp(space.low) == np.ptp(space.high) == 0:
        low, high = space.low.flat[0].item(), space.high.flat[0].item()
        shape, dtype = list(space.shape), str(space.dtype)
        return {"type": "box", "low": low, "high": high, "shape": shape, "dtype": dtype}
    raise ValueError(f"a space must be Box, MultiDiscrete, MultiBinary or Dict, got {space}.")


def make_space(description: dict[str, Any]) -> spaces.Space[Any]:
    """Make the space that `describe_space` described.

    Raises:
        ValueError, KeyError, TypeError: If it describes none.
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
    return spaces.Box(
        description["low"], description["high"], shape, np.dtype(description["dtype"])
    )
