"""The registered tasks: one table, id -> arguments."""

import difflib
import importlib
from typing import Any

import gymnasium as gym

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


def resolve_env(name: str) -> tuple[str, str | None]:
    """Return the id that a short name or an id means, and the module that registers it, or None.

    Args:
        name: `module:id` imports the module.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if name in SHORT_NAMES:
        return SHORT_NAMES[name], None
    module, _, env_id = name.rpartition(":")
    import_env_module(module or None)
    if env_id in gym.registry:
        return env_id, module or None
    known = [*SHORT_NAMES, *SHORT_NAMES.values()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"`env` must be one of {', '.join(known)}, got {name!r}.{hint}")


def import_env_module(module: str | None) -> None:
    """Import the module that registers an env.

    Raises:
        ValueError: If it cannot be imported.
    """
    if module is None:
        return
    try:
        importlib.import_module(module)
    except (ImportError, TypeError) as error:  # TypeError: of a relative name
        raise ValueError(f"`env`: cannot import {module!r} ({error}).") from error
