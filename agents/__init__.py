"""Agents that learn where to look, built on PyTorch and Stable-Baselines3.

`from agents import RAM` loads them on first use, so that `import agents` alone stays light.
"""

import importlib
from typing import Any

_HOMES = {
    "FlatPolicy": "agents.looking.flat",
    "FrozenScenes": "agents.evaluation.frozen_scenes",
    "RAM": "agents.model.ram",
    "RAMConfig": "agents.model.config",
    "RAMPolicy": "agents.model.policy",
    "GymnasiumVecEnv": "agents.sb3.vec_env",
    "make_vec_env": "agents.sb3.envs",
    "train": "agents.runs.launch",
}
_MODULES = {"pictures": "agents.looking.gazes"}
__all__ = [
    "RAM",
    "FlatPolicy",
    "FrozenScenes",
    "GymnasiumVecEnv",
    "RAMConfig",
    "RAMPolicy",
    "make_vec_env",
    "pictures",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public class, function or module when it is first asked for."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'agents' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
