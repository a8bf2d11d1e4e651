"""The study of generalisation measures what it says, and agrees with the plain evaluation."""

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from command_lines import refusal
from PIL import Image

from agents import RAM, make_vec_env
from agents.evaluation.frozen_scenes import FrozenScenes, Playback
from agents.evaluation.generalisation import (
    CANVASES,
    CLUTTER,
    DISTRACTORS,
    NUM_GLIMPSES,
    SCALES,
    SIDE_BY_SIDE,
    Sweep,
    draw,
    measure_sweeps,
    resized,
)
from agents.evaluation.pictures import CONFIDENCE, Group, measure_looks
from agents.evaluation.players import Player, player_of_pretrained
from agents.looking.gazes import SCENE
from agents.study import main, study, study_sides
from ram_env.data.datasets import load_dataset
from ram_env.env import GlimpseEnv

ENV_ID = "GlimpseClutteredMNIST-v0"
DIGITS = {"dataset": "digits"}
NUM_SCENES = 40
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model() -> RAM:
    """A model that has learned next to nothing, but not the same for every scene."""
    env = make_vec_env(ENV_ID, 64, **DIGITS)
    sizes = {"hidden_size": 32, "batch_size": 64, "precision": "float32"}
    return RAM("RAMPolicy", env, seed=0, device="cpu", **sizes).learn(64 * 8 * 60)


@pytest.fixture(scope="module")
def sweeps(model: RAM) -> dict[str, Sweep]:
    """All sweeps of the model, by name."""
    return {sweep.name: sweep for sweep in measure_sweeps(model, ENV_ID, DIGITS, NUM_SCENES)}


def test_sweeps_go_over_what_they_say(sweeps: dict[str, Sweep]) -> None:
    """The places on the x axis are those of the module, each with an error in its interval."""
    x = {name: tuple(point.x for point in sweep.points) for name, sweep in sweeps.items()}
    assert x == {
        "glimpses": tuple(range(1, NUM_GLIMPSES + 1)),
        "distractors": DISTRACTORS,
        "canvas": CANVASES,
        "size": SCALES,
    }
    for sweep in sweeps.values():
        assert sweep.trained_on in x[sweep.name]
        assert all(0 <= point.low <= point.error <= point.high <= 100 for point in sweep.points)
        assert len({point.error for point in sweep.points}) > 1


def test_sweeps_meet_where_the_model_was_trained(sweeps: dict[str, Sweep], model: RAM) -> None:
    """There every sweep shows the plain error of the test scenes."""
    plain = FrozenScenes(ENV_ID, DIGITS, "test", NUM_SCENES).evaluate(model)
    for sweep in sweeps.values():
        (point,) = (point for point in sweep.points if point.x == sweep.trained_on)
        assert (point.error, point.low, point.high) == (plain.error, plain.low, plain.high)


def test_resized_sets_differ_in_their_sides_alone() -> None:
    """Labels and classes stay."""
    digits = load_dataset("digits", "test")
    small = resized(digits, 14)
    assert small.images.shape == (300, 14, 14)
    assert np.array_equal(small.labels, digits.labels)
    assert small.class_names == digits.class_names
    mean, small_mean = digits.images.mean(), small.images.mean()
    assert abs(mean - small_mean) < 0.02 * 255  # as much ink per pixel


def test_every_sweep_is_drawn(sweeps: dict[str, Sweep]) -> None:
    """A panel each, with all points and the mark."""
    figure = draw(list(sweeps.values()), "title")
    assert len(figure.axes) == 4
    for axes, sweep in zip(figure.axes, sweeps.values(), strict=True):
        assert axes.get_xlabel() == sweep.x_label
        drawn = np.asarray(axes.lines[0].get_ydata(), dtype=float).tolist()
        assert drawn == [point.error for point in sweep.points]


