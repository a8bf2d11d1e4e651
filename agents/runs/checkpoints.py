"""How does a run that ended early go on? From its latest checkpoint that can be read."""

import os
import warnings
from pathlib import Path
from typing import Any

from agents.base.files import sync_folder
from agents.model.ram import RAM

CHECKPOINT, PREVIOUS, FRESH = "checkpoint.zip", "checkpoint.previous.zip", ".checkpoint.new.zip"


def save_checkpoint(model: RAM, folder: Path) -> None:
    """Save a model with all that training on takes, and keep the checkpoint before."""
    model.save(folder / FRESH)
    if (folder / CHECKPOINT).exists():
        os.replace(folder / CHECKPOINT, folder / PREVIOUS)
    os.replace(folder / FRESH, folder / CHECKPOINT)
    sync_folder(folder)


def load_checkpoint(folder: Path, env: Any, device: str) -> RAM | None:
    """Load the latest checkpoint of a run, or with a warning the one before if it is damaged.

    Returns:
        None if the run was killed before its first checkpoint.

    Raises:
        ValueError: If there are only damaged ones.
    """
    damage = None
    for path in (folder / CHECKPOINT, folder / PREVIOUS):
        try:
            model = RAM.load(path, env, device)
        except FileNotFoundError:
            continue
        except ValueError as error:
            damage = error
            continue
        if damage is not None:
            warnings.warn(f"{damage} Going on from {path.name}.", stacklevel=2)
        return model
    if damage is not None:
        raise damage
    return None
