"""Is what the page is built from what `ram_env` paints?"""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.base.pretrained import pretrained_task
from demo import build


def test_scenes_add_up_to_those_of_the_env() -> None:
    """Digit and the task's number of pieces, added and saturated, are the frozen test scene."""
    task = pretrained_task(build.NAME)
    env: Any = gym.make(task.env_id, dataset="digits", split="test")
    scenes = build.scenes_of(task.arguments, "digits")
    for index, scene in enumerate(scenes[:20]):
        canvas = np.zeros((60, 60), dtype=np.int64)
        for sprite in [scene["digit"], *scene["clutter"][: task.arguments["num_distractors"]]]:
            rows, columns, side = sprite["row"], sprite["column"], sprite["side"]
            pixels = np.reshape(sprite["pixels"], (side, side))
            canvas[rows : rows + side, columns : columns + side] += pixels
        _, info = env.reset(options={"index": index, "scene_seed": index})
        np.testing.assert_array_equal(canvas.clip(max=255), env.unwrapped.view().canvas)
        assert scene["label"] == info["label"]
        assert len(scene["clutter"]) == build.MOST_CLUTTER


def test_build_says_how_the_runtime_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves the folder as it is."""
    monkeypatch.setattr(build, "RUNTIME", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="`make demo` installs it, by `npm ci`"):
        build.build(tmp_path / "page")
    assert not (tmp_path / "page").exists()
