"""Which tasks are there, and which does a name mean?"""

import importlib
import os
import sys
from typing import Any

import gymnasium as gym

from ram_env.arguments import did_you_mean

# The first four are the settings of Mnih et al. 2014, section 4.1 (retina and number of glimpses of
# table 1 of the NIPS version).
_ARGUMENTS = ("canvas_size", "num_distractors", "patch_size", "num_scales", "num_glimpses")
_SETTINGS = {
    "GlimpseMNIST-v0": (28, 0, 8, 1, 7),
    "GlimpseTranslatedMNIST-v0": (60, 0, 12, 3, 8),
    "GlimpseClutteredMNIST-v0": (60, 4, 12, 3, 8),
    "GlimpseClutteredMNIST100-v0": (100, 8, 12, 4, 8),
    "GlimpseClutteredMNIST1000-v0": (1000, 8, 12, 8, 12),
}
TASKS: dict[str, dict[str, Any]] = {
    task_id: dict(zip(_ARGUMENTS, values, strict=True)) for task_id, values in _SETTINGS.items()
}

_CHANGES = {"flip": True, "zoom": 0.4, "shift": 0.2, "brightness": 0.2}
PICTURE_TASKS: dict[str, dict[str, Any]] = {
    "GlimpseImageFolder-v0": {"scenes": "pictures", **_CHANGES}
}

MEGAPIXEL_TASKS: dict[str, dict[str, Any]] = {"GlimpseMegapixelMNIST-v0": {"scenes": "megapixel"}}

CATCH_TASKS: dict[str, dict[str, Any]] = {"GlimpseCatch-v0": {"game": "catch"}}  # section 4.2

SHORT_NAMES = {
    "centered": "GlimpseMNIST-v0",
    "translated": "GlimpseTranslatedMNIST-v0",
    "cluttered": "GlimpseClutteredMNIST-v0",
    "cluttered100": "GlimpseClutteredMNIST100-v0",
    "cluttered1000": "GlimpseClutteredMNIST1000-v0",
    "megapixel": "GlimpseMegapixelMNIST-v0",
    "folder": "GlimpseImageFolder-v0",
    "catch": "GlimpseCatch-v0",
}


def register_tasks() -> None:
    """Tell Gymnasium of all tasks; nothing is loaded."""
    for task_id, arguments in (TASKS | MEGAPIXEL_TASKS | PICTURE_TASKS | CATCH_TASKS).items():
        gym.register(
            task_id,
            entry_point="ram_env.env:GlimpseEnv",
            vector_entry_point="ram_env.vector_env:GlimpseVectorEnv",
            kwargs=arguments,
        )


def resolve_env(env_id: str) -> tuple[str, str | None]:
    """Return the id that a short name or an id means, and the module that registers it, or None.

    Args:
        env_id: A short name, a registered id, or `module:id`, which imports the module.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if env_id in SHORT_NAMES:
        return SHORT_NAMES[env_id], None
    module, _, name = env_id.rpartition(":")
    import_env_module(module or None)
    if name in gym.registry:
        return name, module or None
    known = [*SHORT_NAMES, *SHORT_NAMES.values()]
    raise ValueError(
        f"`env_id` must be one of {', '.join(known)}, or a registered id, got {env_id!r}."
        f"{did_you_mean(env_id, known)}"
    )


def import_env_module(module: str | None) -> None:
    """Import the module that registers an env, if there is one; the current folder may hold it.

    Raises:
        ValueError: If it cannot be imported.
    """
    if module is None:
        return
    find_modules_here()
    try:
        importlib.import_module(module)
    except (ImportError, TypeError) as error:  # TypeError: the name begins with a dot
        raise ValueError(f"`env_id`: cannot import {module!r} ({error}).") from error


def find_modules_here() -> None:
    """Put the current folder on the path, as `python -m` does and a console script does not."""
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
