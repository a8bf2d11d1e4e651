"""The networks that see whole scenes: their sizes, their scenes, what they learn."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_lines import refusal
from photos import make_photos
from PIL import Image

from agents.reports import whole_image
from agents.reports.whole_image import (
    as_input,
    evaluate,
    make_network,
    multiply_adds,
    scene_seeds,
    train,
)
from ram_env.env import GlimpseEnv
from ram_env.games.make import make_game
from ram_env.games.tasks import CanvasTask
from ram_env.pictures import dataset as picture_dataset
from ram_env.pictures.decoding import to_pixels
from ram_env.pictures.folder import list_folder
from ram_env.pictures.pyramids import halve

ENV_ID = "GlimpseMNIST-v0"


def make_task(split: str = "train") -> Any:
    """Make the task of centred digits."""
    return GlimpseEnv(dataset="digits", split=split).task


def test_networks_are_those_of_the_paper() -> None:
    """Sizes and multiply-adds by hand, on 60x60 pixels: filters go to 11 x 11 places."""
    connected = make_network("fully_connected", (60, 60), 10)
    assert multiply_adds(connected, (60, 60)) == 3600 * 256 + 256 * 256 + 256 * 10
    convolutional = make_network("convolutional", (60, 60), 10)
    places = 11 * 11
    own = places * 8 * 10 * 10 + places * 8 * 256 + 256 * 10
    assert multiply_adds(convolutional, (60, 60)) == own
    for name in whole_image.NETWORKS:
        assert make_network(name, (28, 40), 7)(torch.zeros(3, 28, 40)).shape == (3, 7)


def test_every_batch_has_scenes_of_its_own() -> None:
    """Scene seeds repeat neither within a training nor between two."""
    seeds = [scene_seeds(seed, update) for seed in (0, 1) for update in range(40)]
    assert all((batch >= 0).all() and batch.dtype == np.int64 for batch in seeds)
    assert len(np.unique(seeds)) == 2 * 40 * whole_image.BATCH_SIZE
    assert np.array_equal(scene_seeds(1, 3), scene_seeds(1, 3))


def test_scenes_are_those_that_the_env_shows() -> None:
    """The networks see what lies under the retina."""
    env = GlimpseEnv(dataset="digits", canvas_size=60, num_distractors=4)
    assert isinstance(env.task, CanvasTask)
    canvases, labels = env.task.draw_scenes(np.arange(5), np.arange(5) + 100)
    for seed in range(5):
        _, info = env.reset(options={"scene_seed": seed, "index": seed + 100})
        assert np.array_equal(env.view().canvas, canvases[seed])
        assert info["label"] == labels[seed]
    assert as_input(canvases).max() <= 1.0


def test_training_learns_and_can_be_repeated() -> None:
    """A few thousand digits are enough to be far better than chance, twice in the same way."""
    networks = [train(make_task(), "fully_connected", 20 * 256, seed=1) for _ in range(2)]
    results = [evaluate(ENV_ID, {}, make_task("test"), network) for network in networks]
    assert results[0] == results[1]
    assert results[0].num_scenes == 300
    assert results[0].error < 50.0  # chance: 90


ARGUMENTS = ["--network", "convolutional", "--env", "centered", "--dataset", "digits"]
ARGUMENTS += ["--episodes", "300"]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run leaves its result and all that it takes to repeat it."""
    assert whole_image.main([*ARGUMENTS, "--run-dir", str(tmp_path / "run")]) == 0
    assert "error on 300 test scenes of digits" in capsys.readouterr().out
    result = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["network"], config["dataset"]) == ("convolutional", "digits")
    assert (config["episodes"], result["episodes"]) == (300, 512)  # whole batches


def test_a_run_of_other_arguments_is_not_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever has more of them; the result tells them."""
    words = [*ARGUMENTS, "--run-dir", str(tmp_path / "run")]
    assert whole_image.main([*words, "--env-kwargs", "canvas_size=40"]) == 0
    result = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert result["env_kwargs"] == {"canvas_size": 40, "dataset": "digits"}
    for changes in ([], ["--env-kwargs", "canvas_size=40", "patch_size=4"]):
        line = refusal(whole_image.main, [*words, *changes], capsys)
        assert "`--run-dir` must be a new or empty folder" in line


def test_a_budget_may_be_a_number_of_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the episodes that this machine trains in them, whole batches; else it is refused."""
    ticks = iter([0.0, whole_image.MEASURED_BATCHES * 0.5])  # half a second a batch
    with monkeypatch.context() as patch:
        patch.setattr("time.perf_counter", lambda: next(ticks))
        patch.setattr(whole_image, "train", lambda *_, **__: None)
        assert whole_image.episodes_in(0.1, make_task(), "convolutional") == 12 * 256
    monkeypatch.setattr(whole_image, "episodes_in", lambda *_: 256)
    words = [*ARGUMENTS[:-2], "--minutes", "0.5", "--run-dir", str(tmp_path / "run")]
    words += ["--env-kwargs", "canvas_size=40"]
    assert whole_image.main(words) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    result = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert (config["minutes"], config["canvas_size"], result["episodes"]) == (0.5, 40, 256)
    assert whole_image.main(words) == 0


