"""The native vector env on digits, alone and beside the single envs that it must equal."""

from typing import Any

import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from ram_env import TASKS
from ram_env.env import GlimpseEnv
from ram_env.vector_env import GlimpseVectorEnv

MODES = list(AutoresetMode)
by_mode = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
Envs = VectorEnv[Any, Any, Any]


def make_native(
    num_envs: int,
    mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    task_id: str = "GlimpseClutteredMNIST-v0",
    **changes: Any,
) -> GlimpseVectorEnv:
    """Make the native vector env of a task."""
    arguments = {"dataset": "digits", **TASKS[task_id], **changes}
    return GlimpseVectorEnv(num_envs, mode, **arguments)


def make_pair(
    num_envs: int,
    mode: AutoresetMode = AutoresetMode.NEXT_STEP,
    task_id: str = "GlimpseClutteredMNIST-v0",
    **changes: Any,
) -> tuple[GlimpseVectorEnv, Envs]:
    """Make the native vector env of a task, and Gymnasium's over single envs."""
    arguments = {"dataset": "digits", **TASKS[task_id], **changes}
    single = SyncVectorEnv([lambda: GlimpseEnv(**arguments)] * num_envs, autoreset_mode=mode)
    return make_native(num_envs, mode, task_id, **changes), single
