"""One training run from start to end: what lies in the run folder, and when it is stopped."""

import csv
import dataclasses
import importlib.metadata
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import BATCH, ENV_ID, FILES, make_options, run

from agents import RAM
from agents.base.files import LOCK
from agents.evaluation import curves, pictures
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.players import player_of_run
from agents.runs import run as module
from agents.runs.callbacks import GracefulStop
from agents.runs.options import Options
from agents.runs.plan import plan_run
from agents.runs.team import SIGNALS
from ram_env.data.datasets import load_dataset
from ram_env.games.record import TaskRecord

EVENTS = "events.out.tfevents."


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("runs") / "new" / "run"
    run(make_options(folder))
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds."""
    content = json.loads(path.read_text())
    assert isinstance(content, dict)
    return content


def read_progress(folder: Path) -> list[dict[str, str]]:
    """Return the rows of progress.csv."""
    with (folder / "progress.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_run_folder_holds_exactly_the_documented_files(finished: Path) -> None:
    """All files of the design, none more, none empty."""
    sizes = {path.name: path.stat().st_size for path in finished.iterdir()}
    assert sizes.pop(LOCK) == 0
    names = set(sizes)
    events = {name for name in names if name.startswith(EVENTS)}
    assert len(events) == 1
    assert names - events == FILES
    assert all(sizes.values())


def test_config_says_how_to_run_again(finished: Path) -> None:
    """The budget is in whole batches; settings, data, seed, versions and machine are there."""
    config = read_json(finished / "config.json")
    assert config["episodes"] == 320
    assert config["env_id"] == ENV_ID
    assert config["env_kwargs"] == {"dataset": "digits", "num_glimpses": 3}
    assert (config["preset"], config["seed"], config["num_envs"]) == ("default", 3, BATCH)
    assert Options.from_json(config["options"]) == make_options(finished)
    assert config["config"]["hidden_size"] == 16
    assert (config["device"], config["precision"], config["threads"]) == ("cpu", "float32", 1)
    assert config["versions"]["torch"] == importlib.metadata.version("torch")
    for name in ("command", "python", "machine"):
        assert isinstance(config[name], str) and config[name]
    assert "commit" in config
    assert TaskRecord.from_json(config["task"]) == RAM.load(finished / "model.zip").task


def test_evaluation_equals_a_later_one(finished: Path) -> None:
    """Evaluating the run folder again gives the numbers of evaluation.json."""
    content = read_json(finished / "evaluation.json")
    again = dataclasses.asdict(player_of_run(finished, "test").measure())
    assert {name: content[name] for name in again} == again
    assert (content["num_scenes"], content["split"]) == (300, "test")
    assert content["dataset"] == "digits"
    assert (content["episodes"], content["stopped_early"]) == (320, False)
    assert content["error_per_glimpse"][-1] == content["error"]
    assert content["low"] <= content["error"] <= content["high"]
    labels = {split: load_dataset("digits", split).labels for split in ("train", "test")}
    usual = np.bincount(labels["train"]).argmax()
    assert content["majority_error"] == 100 * (labels["test"] != usual).mean()
    assert content["validation_error"] == player_of_run(finished, "validation").measure().error
    model = RAM.load(finished / "model.zip", device="cpu")
    assert content["parameters"] == sum(p.numel() for p in model.policy.parameters())


def test_progress_reaches_the_end(finished: Path) -> None:
    """Training rows and validation rows share one table, in the order of episodes."""
    rows = read_progress(finished)
    episodes = [int(row["time/episodes"]) for row in rows]
    assert episodes == sorted(episodes)
    assert episodes[-1] == 320
    validated = [row for row in rows if row["validation/error"]]
    trained = [row for row in rows if row["train/classification_loss"]]
    assert int(validated[-1]["time/episodes"]) == int(trained[-1]["time/episodes"]) == 320
    evaluation = read_json(finished / "evaluation.json")
    assert float(validated[-1]["validation/error"]) == evaluation["validation_error"]
    assert all(math.isfinite(float(row["train/policy_loss"])) for row in trained)


def test_checkpoint_can_learn_on_and_model_is_lean(finished: Path) -> None:
    """Both hold the last weights; only the checkpoint holds the optimiser."""
    checkpoint, model = (
        RAM.load(finished / name, device="cpu") for name in ("checkpoint.zip", "model.zip")
    )
    assert checkpoint.num_timesteps == model.num_timesteps == 320 * 3
    for name, value in model.policy.state_dict().items():
        assert torch.equal(value, checkpoint.policy.state_dict()[name]), name
    assert checkpoint.policy.optimizer.state_dict()["state"]
    assert not model.policy.optimizer.state_dict()["state"]


def test_pictures_can_be_opened(finished: Path) -> None:
    """The pictures are whole, of a size to look at, and the animation moves."""
    for name in ("curves.png", "gaze.png", "gaze.gif"):
        with Image.open(finished / name) as picture:
            picture.load()
            assert min(picture.size) > 200
            assert np.ptp(np.asarray(picture.convert("L"))) > 100
    with Image.open(finished / "gaze.gif") as animation:
        assert getattr(animation, "n_frames", 1) >= 3


def test_run_is_repeatable(finished: Path, tmp_path: Path) -> None:
    """A second run of the same options gives the same model and the same table, times aside."""
    run(make_options(tmp_path / "again"))
    folders = (finished, tmp_path / "again")
    first, second = (RAM.load(folder / "checkpoint.zip", device="cpu") for folder in folders)
    for name, value in first.policy.state_dict().items():
        assert torch.equal(value, second.policy.state_dict()[name]), name
    tables = [read_progress(folder) for folder in folders]
    for row in tables[0] + tables[1]:
        row.pop("time/seconds")
    assert tables[0] == tables[1]


def test_outputs_say_that_digits_are_not_mnist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line of the run and those of all pictures name the data."""
    titles: list[str] = []
    for home, name in (
        (curves, "save_curves"),
        (pictures, "save_gaze_grid"),
        (pictures, "save_gaze_animation"),
    ):
        monkeypatch.setattr(home, name, lambda *inputs: titles.append(inputs[-1]))
    result = run(make_options(tmp_path / "run", episodes=BATCH)).result
    assert "NOT MNIST" in capsys.readouterr().out.splitlines()[0]
    assert len(titles) == 3
    assert all("NOT MNIST" in title for title in titles)
    assert "NOT MNIST" in result.describe()


