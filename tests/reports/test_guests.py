"""An agent of somebody else's is measured into a folder, and joins the table of agents."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_lines import refusal

from agents import compare, evaluate
from agents.reports import guests

FACTS = ["what=a guess", "reads_labels=false", "env_steps=1000", "seconds=2.5", "parameters=7"]
POLICY = ["--policy", "agents.policies:RandomPolicy", "--env", "centered"]
ON_DIGITS = ["--dataset", "digits"]


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the command line left of an agent that guesses."""
    folder = tmp_path_factory.mktemp("guests") / "guess"
    arguments = [*POLICY, *ON_DIGITS, "--out", str(folder), "--facts", *FACTS]
    assert evaluate.main(arguments) == 0
    return folder


def test_the_folder_holds_what_a_run_leaves(guest: Path) -> None:
    """Error, pictures, and what was told; the error on validation too."""
    names = {"config.json", "evaluation.json", "gaze.png", "gaze.gif"}
    assert {path.name for path in guest.iterdir()} == names
    result = json.loads((guest / "evaluation.json").read_text())
    assert (result["split"], result["parameters"], result["episodes"]) == ("test", 7, 1000 // 7)
    assert result["low"] < 90.0 < result["high"]  # chance
    assert 80.0 < result["validation_error"] < 99.0
    config = json.loads((guest / "config.json").read_text())
    assert config["command"].startswith("python -m agents.evaluate --policy agents.policies")
    assert config["facts"]["what"] == "a guess"


def test_episodes_of_a_game_without_labels_are_counted(tmp_path: Path) -> None:
    """A catcher has no error after each glimpse; the steps of an episode are known."""
    folder = tmp_path / "catcher"
    arguments = ["--policy", POLICY[1], "--env", "catch", "--out", str(folder), "--facts", *FACTS]
    assert evaluate.main(arguments) == 0
    assert json.loads((folder / "evaluation.json").read_text())["episodes"] == 1000 // 23


def test_it_joins_the_table(
    guest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """Its row tells what it was told; once more changes nothing."""
    monkeypatch.setattr(guests, "DATASET", "digits")
    arguments = ["--add", str(guest), "--out", str(tmp_path)]
    assert compare.main(arguments) == 0
    (row,) = json.loads((tmp_path / "agents" / "table.json").read_text())["rows"]
    assert (row["name"], row["task"], row["what"]) == ("guess", "centered", "a guess")
    assert (row["env_steps"], row["seconds"], row["parameters"]) == (1000, 2.5, 7)
    assert row["reads_labels"] is False
    page = (tmp_path / "agents" / "README.md").read_text()
    assert "a guess (`guess`)" in page
    assert compare.main(arguments) == 0
    assert "is in" in capsys.readouterr().out
    assert (tmp_path / "agents" / "README.md").read_text() == page


def test_what_a_guest_is_called_stays_in_its_cell(guest: Path, tmp_path: Path) -> None:
    """Also with a letter that ends one."""
    odd = tmp_path / "odd"
    shutil.copytree(guest, odd)
    config = json.loads((odd / "config.json").read_text())
    config["facts"]["what"] = "mine | v2"
    (odd / "config.json").write_text(json.dumps(config))
    result = json.loads((odd / "evaluation.json").read_text())
    (odd / "evaluation.json").write_text(json.dumps(result | {"dataset": "mnist"}))
    assert compare.main(["--add", str(odd), "--out", str(tmp_path)]) == 0
    assert "| mine \\| v2 (`odd`) |" in (tmp_path / "agents" / "README.md").read_text()


def test_a_folder_of_nobody_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what it must be."""
    line = refusal(compare.main, ["--add", str(tmp_path / "no"), "--out", str(tmp_path)], capsys)
    assert "`--add` must be a folder that `agents.evaluate --out` has left" in line


def test_a_guest_that_catches_is_added(guest: Path, tmp_path: Path) -> None:
    """It has no images."""
    result = json.loads((guest / "evaluation.json").read_text())
    changes = {"env_id": "GlimpseCatch-v0", "env_kwargs": {}, "dataset": "falling balls"}
    catcher = tmp_path / "catcher"
    catcher.mkdir()
    (catcher / "config.json").write_text((guest / "config.json").read_text())
    (catcher / "evaluation.json").write_text(json.dumps(result | changes))
    assert compare.main(["--add", str(catcher), "--out", str(tmp_path)]) == 0
    (row,) = json.loads((tmp_path / "agents" / "table.json").read_text())["rows"]
    assert (row["name"], row["task"]) == ("catcher", "catch")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "digits"}, "on mnist, got GlimpseMNIST-v0 .* on digits"),
        ({"env_kwargs": {"num_glimpses": 20}}, "as registered, .* with num_glimpses"),
        ({"env_id": "GlimpseTranslatedMNIST-v0"}, "must be of GlimpseMNIST-v0 or .* got .*Trans"),
    ],
)
def test_other_tasks_are_refused(
    guest: Path, tmp_path: Path, change: dict[str, Any], message: str, capsys: Any
) -> None:
    """Other images, other arguments and other envs than those of the table."""
    copy = tmp_path / "other"
    copy.mkdir()
    (copy / "config.json").write_text((guest / "config.json").read_text())
    result = json.loads((guest / "evaluation.json").read_text())
    (copy / "evaluation.json").write_text(json.dumps(result | {"dataset": "mnist"} | change))
    line = refusal(compare.main, ["--add", str(copy), "--out", str(tmp_path)], capsys)
    assert re.search(message, line), line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*POLICY, "--out", "x"], "must be what=TEXT"),
        ([*POLICY, "--out", "x", "--facts", *FACTS[1:]], "must be what=TEXT"),
        ([*POLICY, "--out", "x", "--facts", *FACTS[:4], "parameters=-1"], "must be what=TEXT"),
        ([*POLICY, "--facts", *FACTS], "give all three"),
        (["--pretrained", "centered", "--out", "x", "--facts", *FACTS], "give all three"),
        ([*POLICY, "--out", "x", "--split", "validation", "--facts", *FACTS], "leave out"),
    ],
)
def test_bad_calls_are_errors(arguments: list[str], message: str, capsys: Any) -> None:
    """The message says what is missing; nothing is measured or left."""
    assert message in refusal(evaluate.main, [*arguments, *ON_DIGITS], capsys)
    assert not Path("x").exists()
