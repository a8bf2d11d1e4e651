"""Which tasks are there, and which does a name mean?"""

import importlib
import os
import sys
from typing import Any

import gymnasium as gym

from ram_env.arguments import did_you_mean

# The four settings of Mnih et al. 2014, section 4.1 (retina and number of glimpses of table 1 of
# the NIPS version).
TASKS: dict[str, dict[str, Any]] = {
    "GlimpseMNIST-v0": {
        "canvas_size": 28,
        "num_distractors": 0,
        "patch_size": 8,
        "num_scales": 1,
        "num_glimpses": 7,
    },
    "GlimpseTranslatedMNIST-v0": {
        "canvas_size": 60,
        "num_distractors": 0,
        "patch_size": 12,
        "num_scales": 3,
        "num_glimpses": 8,
    },
    "GlimpseClutteredMNIST-v0": {
        "canvas_size": 60,
        "num_distractors": 4,
        "patch_size": 12,
        "num_scales": 3,
        "num_glimpses": 8,
    },
    "GlimpseClutteredMNIST100-v0": {
        "canvas_size": 100,
        "num_distractors": 8,
        "patch_size": 12,
        "num_scales": 4,
        "num_glimpses": 8,
    },
}

SHORT_NAMES = {
    "centered": "GlimpseMNIST-v0",
    "translated": "GlimpseTranslatedMNIST-v0",
    "cluttered": "GlimpseClutteredMNIST-v0",
    "cluttered100": "GlimpseClutteredMNIST100-v0",
}


def register_tasks() -> None:
    """Tell Gymnasium of all tasks; nothing is loaded."""
    for task_id, arguments in TASKS.items():
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
    # Python puts the current folder on the path for `python -m`, but not for a console script.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    try:
        importlib.import_module(module)
    except (ImportError, TypeError) as error:  # TypeError: the name begins with a dot
        raise ValueError(f"`env_id`: cannot import {module!r} ({error}).") from error
