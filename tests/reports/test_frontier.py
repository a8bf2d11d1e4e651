"""Error against glimpses: each point is what a plain evaluation measures."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents import RAM, make_vec_env
from agents.base.pretrained import pretrained_rows
from agents.evaluate import main
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.players import Player
from agents.reports import frontier
from agents.reports.frontier import measure_frontier

ENV_ID = "GlimpseMNIST-v0"
DIGITS: dict[str, Any] = {"dataset": "digits", "num_glimpses": 3}
RESULTS = Path(__file__).parents[2] / "results" / "study"


@pytest.fixture(scope="module")
def player() -> Player:
    """A model that has learned a little."""
    env = make_vec_env(ENV_ID, 64, **DIGITS)
    sizes = {"hidden_size": 32, "batch_size": 64, "precision": "float32"}
    model = RAM("RAMPolicy", env, seed=0, device="cpu", **sizes).learn(64 * 3 * 40)
    return Player(model, FrozenScenes(ENV_ID, DIGITS, "test"))


def test_points_are_those_of_plain_evaluations(player: Player) -> None:
    """After each number of glimpses, and at each confidence."""
    points = measure_frontier(player.scenes, player.model)
    whole = player.measure()
    fixed = [point for point in points if point.rule == "fixed"]
    assert [point.mean_glimpses for point in fixed] == [1, 2, 3]
    assert [point.error for point in fixed] == pytest.approx(whole.error_per_glimpse, rel=1e-12)
    sure = [point for point in points if point.rule == "belief"]
    assert [point.value for point in sure] == list(frontier.CONFIDENCES)
    assert len(fixed) + len(sure) == len(points)
    assert len({point.mean_glimpses for point in sure}) > 2
    for point in sure:
        result = player.measure(point.value)
        assert (point.mean_glimpses, point.error) == pytest.approx(
            (result.mean_glimpses, result.error), rel=1e-12
        )


@pytest.fixture(scope="module")
def stopping() -> Player:
    """A model that decides when to answer, on its own task."""
    games = DIGITS | {"stop": True, "glimpse_cost": 0.05}
    sizes = {"hidden_size": 32, "batch_size": 64, "precision": "float32", "learn_stop": True}
    env = make_vec_env(ENV_ID, 64, **games)
    model = RAM("RAMPolicy", env, seed=0, device="cpu", **sizes).learn(64 * 3 * 40)
    return Player(model, FrozenScenes(ENV_ID, games, "test"))


def test_learned_stopping_is_a_point(stopping: Player) -> None:
    """What a plain evaluation of it measures, at what a glimpse costs."""
    result = stopping.measure()
    expected = ("learned", 0.05, result.mean_glimpses, result.error)
    assert frontier.learned_point(stopping) == expected


def test_runs_that_do_not_stop_are_refused(player: Player) -> None:
    """A model that looks on to the end has no such point."""
    with pytest.raises(
        ValueError, match=r"`stopping` must name runs of an env with stop=True, got x"
    ):
        frontier.check_stopping({Path("x"): player}, [player])


@pytest.mark.parametrize(
    "changes", [{"canvas_range": [28, 40]}, {"canvas_size": 60}, {"patch_size": 4}], ids=str
)
def test_runs_of_other_tasks_are_refused(
    changes: dict[str, Any], player: Player, stopping: Player
) -> None:
    """They may have the id of one that a model ships for, and are not it."""
    frontier.check_stopping({Path("x"): stopping}, [player])
    games = DIGITS | {"stop": True} | changes
    other = Player(player.model, FrozenScenes(ENV_ID, games))
    with pytest.raises(ValueError, match=r"tasks that a model of the package is of, got x of"):
        frontier.check_stopping({Path("x"): other}, [player])


def test_command_line_writes_table_page_and_picture(
    player: Player,
    stopping: Player,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of each model that ships, on the split and the images asked for."""
    asked = []

    def find(name: str, split: str, **data: Any) -> Player:
        asked.append((name, split, data))
        return player

    monkeypatch.setattr(frontier, "player_of_pretrained", find)
    monkeypatch.setattr(frontier, "player_of_run", lambda run, split, changes: stopping)
    folder = tmp_path / "new"
    arguments = ["--frontier", str(folder), "--split", "validation", "--dataset", "digits"]
    main([*arguments, "--stopping", "runs/learned"])
    rows = json.loads((folder / "frontier.json").read_text())
    assert asked == [(name, "validation", {"dataset": "digits"}) for name in rows]
    assert set(rows) == set(pretrained_rows()) - {"catch"}
    for points in rows.values():
        assert [set(point) for point in points] == [set(frontier.Point._fields)] * 15
        assert points[-1]["rule"] == "learned"
    page = (folder / "frontier.md").read_text()
    assert page.count("| `cluttered` |") == 15
    assert (folder / "frontier.png").read_bytes()[:4] == b"\x89PNG"
    assert capsys.readouterr().out.splitlines()[0] == f"see {folder / 'frontier.json'}"


def test_committed_frontier_agrees_with_the_models_that_ship() -> None:
    """After all glimpses a model has the error that is committed with it."""
    rows = json.loads((RESULTS / "frontier.json").read_text())
    shipped = pretrained_rows()
    assert set(rows) == set(shipped) - {"catch"}
    for name, points in rows.items():
        fixed = [point["error"] for point in points if point["rule"] == "fixed"]
        assert fixed[-1] == pytest.approx(shipped[name]["error"], abs=0.05)  # kinds of machines
        cheap = [it for it in points if it["rule"] == "belief" and it["value"] == 0.99]
        most = 0.9 if name == "megapixel" else 0.6  # a majority of three digits is known late
        assert cheap[0]["mean_glimpses"] < most * len(fixed)
    assert "-dirty" not in (RESULTS / "frontier.md").read_text()
