"""A trained model can be looked at without any training."""

import json
import re
from pathlib import Path

import pytest
from command_lines import refusal
from helpers import images_of
from PIL import Image

from agents import RAM, make_vec_env
from agents.__main__ import main as ram_env
from agents.base.pretrained import pretrained_rows
from agents.evaluation.show import main
from ram_env.data import datasets
from ram_env.data.mnist import MnistNotFoundError

ENV_ID = "GlimpseMNIST-v0"
DIGITS = {"dataset": "digits", "num_glimpses": 2}


@pytest.mark.parametrize("name", sorted(pretrained_rows()))
@pytest.mark.filterwarnings("ignore:Using the 1,797 digits")  # which is said once per process
def test_shipped_models_are_drawn_without_mnist(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both pictures lie in the current folder, and the line says what was played."""

    def find_nothing(*_: object) -> None:
        raise MnistNotFoundError("there is none")

    monkeypatch.delenv("RAM_ENV_DATA", raising=False)
    monkeypatch.setattr(datasets, "find_mnist", find_nothing)
    monkeypatch.chdir(tmp_path)
    assert main([name]) == 0
    told = capsys.readouterr().out
    data = "digits (scikit-learn's, NOT MNIST)" if images_of(name, "digits") else "falling balls"
    assert told == f"{name} on test scenes of {data}: see gaze.png and gaze.gif\n"
    for file in ("gaze.png", "gaze.gif"):
        with Image.open(tmp_path / file) as picture:
            assert picture.width > 500


def test_a_run_folder_is_drawn_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--out` names the folder, which is made."""
    run, out = tmp_path / "run", tmp_path / "pictures" / "new"
    run.mkdir()
    env = make_vec_env(ENV_ID, 8, **DIGITS)
    RAM("RAMPolicy", env, hidden_size=16, batch_size=8, device="cpu").save(run / "model.zip")
    config = {"env_id": ENV_ID, "env_kwargs": DIGITS, "env_module": None}
    (run / "config.json").write_text(json.dumps(config | {"algo": "ram", "memory": "none"}))
    assert main([str(run), "--out", str(out)]) == 0
    assert f"see {out / 'gaze.png'} and {out / 'gaze.gif'}" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"gaze.png", "gaze.gif"}
    (out / "gaze.png").unlink()
    (out / "gaze.png").mkdir()
    assert "`--out` cannot be written (" in refusal(main, [str(run), "--out", str(out)], capsys)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("centred", "`model` must be one of .*or a run folder, got 'centred'. Did you mean"),
        (".", "`run` must be the folder of a finished run: config.json is missing"),
    ],
)
def test_what_is_no_model_is_refused(
    model: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line that tells the names, and nothing is drawn."""
    monkeypatch.chdir(tmp_path)
    line = refusal(ram_env, ["show", model], capsys)
    assert line.startswith("ram-env show: error: ")
    assert re.search(message, line)
    assert list(tmp_path.iterdir()) == []
