"""The registered tasks: one table, id -> arguments."""

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
