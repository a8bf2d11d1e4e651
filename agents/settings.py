"""How is a setting declared, and how is a value checked against its declaration? No torch in here.

A setting is declared once, as a field of a dataclass: `setting` says its default, its help and its
bounds, and what reads it from elsewhere (command line, JSON, header of a model) derives from that.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Iterable
from typing import Any

from ram_env.arguments import did_you_mean


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[str, ...] = (),
    lowest: float = -math.inf,
    highest: float = math.inf,
    above: float = -math.inf,
    **details: Any,
) -> Any:
    """Declare a setting: a field of a dataclass that calls `check_settings`.

    Args:
        default: Its value unless another is given.
        help: What it is, its unit, and what values mean.
        choices: Which texts it may be; empty: any.
        lowest: The lowest number that it may be.
        highest: The highest number that it may be.
        above: A number that it must be greater than.
        **details: What else readers of the declaration need, such as a `metavar`.
    """
    rules = {"choices": choices, "lowest": lowest, "highest": highest, "above": above}
    metadata = {"help": help, **rules, **details}
    if default == {}:
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def type_of(field: dataclasses.Field[Any]) -> type:
    """Return the type of a setting's value, None aside if it may be that."""
    kinds = [kind for kind in typing.get_args(field.type) if kind is not types.NoneType]
    kind = kinds[0] if isinstance(field.type, types.UnionType) else field.type
    return typing.get_origin(kind) or kind  # type: ignore[return-value]


def check_settings(settings: Any) -> None:
    """Check each setting of a dataclass against its declaration.

    Raises:
        ValueError: If one has the wrong type or is out of its range.
    """
    for field in dataclasses.fields(settings):
        value, rules = getattr(settings, field.name), field.metadata
        if value is None and types.NoneType in typing.get_args(field.type):
            continue
        check_type(f"`{field.name}`", value, type_of(field))
        if rules.get("choices") and value not in rules["choices"]:
            raise ValueError(
                f"`{field.name}` must be one of {', '.join(rules['choices'])}, got {value!r}."
            )
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if not math.isfinite(value):
            raise ValueError(f"`{field.name}` must be finite, got {value!r}.")
        for fits, limit in (
            (value >= rules["lowest"], f"at least {rules['lowest']:g}"),
            (value <= rules["highest"], f"at most {rules['highest']:g}"),
            (value > rules["above"], f"more than {rules['above']:g}"),
        ):
            if not fits:
                raise ValueError(f"`{field.name}` must be {limit}, got {value!r}.")


def check_type(what: str, value: Any, expected: type) -> None:
    """Refuse a setting of another type than it must have; a whole number is a float too.

    Raises:
        ValueError: If it is refused.
    """
    fits = isinstance(value, int | float) if expected is float else isinstance(value, expected)
    if not fits or (isinstance(value, bool) and expected is not bool):
        raise ValueError(f"{what} must be of type {expected.__name__}, got {value!r}.")


def check_names(given: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Refuse settings that are unknown, with the nearest that is known or else all.

    Raises:
        ValueError: If one is refused.
    """
    names = sorted(known)
    for name in sorted(set(given) - set(names)):
        hint = did_you_mean(name, names) or f" The settings are {', '.join(names)}."
        raise ValueError(f"unknown setting {name!r} of {owner}.{hint}")
