"""The models that come with the package: small, whole, and as good as they are said to be."""

from typing import Any

import gymnasium as gym
import pytest
from command_lines import refusal
from helpers import images_of, needs_mnist

from agents import RAM
from agents.base.pretrained import FOLDER, INDEX, env_of_task, pretrained_path, pretrained_rows
from agents.evaluate import main
from agents.evaluation.players import player_of_pretrained

MAX_BYTES = 25_000_000  # of all models together
by_model = pytest.mark.parametrize("name", sorted(pretrained_rows()))


def test_the_folder_holds_what_its_index_says() -> None:
    """One file for each model, none without, all together small enough to ship."""
    names = {f"{name}.zip" for name in pretrained_rows()} | {INDEX}
    assert {path.name for path in FOLDER.iterdir()} == names
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MAX_BYTES


@by_model
def test_models_fit_their_tasks(name: str) -> None:
    """A model takes the glimpses of its task, and was measured on the whole test set."""
    model = RAM.from_pretrained(name, device="cpu")
    env_id, changes = env_of_task(name)
    task: Any = gym.make(env_id, **images_of(name, "digits"), **changes).unwrapped
    glimpse = model.observation_space["glimpse"]
    assert glimpse.shape == (task.num_scales, task.patch_size, task.patch_size)
    row = pretrained_rows()[name]
    assert (row["task"], row["num_glimpses"], row["num_scenes"]) == (
        name,
        task.num_glimpses,
        10_000,
    )


@needs_mnist
@by_model
def test_models_are_as_good_as_they_are_said_to_be(name: str) -> None:
    """All test scenes again: other processors round differently, in at most 3 of 10,000 answers."""
    found = player_of_pretrained(name).measure()
    assert abs(found.num_errors - pretrained_rows()[name]["num_errors"]) <= 3


def test_unknown_models_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names those that there are."""
    with pytest.raises(ValueError, match=r"a pretrained model must be one of .*, got 'sharks'"):
        pretrained_path("sharks")
    with pytest.raises(ValueError, match=r"a pretrained model must be one of .*, got 3\."):
        RAM.from_pretrained(3)
    assert "'sharks'" in refusal(main, ["--pretrained", "sharks"], capsys)
