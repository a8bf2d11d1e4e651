"""What suits a task where the options say nothing."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from agents.runs.options import Options, parse_options
from agents.runs.plan import plan_run


@pytest.mark.parametrize(
    ("options", "preset", "curriculum"),
    [
        ({"env": "cluttered"}, "default", {}),
        ({"env": "folder"}, "pictures", {}),
        ({"env": "catch"}, "catch", {}),
        ({"env": "cluttered1000"}, "large", {"canvas_range": [60, 1000]}),
        ({"env": "megapixel"}, "search", {"canvas_range": [300, 1500], "single_share": 0.15}),
        ({"env": "megapixel", "preset": "large"}, "large", {"canvas_range": [60, 1500]}),
        ({"env": "megapixel", "preset": "default"}, "default", {}),
        ({"env": "cluttered1000", "preset": "search"}, "search", {"canvas_range": [60, 1000]}),
        (
            {"env": "cluttered1000", "env_kwargs": {"canvas_size": (300, 2000)}},
            "large",
            {"canvas_range": [60, 2000]},
        ),
        ({"env": "cluttered1000", "env_kwargs": {"canvas_range": [28, 4000]}}, "large", {}),
        ({"env": "cluttered1000", "preset": "default"}, "default", {}),
        (
            {"env": "cluttered1000", "train_env_kwargs": {"distractors_range": [0, 8]}},
            "large",
            {"distractors_range": [0, 8]},
        ),
    ],
    ids=str,
)
def test_preset_and_curriculum(
    options: dict[str, Any], preset: str, curriculum: dict[str, Any], tmp_path: Path
) -> None:
    """Large canvases grow from small ones, unless the user wants it otherwise."""
    plan = plan_run(Options(run_dir=tmp_path / "run", **options))
    assert plan is not None
    assert plan.to_json()["preset"] == preset
    assert plan.train_env_kwargs == curriculum
    assert plan.env_kwargs.items() >= options.get("env_kwargs", {}).items()
    assert "canvas_range" in options.get("env_kwargs", {}) or "canvas_range" not in plan.env_kwargs


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"env": "megapixel"}, "any"),
        ({"env": "megapixel", "init_from": "cluttered"}, "cluttered"),
        ({"env": "megapixel", "init_from": "none"}, None),
        ({"env": "megapixel", "preset": "large"}, None),
        ({"env": "megapixel", "algo": "recurrent_ppo"}, None),
        ({"env": "cluttered1000"}, None),
    ],
    ids=str,
)
def test_start(options: dict[str, Any], start: str | None, tmp_path: Path) -> None:
    """Several digits are looked for by what can read one, unless the user wants it otherwise."""
    plan = plan_run(Options(run_dir=tmp_path / "run", **options))
    assert plan is not None and plan.init_from == start


def test_gaze_on_pictures_is_relative_to_where_it_looks(tmp_path: Path) -> None:
    """Their sides differ, so the env tells how far the retina reaches; changes are its own."""
    plan = plan_run(Options(run_dir=tmp_path / "run", env="folder"))
    assert plan is not None
    assert plan.settings["location"] == "retinotopic"
    assert plan.env_kwargs == {"observe_reach": True}


@pytest.mark.parametrize(
    ("options", "curriculum"),
    [
        ({"env": "centered"}, {}),
        ({"env": "translated"}, {}),
        ({"env": "catch"}, {}),
        ({"env": "cluttered"}, {"canvas_range": [28, 60], "distractors_range": [0, 4]}),
        (
            {"env": "cluttered", "env_kwargs": {"canvas_size": [40, 50], "num_distractors": 9}},
            {"canvas_range": [28, 50], "distractors_range": [0, 9]},
        ),
        ({"env": "cluttered", "memory": "canvas"}, {}),
        ({"env": "cluttered", "env_kwargs": {"distractors_range": [2, 3]}}, {}),
        ({"env": "cluttered", "env_kwargs": {"dataset": "mine.npz"}}, {}),
        (
            {"env": "cluttered1000", "train_env_kwargs": {"canvas_range": [60, 90]}},
            {"canvas_range": [60, 90]},
        ),
    ],
    ids=str,
)
def test_curriculum_of_other_algorithms(
    options: dict[str, Any], curriculum: dict[str, Any], tmp_path: Path
) -> None:
    """Less clutter in some scenes, unless the user wants it otherwise."""
    plan = plan_run(Options(algo="recurrent_ppo", run_dir=tmp_path / "run", **options))
    assert plan is not None and plan.train_env_kwargs == curriculum


def test_a_data_set_is_the_same_however_it_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder is found from any other one; the name of a data set is no folder."""
    for name in ("photos", "digits"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    spelled = ("photos", "photos/", "./photos", str(tmp_path / "photos"))
    found = [parse_options(["--env", "folder", "--dataset", it]).env_kwargs for it in spelled]
    assert found == [{"dataset": str(tmp_path / "photos")}] * 4
    for name in ("digits", "nowhere"):
        assert parse_options(["--dataset", name]).env_kwargs["dataset"] == name


def test_command_of_a_curriculum_is_read_again() -> None:
    """As every option."""
    options = parse_options(["--train-env-kwargs", "canvas_range=[60,1000]", "--env", "cluttered"])
    assert options.train_env_kwargs == {"canvas_range": [60, 1000]}
    assert parse_options(shlex.split(options.command())[2:]) == options
