"""Games on the digits of scikit-learn, which come without a download."""

from typing import Any

from ram_env import TASKS
from ram_env.env import GlimpseEnv

LARGEST_SEED = 2**63 - 1
REWARDS = ("final", "every_step", "log_likelihood")


def make_env(task_id: str = "GlimpseMNIST-v0", **changes: Any) -> GlimpseEnv:
    """Make the env of a registered task on the digits of scikit-learn."""
    return GlimpseEnv(**{"dataset": "digits", **TASKS[task_id], **changes})