def test_a_folder_is_left(
    sweeps: dict[str, Sweep],
    model: RAM,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Numbers, a page with each of them, and two pictures; the console follows the measuring."""
    monkeypatch.setattr("agents.study.measure_sweeps", lambda *_: iter(sweeps.values()))
    study("cluttered", Player(model, FrozenScenes(ENV_ID, DIGITS, "test", NUM_SCENES)), tmp_path)
    names = {"table.json", "README.md", "picture.png", "failures.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["rows"] == [asdict(sweep) for sweep in sweeps.values()]
    page, told = (tmp_path / "README.md").read_text(), capsys.readouterr().out
    for sweep in sweeps.values():
        for point in sweep.points:
            assert f"| {sweep.x_label} | {point.x:g} | **{point.error:.2f} %** |" in page
            assert f"{point.x:g}: {point.error:.2f} %" in told
    assert page.count("trained on") == len(sweeps)


@pytest.fixture(scope="module")
def confidence(model: RAM) -> float:
    """One that some scenes reach early, some late and some never."""
    played = Playback.of(FrozenScenes(ENV_ID, DIGITS, "test", NUM_SCENES).playbacks(model))
    return float(np.median(played.beliefs.max(axis=(0, 2))))


@pytest.fixture(scope="module")
def groups(model: RAM, confidence: float) -> list[Group]:
    """What is told of the looks that the scenes take."""
    return measure_looks(model, FrozenScenes(ENV_ID, DIGITS, "test", NUM_SCENES), confidence)


def test_looks_are_those_of_plain_evaluations(
    model: RAM, confidence: float, groups: list[Group]
) -> None:
    """With the clutter and without it, in all; and the groups share the scenes among them."""
    (everything,) = (group for group in groups if group.kind == "all")
    told = [(everything.looks, everything.error), (everything.looks_alone, everything.error_alone)]
    for clutter, numbers in zip(({}, {"num_distractors": 0}), told, strict=True):
        scenes = FrozenScenes(ENV_ID, DIGITS | clutter, "test", NUM_SCENES)
        result = scenes.evaluate(model, confidence)
        assert numbers == pytest.approx((result.mean_glimpses, result.error), rel=1e-12)
    for kind in ("after", "class"):
        parts = [group for group in groups if group.kind == kind]
        assert len(parts) > 2
        assert sum(group.num_scenes for group in parts) == NUM_SCENES
        for name in ("looks", "error", "distance", "clutter", "looks_alone", "error_alone"):
            sums = [getattr(group, name) * group.num_scenes for group in parts]
            assert sum(sums) == pytest.approx(getattr(everything, name) * NUM_SCENES, rel=1e-9)
    assert all(group.looks == group.value for group in groups if group.kind == "after")


def test_easiest_and_hardest_scenes_are_at_the_ends(
    model: RAM, confidence: float, groups: list[Group]
) -> None:
    """No scene is easier than the easiest: fewer looks, or as many and a firmer belief."""
    scenes = FrozenScenes(ENV_ID, DIGITS, "test", NUM_SCENES)
    played = Playback.of(scenes.playbacks(model, confidence))
    belief = played.beliefs.max(axis=2)[played.num_glimpses - 1, np.arange(NUM_SCENES)]
    ranks = sorted(zip(played.num_glimpses, -belief, range(NUM_SCENES), strict=True))
    by_rank = [number for *_, number in ranks]
    assert [group.value for group in groups if group.kind == "easiest"] == by_rank[:8]
    assert [group.value for group in groups if group.kind == "hardest"] == by_rank[:-9:-1]


def test_distance_and_clutter_are_those_of_the_scene(groups: list[Group]) -> None:
    """What an env shows of it says the same, in pixels."""
    env = gym.make(ENV_ID, split="test", dataset="digits")
    game = env.unwrapped
    assert isinstance(game, GlimpseEnv)
    images = load_dataset("digits", "test").images
    shown = [group for group in groups if group.kind in ("easiest", "hardest")]
    assert len(shown) == 16 and sum(group.clutter > 0 for group in shown) > 3
    for group in shown:
        number = int(group.value)
        observation, info = env.reset(options={"index": number, "scene_seed": number})
        row, column, height, width = info["target_box"]
        seen = game.view().canvas[row : row + height, column : column + width]
        added = seen.sum(dtype=float) - images[number].sum(dtype=float)
        assert group.clutter == pytest.approx(added / 255)
        x, y = (observation["location"] + 1) / 2 * 60
        off = np.floor([y, x]) - [row + height / 2, column + width / 2]
        assert group.distance == pytest.approx(np.hypot(*off))


def test_looks_are_left_in_the_folder(
    model: RAM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers, a page with each of them, and a picture; no sweep is measured again."""
    player = Player(model, FrozenScenes(ENV_ID, DIGITS, "test", NUM_SCENES))
    monkeypatch.setattr("agents.study.player_of_pretrained", lambda name: player)
    main(["--looks", "--out", str(tmp_path)])
    folder, told = tmp_path / "study", capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == {"looks.json", "looks.md", "looks.png"}
    of_looks = json.loads((folder / "looks.json").read_text())
    assert of_looks["confidence"] == CONFIDENCE
    groups = [Group(**row) for row in of_looks["rows"]]
    page = (folder / "looks.md").read_text()
    assert page.count("\n| ") == len(groups) + 2
    for it in (group for group in groups if group.kind == "after"):
        assert f"| after {it.value} | {it.num_scenes:,} | **{it.error:.2f} %** |" in page
        assert f"{it.value}: {it.num_scenes:,} scenes, {it.error:.2f} %" in told
    with Image.open(folder / "looks.png") as picture:
        assert picture.width >= 8 * SCENE


def test_committed_looks_are_those_of_the_frontier_and_the_docs() -> None:
    """The same rule on the same scenes, measured twice; and what is said of the errors."""
    root = Path(__file__).parents[2]
    looks = json.loads((root / "results" / "study" / "looks.json").read_text())
    frontier = json.loads((root / "results" / "study" / "frontier.json").read_text())
    points = {(it["rule"], it["value"]): it for it in frontier[looks["model"]]}
    point = points["belief", looks["confidence"]]
    groups = [Group(**row) for row in looks["rows"]]
    assert groups[0].looks == pytest.approx(point["mean_glimpses"], abs=0.01)  # kinds of machines
    assert groups[0].error == pytest.approx(point["error"], abs=0.05)
    (longest,) = (group for group in groups if (group.kind, group.value) == ("after", 8))
    late, errors = (round(it.error / 100 * it.num_scenes) for it in (longest, groups[0]))
    page = " ".join((root / "docs" / "results.md").read_text().split())
    assert f"{late} of the {errors} errors" in page
    assert not looks["commit"].endswith("-dirty")


def test_models_are_measured_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the same scenes of each side: a table, a page, a picture; and a line for each model."""
    study_sides(tmp_path, num_scenes=10, dataset="digits")
    assert {path.name for path in tmp_path.iterdir()} == {"sides.json", "sides.md", "sides.png"}
    rows = json.loads((tmp_path / "sides.json").read_text())["rows"]
    assert [(row["model"], (row["canvas_size"], row["num_distractors"])) for row in rows] == [
        *itertools.product(SIDE_BY_SIDE, CLUTTER)
    ]
    changes: dict[str, Any] = {"canvas_range": None, "canvas_size": 400, "num_distractors": 8}
    for name in SIDE_BY_SIDE:
        player = player_of_pretrained(name, num_scenes=10, **DIGITS, **changes)
        (row,) = (it for it in rows if it["model"] == name and it["canvas_size"] == 400)
        assert row["error_per_glimpse"] == player.measure().error_per_glimpse
    page, told = (tmp_path / "sides.md").read_text(), capsys.readouterr().out
    of_any = [f"{it['error']:.2f} %" for it in rows if it["model"] == "any"]
    assert f"| `any` | {' | '.join(of_any)} |" in page
    assert f"any: {', '.join(of_any)}\n" in told


def test_committed_sides_are_those_of_the_papers_table_and_the_docs() -> None:
    """The rows of the model `any` are measured twice, and told thrice."""
    rows = json.loads((ROOT / "results" / "study" / "sides.json").read_text())["rows"]
    table = json.loads((ROOT / "results" / "paper" / "table.json").read_text())["rows"]
    errors = {row["name"]: row["error_per_glimpse"] for row in table}
    for row in rows:
        if row["model"] == "any":
            few = "-cluttered" if (row["canvas_size"], row["num_distractors"]) == (60, 4) else ""
            assert row["error_per_glimpse"] == errors[f"any-{row['canvas_size']}{few}"]
    lines = (ROOT / "results" / "study" / "sides.md").read_text().splitlines()
    told = (ROOT / "docs" / "results.md").read_text().splitlines()
    assert {line for line in lines if line.startswith("|")} <= set(told)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sides", "--looks"], "`--looks` and `--sides` are two studies"),
        (["--sides", "--pretrained", "cluttered"], "not allowed with argument"),
    ],
)
def test_two_studies_at_once_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither is left out silently."""
    assert message in refusal(main, words, capsys)


def test_a_larger_canvas_than_any_of_the_study_is_its_own(model: RAM) -> None:
    """There is a point for it, and something to draw."""
    games = DIGITS | {"canvas_size": 2 * max(CANVASES), "num_distractors": 0}
    sweeps = list(measure_sweeps(model, ENV_ID, games, 5))
    (canvas,) = (sweep for sweep in sweeps if sweep.name == "canvas")
    assert [point.x for point in canvas.points] == [2 * max(CANVASES)]
    draw(sweeps, "title")
