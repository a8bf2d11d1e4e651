"""`ram-env export`: the files of models, and the page that shows how to use them."""

import dataclasses
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_lines import refusal
from onnx_player import OnnxGraph
from PIL import Image
from small_runs import make_options, run

from agents import RAM
from agents.__main__ import main as ram_env
from agents.export import main
from ram_env.data.datasets import load_dataset

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of RAM and one of PPO."""
    folder = tmp_path_factory.mktemp("runs")
    run(make_options(folder / "ram", episodes=64))
    ppo = make_options(folder / "ppo", algo="ppo", num_envs=4, episodes=16)
    run(dataclasses.replace(ppo, settings={"n_steps": 8, "batch_size": 16}))
    return {"ram": folder / "ram", "ppo": folder / "ppo"}


def test_the_page_classifies_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its commands and its code, word by word, answer as `look_at` does."""
    monkeypatch.chdir(tmp_path)
    digit = Image.fromarray(load_dataset("digits", "test").images[3]).resize((28, 28))
    digit.save("digit.png")
    (command,) = re.findall(r"^    ram-env (export .*)$", PAGE, re.MULTILINE)
    (code,) = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)
    assert ram_env(shlex.split(command)) == 0
    assert re.fullmatch(r"cluttered.onnx: \d\.\d MB\n", capsys.readouterr().out)
    exec(compile(code, "deploy.md", "exec"), {})
    look = RAM.from_pretrained("cluttered", device="cpu").look_at(digit)
    assert look.beliefs is not None
    beliefs = [(look.beliefs[step].argmax(), look.beliefs[step].max()) for step in range(8)]
    assert capsys.readouterr().out.splitlines() == [f"{best} ({it:.1%})" for best, it in beliefs]


def test_a_run_of_ram_is_exported(runs: dict[str, Path], tmp_path: Path) -> None:
    """With what its folder tells of the training, into a folder that is made."""
    out = tmp_path / "new" / "look.onnx"
    assert main(["--run", str(runs["ram"]), "--out", str(out), "--opset", "20"]) == 0
    graph = OnnxGraph(out)
    assert graph.inputs == ["glimpse", "location", "state"]
    assert graph.facts["trained"]["command"].startswith("ram-env train")
    assert graph.facts["trained"]["episodes"] >= 64


def test_a_run_of_ppo_is_exported(runs: dict[str, Path], tmp_path: Path) -> None:
    """It acts, and says what must remember for it."""
    out = tmp_path / "act.onnx"
    assert main(["--run", str(runs["ppo"]), "--out", str(out)]) == 0
    graph = OnnxGraph(out)
    facts = graph.facts
    assert (facts["graph"], facts["memory"], facts["trained"]["algo"]) == (
        "policy",
        "history",
        "ppo",
    )
    assert facts["class_names"] == [str(digit) for digit in range(10)]
    assert facts["action_space"] == {"type": "multidiscrete", "nvec": [4, 4, 10]}
    shapes = {"glimpse": (1, 3, 1, 8, 8), "location": (1, 3, 2), "mask": (1, 3)}
    assert graph({name: np.zeros(it, np.float32) for name, it in shapes.items()})["actions"].shape


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--pretrained sharks --out a", "a pretrained model must be one of .*, got 'sharks'"),
        ("--run . --out a", "`--run` must be the folder of a finished run"),
        ("--run {ppo} --out a --whole-look", "`--whole-look` is for models of ram, got one of ppo"),
        ("--pretrained cluttered1000 --out a --whole-look", "`--whole-look` needs canvases of one"),
        ("--pretrained centered --out a --opset 7", r"`--opset` must be in 18\.\.23, got 7\."),
        ("--pretrained centered --out .", r"`--out` must be a file to write, got the folder \."),
    ],
)
def test_what_cannot_be_exported_is_refused(
    words: str,
    message: str,
    runs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, and no file is left."""
    monkeypatch.chdir(tmp_path)
    line = refusal(ram_env, ["export", *words.format(**runs).split()], capsys)
    assert re.search(message, line)
    assert not list(tmp_path.iterdir())


def test_a_damaged_model_is_refused(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As everywhere else."""
    for path in runs["ram"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.zip").write_bytes(b"no model")
    line = refusal(main, ["--run", str(tmp_path), "--out", str(tmp_path / "look.onnx")], capsys)
    assert "is damaged or not a ram-model file" in line


def test_a_damaged_task_is_refused(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else may have written it."""
    shutil.copytree(runs["ppo"], tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"task": "broken"}))
    words = ["--run", str(tmp_path / "run"), "--out", str(tmp_path / "look.onnx")]
    assert "config.json` is damaged: its `task` is none" in refusal(main, words, capsys)
