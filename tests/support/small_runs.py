"""Runs that take a second or two, started as the command line starts them."""

from pathlib import Path
from typing import Any

from agents.runs.options import Options
from agents.runs.plan import plan_run
from agents.runs.run import Finished, make_run, train

ENV_ID = "GlimpseMNIST-v0"
BATCH = 32
FILES = {"config.json", "progress.csv", "checkpoint.zip", "model.zip", "evaluation.json"}
FILES |= {"curves.png", "gaze.png", "gaze.gif"}
DIGITS: dict[str, Any] = {"dataset": "digits", "num_glimpses": 3}


def make_options(folder: Path, settings: dict[str, Any] | None = None, **changes: Any) -> Options:
    """Return the options of a small run of RAM."""
    small = {"hidden_size": 16, "batch_size": BATCH, "precision": "float32"} | (settings or {})
    options: dict[str, Any] = {"env_kwargs": DIGITS, "settings": small, "seed": 3, "episodes": 300}
    options |= {"env": ENV_ID, "device": "cpu", "threads": 1, "processes": 1, "run_dir": folder}
    return Options(**options | changes)


def run(options: Options) -> Finished:
    """Do what these options ask for."""
    plan = plan_run(options)
    assert plan is not None, "the folder holds the finished run"
    finished = train(make_run(plan))
    assert finished is not None  # this process leads
    return finished


def resume(folder: Path) -> Finished:
    """Go on with the run in a folder."""
    return run(Options(resume=folder))
