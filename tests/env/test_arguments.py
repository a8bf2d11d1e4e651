"""Arguments of the env: what is refused, and how."""

import math
from typing import Any

import numpy as np
import pytest
from digit_games import make_env
from helpers import (
    rollout,
)

from ram_env import TASKS
from ram_env.games.settings import InitialLocation, RewardRule
from ram_env.games.tasks import CanvasTask

# Arguments.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"canvas_size": 27}, r"`canvas_size`.*\(28, 28\).*\(27, 27\)"),
        ({"canvas_size": (28, 27)}, r"`canvas_size`.*\(28, 27\)"),
        ({"canvas_size": (27, 100)}, r"`canvas_size`.*\(27, 100\)"),
        ({"canvas_size": 0}, "`canvas_size`.*0"),
        ({"canvas_size": -28}, "`canvas_size`.*-28"),
        ({"canvas_size": (28, 28, 1)}, "`canvas_size`.*28, 28, 1"),
        ({"canvas_size": 28.0}, "`canvas_size`.*28.0"),
        ({"canvas_size": "28"}, "`canvas_size`.*'28'"),
        ({"canvas_size": None}, "`canvas_size`.*None"),
        ({"canvas_size": 2**30 + 1}, r"`canvas_size`.*in 1\.\.1073741824.*1073741825"),
        ({"canvas_range": 60}, r"`canvas_range`.*\(lowest, highest\).*60"),
        ({"canvas_range": (60, 100, 3)}, r"`canvas_range`.*\(lowest, highest\).*3"),
        ({"canvas_range": (60, 59)}, r"`canvas_range`.*60\.\.1073741824.*59"),
        ({"canvas_range": (27, 100)}, r"`canvas_range`.*28.*\(27, 100\)"),
        ({"distractors_range": (-1, 4)}, "`distractors_range`.*-1"),
        ({"distractors_range": (5, 4)}, "`distractors_range`.*at least 5.*4"),
        ({"distractors_range": (0, 300_000)}, "`num_distractors` 300000 .*memory"),
        ({"distractors_range": (0, 10**12)}, "`num_distractors` 1000000000000 .*memory"),
        ({"num_distractors": 10**12}, "`num_distractors` 1000000000000 .*memory"),
        ({"num_glimpses": 10**13}, "`num_glimpses` 10000000000000 .*memory"),
        ({"num_distractors": -1}, "`num_distractors`.*-1"),
        ({"num_distractors": 1.5}, "`num_distractors`.*1.5"),
        ({"num_distractors": 1, "distractor_size": 29}, r"`distractor_size`.*1\.\.28.*29"),
        ({"distractor_size": 0}, "`distractor_size`.*0"),
        ({"patch_size": 0}, "`patch_size`.*0"),
        ({"patch_size": 29}, r"`patch_size`.*1\.\.28.*29"),
        ({"patch_size": (30, 60), "canvas_size": 60}, "`patch_size`"),
        ({"num_scales": 0}, "`num_scales`.*0"),
        ({"num_scales": 40}, "`num_scales`"),
        ({"num_scales": 10**6}, "`num_scales`"),
        ({"num_glimpses": 0}, "`num_glimpses`.*0"),
        ({"num_glimpses": -3}, "`num_glimpses`.*-3"),
        ({"num_glimpses": 2.0}, "`num_glimpses`.*2.0"),
        ({"action_format": "boxes"}, "`action_format`.*'box'.*'boxes'"),
        ({"action_format": None}, "`action_format`.*None"),
        ({"location_grid": 0}, "`location_grid`.*0"),
        ({"score_scale": 0}, "`score_scale`.*0"),
        ({"score_scale": -1.0}, "`score_scale`.*-1"),
        ({"score_scale": math.nan}, "`score_scale`.*nan"),
        ({"score_scale": math.inf}, "`score_scale`.*inf"),
        ({"score_scale": "10"}, "`score_scale`.*'10'"),
        ({"reward": "last"}, "`reward`.*'final'.*'last'"),
        ({"initial_location": "centre"}, "`initial_location`.*'center'.*'centre'"),
        ({"split": "val"}, "`split`.*'validation'.*'val'|`split`.*validation.*'val'"),
        ({"dataset": "MNIST"}, "`dataset`.*'MNIST'"),
        ({"reward": "log_likelihood", "action_format": "dict"}, "`reward=.*log_likelihood.*'dict'"),
        ({"reward": "log_likelihood", "action_format": "multidiscrete"}, "'multidiscrete'"),
        ({"render_mode": "ansi"}, "`render_mode`.*'ansi'"),
    ],
)
def test_impossible_arguments_are_errors(arguments: dict[str, Any], message: str) -> None:
    """An impossible argument raises ValueError that names argument, rule and value."""
    with pytest.raises(ValueError, match=message):
        make_env(**arguments)


def test_unknown_argument_is_an_error() -> None:
    """A misspelt argument is not swallowed."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'num_glimpse'"):
        make_env(num_glimpse=3)


@pytest.mark.parametrize(
    "arguments",
    [
        {"canvas_size": (28, 28)},
        {"canvas_size": [28, 40]},
        {"canvas_size": np.int64(28)},
        {"patch_size": 28},
        {"patch_size": 1, "num_scales": 6},
        {"num_scales": 13},  # an agent that knows far larger canvases plays on small ones too
        {"num_distractors": 2, "distractor_size": 28},
        {"distractor_size": 100},  # without distractors there is none to be too large
        {"num_glimpses": 1},
        {"score_scale": 1},
        {"score_scale": np.float32(2)},
        {"location_grid": 1, "action_format": "multidiscrete"},
        {"reward": RewardRule.LOG_LIKELIHOOD},
        {"initial_location": InitialLocation.CENTER},
    ],
    ids=str,
)
def test_limits_of_the_arguments_are_allowed(arguments: dict[str, Any]) -> None:
    """Sizes at the limit, numbers of numpy and members of enums make an env that plays."""
    env = make_env(**arguments)
    for result in rollout(env, 15, seed=0):
        assert env.observation_space.contains(result[0])


def test_scenes_of_full_size_lie_still() -> None:
    """An image as large as the canvas has one position."""
    env = make_env()
    boxes = {tuple(env.reset(seed=seed)[1]["target_box"].tolist()) for seed in range(10)}
    assert boxes == {(0, 0, 28, 28)}


def test_task_defaults_are_the_centred_task() -> None:
    """Without arguments the task is that of `GlimpseMNIST-v0`."""
    task = CanvasTask(dataset="digits")
    for name, value in TASKS["GlimpseMNIST-v0"].items():
        assert (
            (task.canvas_shape == (value, value))
            if name == "canvas_size"
            else getattr(task, name) == value
        )