def test_a_finished_run_is_left_alone_and_an_interrupted_one_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both with the same options; the second run has the result of an uninterrupted one."""
    arguments = [*ARGUMENTS, "--run-dir", str(tmp_path)]
    whole_image.main(arguments)
    result = json.loads((tmp_path / "evaluation.json").read_text())
    with monkeypatch.context() as patch:
        patch.setattr(whole_image, "train", None)
        assert whole_image.main(arguments) == 0
    (tmp_path / "evaluation.json").unlink()
    assert whole_image.main(arguments) == 0
    again = json.loads((tmp_path / "evaluation.json").read_text())
    seconds = "training_seconds"
    assert {**again, seconds: 0} == {**result, seconds: 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--run-dir", "run", "--seed", "1"], "`--run-dir` must be a new or empty folder"),
        (["--run-dir", "file/run"], "`--run-dir` must be"),
        (["--run-dir", "other", "--seed", str(2**63)], "`--seed` in 0..2**63 - 1"),
        (["--run-dir", "other", "--episodes", "0"], "`--episodes` and `--minutes` must be above 0"),
        (["--run-dir", "other", "--minutes", "1"], "not allowed with argument"),
        (["--run-dir", "other", "--env-kwargs", "dataset=mnist"], "give `--dataset` by its own"),
        (["--run-dir", "other", "--env-kwargs", "split=test"], "is for the program to set"),
        (["--run-dir", "other", "--env-kwargs", "nothing=1"], "unexpected keyword argument"),
        (["--run-dir", "other", "--network", "none"], "--network"),
        (["--run-dir", "other", "--dataset", "nothing"], "`--dataset` must be"),
    ],
)
def test_impossible_options_are_refused(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line and exit code 2, before anything is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"network": "convolutional"}')
    assert message in refusal(whole_image.main, [*ARGUMENTS, *options], capsys)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_seen_whole(channels: int, tmp_path: Path) -> None:
    """One of 96 x 96 pixels as it is, one twice as large by its halved level; all are square."""
    photos = make_photos(tmp_path / "photos", 40, 20, 60)
    for number, side in ((0, 96), (1, 192)):
        pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / "square" / f"s{number}.png")
    arguments = {"image_size": None, "channels": channels, "data_cache": tmp_path / "cache"}
    tasks: list[Any] = [
        make_game({"scenes": "pictures", "dataset": photos, "split": split, **arguments})
        for split in ("train", "validation", "test")
    ]
    found, paths = 0, list_folder(photos).paths
    for task in tasks:
        dataset = task.dataset
        seeds = np.zeros(len(dataset.labels), dtype=np.int64)
        scenes, labels = task.draw_scenes(seeds, np.arange(len(seeds)))
        assert scenes.shape[:3] == (len(seeds), 96, 96) and (labels == dataset.labels).all()
        for number, place in enumerate(dataset.numbers):
            path = paths[place]
            if not path.startswith("square/s"):
                continue
            with Image.open(photos / path) as image:
                pixels = to_pixels(image, channels)
            expected = pixels if len(pixels) == 96 else halve(pixels)
            assert np.array_equal(scenes[number].reshape(96, 96, channels), expected)
            found += 1
    assert found == 2


def test_a_network_learns_from_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the same command as from digits."""
    monkeypatch.setattr(picture_dataset, "cache_folder", lambda: tmp_path / "mnist")
    photos = make_photos(tmp_path / "photos", 40, 20, 60)
    words = ["--network", "deep_convolutional", "--env", "folder", "--dataset", str(photos)]
    assert whole_image.main([*words, "--episodes", "512", "--run-dir", str(tmp_path / "run")]) == 0
    assert f"test scenes of {photos}" in capsys.readouterr().out
