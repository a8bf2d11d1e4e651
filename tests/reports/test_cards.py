"""What is published of a shipped model: its file, its numbers and a card that programs can read."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from command_lines import refusal
from PIL import Image

from agents import RAM, publish
from agents.base.pretrained import env_of_task, pretrained_rows
from agents.reports.cards import card_of

NAME = "centered"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is published of one model; its pictures show digits that are always there."""
    out = tmp_path_factory.mktemp("published")
    assert publish.main(["--out", str(out), "--models", NAME, "--dataset", "digits"]) == 0
    assert [path.name for path in out.iterdir()] == [f"ram-{NAME}"]
    return out / f"ram-{NAME}"


def test_the_folder_has_the_files_of_the_hub(folder: Path) -> None:
    """Model, card, settings, results and pictures, none else; the animation moves."""
    names = {"README.md", "model.zip", "config.json", "results.json", "gaze.png", "gaze.gif"}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "results.json").read_text()) == pretrained_rows()[NAME]
    with Image.open(folder / "gaze.gif") as picture:
        assert getattr(picture, "n_frames", 1) > 5


def test_the_model_is_the_shipped_one_and_knows_its_task(folder: Path) -> None:
    """Its weights and settings are those of the package; the file needs nothing beside it."""
    found, shipped = RAM.load(folder / "model.zip", device="cpu"), RAM.from_pretrained(NAME)
    for name, value in found.policy.state_dict().items():
        assert torch.equal(value, shipped.policy.state_dict()[name].cpu()), name
    config = json.loads((folder / "config.json").read_text())
    assert config["config"] == found.config.to_dict()
    assert found.task is not None and config["task"]["env_id"] == found.task.env_id


def test_the_code_of_a_card_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder of its files; on data that is always there."""
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code.replace('split="test"', 'split="test", dataset="digits"'), names)
    assert names["look"].num_glimpses == 7


def test_the_code_of_a_game_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It plays ten episodes to their end."""
    assert publish.main(["--out", str(tmp_path), "--models", "catch"]) == 0
    monkeypatch.chdir(tmp_path / "ram-catch")
    (code,) = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["rewards"].shape == (10,) and names["rewards"].any()


@pytest.mark.parametrize("name", sorted(pretrained_rows()))
def test_cards_tell_the_measured_numbers(name: str) -> None:
    """In the text and in the facts for programs; no field is left unfilled."""
    row = pretrained_rows()[name]
    card = card_of(RAM.from_pretrained(name, device="cpu"), row)
    _, facts, text = card.split("---\n", 2)
    env_id, changes = env_of_task(name)
    game = " ".join([env_id, *(f"{key}={value}" for key, value in changes.items())])
    assert text.startswith(f"\n# RAM on {game}\n")
    assert f"**{row['error']:.2f} %** error on 10,000 frozen test scenes of " in text
    assert row["command"] in text and row["commit"] in text
    assert ("The paper reports" in text) == (row["paper"] is not None)
    for number, error in enumerate(row["error_per_glimpse"], start=1):
        assert f"| {number} | {error:.2f} % |" in text
    assert not re.search(r"\{\w*\}|None", re.sub(r"```python.*?```", "", text, flags=re.DOTALL))
    yaml = pytest.importorskip("yaml", reason="reads what is for programs: comes with MkDocs")
    read = yaml.safe_load(facts)
    assert read["library_name"] == "stable-baselines3" and read["license"] == "mit"
    (model,) = read["model-index"]
    (result,) = model["results"]
    assert result["dataset"] == {"type": env_id, "name": game}
    assert result["metrics"][0]["value"] == pytest.approx(1 - row["num_errors"] / 10_000)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "clutered"], "argument --models: invalid choice: 'clutered'"),
        (["--dataset", "nothing"], "`--dataset` must be"),
        ([], "--out"),
    ],
)
def test_what_cannot_be_published_is_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written."""
    out = ["--out", str(tmp_path / "out")] if words else []
    assert message in refusal(publish.main, [*out, *words], capsys)
    assert not (tmp_path / "out").exists()
