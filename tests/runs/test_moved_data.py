"""A run whose images were moved is measured, drawn and gone on with where they are now."""

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import small_runs
from command_lines import refusal
from helpers import save_images
from idx_files import encode_idx

from agents import RAM, evaluate
from agents.base.files import read_json
from agents.evaluation import show
from agents.evaluation.players import player_of_run
from agents.runs import launch
from ram_env.data.idx import IDX_FILES

ENV_ID = small_runs.ENV_ID


def write_idx(folder: Path, seed: int = 0) -> None:
    """Write 24 training and 8 test images of 4 classes."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for name in IDX_FILES:
        shape = (8,) if name.startswith("t10k") else (24,)
        array = (
            rng.integers(256, size=(*shape, 9, 7)) if "images" in name else np.arange(*shape) % 4
        )
        (folder / name).write_bytes(encode_idx(array.astype(np.uint8)))


@pytest.fixture(params=["idx", "npz"])
def moved(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """A run `run` whose images have moved; the options that say where they, and others, are."""
    env_kwargs: dict[str, Any] = {"num_glimpses": 2, "canvas_size": 12, "patch_size": 4}
    if request.param == "idx":
        write_idx(tmp_path / "old")
        write_idx(tmp_path / "other", seed=1)
        env_kwargs |= {"dataset": "idx", "data_dir": str(tmp_path / "old")}
        names, option = ("old", "new", "other"), "--data-dir"
    else:
        old = save_images(tmp_path / "old.npz", 40, (9, 7), 4)
        save_images(tmp_path / "other.npz", 41, (9, 7), 4)
        env_kwargs["dataset"] = old
        names, option = ("old.npz", "new.npz", "other.npz"), "--dataset"
    small_runs.run(small_runs.make_options(tmp_path / "run", env_kwargs=env_kwargs, episodes=64))
    (tmp_path / names[0]).rename(tmp_path / names[1])
    return {"option": option, "new": str(tmp_path / names[1]), "other": str(tmp_path / names[2])}


def test_moved_images_are_found_by_an_option(
    moved: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it, and with other images, each program says in one line what to do."""
    run, option, new = str(tmp_path / "run"), moved["option"], moved["new"]
    result = read_json(tmp_path / "run" / "evaluation.json")
    (tmp_path / "run" / "evaluation.json").rename(tmp_path / "kept")  # so that it can go on
    programs: list[tuple[Any, list[str]]] = [
        (evaluate, ["--run", run]),
        (show, [run, "--out", str(tmp_path)]),
        (launch, ["--resume", run]),
    ]
    for program, arguments in programs:
        assert f"`{option}` must be" in refusal(program.main, arguments, capsys)
        line = refusal(program.main, [*arguments, option, moved["other"]], capsys)
        assert "`--dataset` must hold the images of the run" in line and option in line
        assert program.main([*arguments, option, new]) == 0
    again = read_json(tmp_path / "run" / "evaluation.json")
    for key in ("num_scenes", "error", "error_per_glimpse"):
        assert again[key] == result[key]
    # From now on they are known to be there.
    assert player_of_run(tmp_path / "run").measure().error == result["error"]


def test_images_that_changed_in_their_place_are_others(tmp_path: Path) -> None:
    """A result on them would not be one of this run; of older runs nothing is known."""
    path = tmp_path / "mine.npz"
    save_images(path, 40, (28, 28), 4)
    options: dict[str, Any] = {
        "env_kwargs": {"num_glimpses": 2, "dataset": str(path)},
        "episodes": 64,
    }
    small_runs.run(small_runs.make_options(tmp_path / "run", **options))
    expected = player_of_run(tmp_path / "run").measure()
    save_images(path, 44, (28, 28), 4)
    with pytest.raises(ValueError, match=r"`dataset` must hold the images of the run, test split"):
        player_of_run(tmp_path / "run")
    with np.load(save_images(path, 40, (28, 28), 4)) as arrays:  # the same, otherwise packed
        np.savez_compressed(path, **arrays)
    assert player_of_run(tmp_path / "run").measure() == expected
    save_images(path, 44, (28, 28), 4)
    config = read_json(tmp_path / "run" / "config.json")
    del config["dataset_sha256"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    player_of_run(tmp_path / "run")
    save_images(path, 44, (28, 28), 5)
    message = (
        r"`dataset` must have the classes of the model, which tells 4 classes apart; here are 5"
    )
    with pytest.raises(ValueError, match=message):
        player_of_run(tmp_path / "run")
    env = gym.make(ENV_ID, dataset=str(path), num_glimpses=2)
    with pytest.raises(ValueError, match=r"`env` .* tells 4 classes apart; here are 5"):
        RAM.load(tmp_path / "run" / "model.zip", env)


def test_a_folder_without_images_ends_a_run_before_it_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trained on other images, and what lies in the folder is said."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").touch()
    monkeypatch.chdir(tmp_path)
    for options in (["--data-dir", "photos"], ["--data-dir", ""], ["--dataset", "digits.npz"]):
        line = refusal(launch.main, [*options, "--episodes", "64", "--run-dir", "run"], capsys)
        assert f"`{options[0]}` must be" in line
        assert not (tmp_path / "run").exists()
        assert ("it holds 'cat.png'" in line) == (options[1] == "photos")
    monkeypatch.setenv("RAM_ENV_DATA", "photos")
    assert "`RAM_ENV_DATA` must be" in refusal(launch.main, ["--episodes", "64"], capsys)


@pytest.mark.parametrize("program", [evaluate, show], ids=lambda program: program.__name__)
def test_a_model_of_the_package_plays_images_that_an_option_names(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As far as they have its classes."""
    write_idx(tmp_path / "images")
    options = ["--dataset", "idx", "--data-dir", str(tmp_path / "images")]
    model = ["--pretrained", "centered"] if program is evaluate else ["centered"]
    line = refusal(program.main, [*model, *options], capsys)
    assert "`--dataset` must have the classes of the model, which tells 10 classes apart" in line