def test_the_same_options_again_find_nothing_to_do(finished: Path) -> None:
    """A finished run of these options is left as it is, whatever it would be computed on."""
    before = {path: path.read_bytes() for path in finished.iterdir()}
    assert plan_run(make_options(finished)) is None
    assert plan_run(make_options(finished, device="auto")) is None
    assert {path: path.read_bytes() for path in finished.iterdir()} == before


def test_existing_run_is_not_touched(finished: Path) -> None:
    """A folder that holds something is refused before anything is done."""
    before = {path: path.read_bytes() for path in finished.iterdir()}
    with pytest.raises(
        FileExistsError, match=r"`run_dir` must be a new or empty folder.*seed 3 instead of 4"
    ):
        run(make_options(finished, seed=4))
    assert {path: path.read_bytes() for path in finished.iterdir()} == before


def test_empty_folder_is_taken(tmp_path: Path) -> None:
    """An empty folder is as good as a new one, and so is one with what a kill left half written."""
    (tmp_path / ".config.json.1234.tmp").write_bytes(b"{")
    run(make_options(tmp_path, episodes=BATCH))
    assert FILES <= {path.name for path in tmp_path.iterdir()}
    assert not list(tmp_path.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_envs": 3}, "`batch_size` must be a multiple of `num_envs`.*32 and 3"),
        ({"device": "abacus"}, "`device` must be .*'abacus'"),
        ({"device": "meta"}, "`device` must be .*'meta'"),
        ({"env_kwargs": {"dataset": "digits", "num_glimpses": 0}}, "`num_glimpses`"),
        ({"env_kwargs": {"dataset": "nothing"}}, "`dataset`"),
    ],
    ids=["num_envs", "device", "device without memory", "num_glimpses", "dataset"],
)
def test_impossible_options_leave_nothing_behind(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """The error comes before the run folder is made."""
    with pytest.raises(ValueError, match=message):
        run(make_options(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("action_format", ["multidiscrete", "dict"])
def test_run_with_other_action_formats(action_format: str, tmp_path: Path) -> None:
    """Every action format is trained, evaluated and drawn."""
    env_kwargs = {"dataset": "digits", "num_glimpses": 3, "action_format": action_format}
    options = make_options(tmp_path / "run", episodes=BATCH, env_kwargs=env_kwargs)
    result = run(options).result
    assert result == player_of_run(tmp_path / "run", "test").measure()
    assert FILES <= {path.name for path in (tmp_path / "run").iterdir()}


def test_own_images_of_another_size_are_trained_on(small_images: str, tmp_path: Path) -> None:
    """9x7 pixels, three classes: nothing assumes MNIST; the result names the file."""
    env_kwargs = {"dataset": small_images, "canvas_size": 12, "patch_size": 4, "num_glimpses": 2}
    options = make_options(tmp_path / "run", episodes=BATCH, env_kwargs=env_kwargs)
    result = run(options).result
    assert (result.dataset, result.num_scenes) == (small_images, 6)
    assert player_of_run(tmp_path / "run", "test").measure() == result


def test_minutes_choose_a_number_of_whole_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The budget is measured speed times minutes, in whole batches, at least one.

    What validations take is taken off, but no more than half.
    """
    monkeypatch.setattr(module, "measure_speed", lambda model, num_glimpses: 100.0)
    for minutes, seconds, episodes in (
        (0.05, 0.0, 288),  # 300 rounded to 9 batches of 32
        (0.05, 0.25, 256),  # two of them, 250 left
        (0.05, 60.0, 160),  # 150 left
        (0.0001, 0.0, BATCH),
    ):
        folder = tmp_path / f"{minutes}-{seconds}"
        monkeypatch.setattr(module, "measure_validation", lambda scenes, model, it=seconds: it)
        run(make_options(folder, episodes=None, minutes=minutes, validation_episodes=200))
        assert read_json(folder / "config.json")["episodes"] == episodes
        assert read_json(folder / "evaluation.json")["episodes"] == episodes


def test_run_by_minutes_equals_the_run_by_episodes_that_it_chose(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring the speed really trains for a moment, and leaves no trace in the run or beside."""
    measure, beside = module.measure_speed, tmp_path / "beside"
    beside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(beside))

    def pretend(model: RAM, num_glimpses: int) -> float:
        assert measure(model, num_glimpses, seconds=0.1) > 0
        return 320.0

    def pretend_too(scenes: FrozenScenes, model: RAM) -> float:
        assert measure_validation(scenes, model) > 0
        return 0.0

    measure_validation = module.measure_validation
    monkeypatch.setattr(module, "measure_speed", pretend)
    monkeypatch.setattr(module, "measure_validation", pretend_too)
    run(make_options(tmp_path / "run", episodes=None, minutes=1 / 60))
    assert read_json(tmp_path / "run" / "config.json")["episodes"] == 320
    assert list(beside.iterdir()) == []
    expected, found = (
        RAM.load(folder / "model.zip", device="cpu") for folder in (finished, tmp_path / "run")
    )
    for name, value in expected.policy.state_dict().items():
        assert torch.equal(value, found.policy.state_dict()[name]), name


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_first_signal_is_noted_and_the_second_has_its_usual_effect(
    number: signal.Signals,
) -> None:
    """Within the context a signal stops the training, not the program; outside nothing changed."""
    received: list[int] = []
    usual = signal.signal(number, lambda number, frame: received.append(number))
    try:
        with GracefulStop() as stop:
            assert stop._on_step()
            signal.raise_signal(number)
            assert not stop._on_step() and received == []
            signal.raise_signal(number)
            assert received == [number]
        with GracefulStop():
            pass
        signal.raise_signal(number)
        assert received == [number, number]
    finally:
        signal.signal(number, usual)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_interrupted_run_ends_gracefully(tmp_path: Path) -> None:
    """Ctrl-C saves, evaluates and draws: exit code 130, the folder whole, no traceback."""
    folder = tmp_path / "run"
    command = [sys.executable, "train.py", "--env", "centered", "--dataset", "digits"]
    command += ["--num-glimpses", "2", "--batch-size", "32", "--episodes", "10000000"]
    command += ["--threads", "1", "--processes", "1", "--run-dir", str(folder)]
    root = Path(__file__).parents[2]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=root, stdout=pipe, stderr=pipe, text=True) as process:
        progress, deadline = folder / "progress.csv", time.monotonic() + 60
        while not (progress.exists() and progress.read_text().count("\n") > 2):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Stopped" in output and str(folder) in output
    assert FILES <= {path.name for path in folder.iterdir()}
    evaluation = read_json(folder / "evaluation.json")
    assert evaluation["stopped_early"] is True
    assert 0 < evaluation["episodes"] < 10_000_000
    assert evaluation["num_scenes"] == 300
