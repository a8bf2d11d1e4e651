"""Is what the page is built from what `ram_env` paints?"""

import contextlib
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


def test_a_page_stays_until_another_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the making ends with, nothing half made is left."""
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("before")
    monkeypatch.setattr(build, "RUNTIME", tmp_path)

    def write(folder: Path, dataset: str) -> None:
        (folder / "index.html").write_text("after")
        if dataset == "none":
            raise ValueError(dataset)

    monkeypatch.setattr(build, "write_page", write)
    for dataset, expected in (("none", "before"), ("digits", "after")):
        with contextlib.suppress(ValueError):
            build.build(page, dataset)
        assert (page / "index.html").read_text() == expected
        assert list(tmp_path.iterdir()) == [page]
    file, link = tmp_path / "thesis.txt", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(page)
    for other in (file, link):
        with pytest.raises(FileExistsError, match="must be a folder, or nothing yet"):
            build.build(other)
    assert file.read_text() == "mine" and link.is_symlink()
