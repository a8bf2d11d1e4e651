"""Where and from what a measurement comes: machine, commit, versions, data and day."""

import os
import platform
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from agents.evaluation.provenance import describe_source
from ram_env.data.datasets import load_dataset


def find_dataset(dataset: str | None) -> str:
    """Return whose images are taken: those asked for; if None, MNIST, or with a warning digits.

    Raises:
        ValueError: If they cannot be had.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        return load_dataset(dataset or "auto", "train").name


def find_gpu() -> str | None:
    """Return the name of the GPU that rows of one would be measured on."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def describe(dataset: str, out: Path) -> dict[str, Any]:
    """Return what the values depend on.

    Args:
        dataset: Whose images fill the scenes.
        out: The folder of the report; what changes there does not change the source.
    """
    return {
        **describe_source(out),
        "system": f"{platform.system()} {platform.machine()}, {'-'.join(platform.libc_ver())}",
        "cores": os.cpu_count(),
        "gpu": find_gpu(),
        "dataset": dataset,
        "date": time.strftime("%Y-%m-%d"),
    }


def same_source(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether values from both can stand in one table: all but the day agrees."""
    return {**one, "date": None} == {**other, "date": None}
