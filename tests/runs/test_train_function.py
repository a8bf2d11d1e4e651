"""A training from Python: `agents.train` leaves what train.py leaves, and takes what it takes."""

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import FILES

import agents
from agents import RAM
from agents.base.files import read_json
from agents.model.config import RAMConfig
from agents.runs import callbacks, launch
from agents.runs.options import EnvOptions, Options, options_of, parse_options
from ram_env.data.images import ImageDataset

ROOT = Path(__file__).parents[2]
QUICK: dict[str, Any] = {"env": "centered", "dataset": "digits", "num_glimpses": 2, "episodes": 64}
QUICK |= {"batch_size": 32, "hidden_size": 8, "device": "cpu", "threads": 1, "processes": 1}
WORDS = [word for name, it in QUICK.items() for word in (f"--{name.replace('_', '-')}", str(it))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs of this file are."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trained(folder: Path) -> launch.Trained:
    """A training from Python."""
    found = agents.train(run_dir=folder / "python", preset=None, **QUICK)
    assert isinstance(found, launch.Trained)
    return found


def weights_of(model: RAM) -> dict[str, torch.Tensor]:
    """Return what a model has learned."""
    weights: dict[str, torch.Tensor] = model.policy.state_dict()
    return weights


def test_it_leaves_the_folder_that_train_py_leaves(trained: launch.Trained, folder: Path) -> None:
    """The same files, options, weights and result, the folder's name and times aside."""
    assert launch.main([*WORDS, "--run-dir", str(folder / "command")]) == 0
    assert trained.folder == folder / "python"
    assert {path.name for path in trained.folder.iterdir()} >= FILES
    one, other = (read_json(folder / name / "config.json") for name in ("python", "command"))
    for config in (one, other):
        config["options"].pop("run_dir")
        config["command"] = config["command"].split(" --run-dir")[0]
    assert one == other
    expected = RAM.load(folder / "command" / "model.zip", device="cpu")
    for name, value in weights_of(trained.model).items():
        assert torch.equal(value, weights_of(expected)[name]), name
    result = read_json(folder / "command" / "evaluation.json")
    facts = dataclasses.asdict(trained.evaluation)
    assert facts == {name: result[name] for name in facts}
    assert not trained.stopped_early


def test_the_same_options_again_bring_what_is_there(
    trained: launch.Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is trained; a path may be text."""
    monkeypatch.setattr("agents.runs.run.make_run", None)
    again = agents.train(run_dir=str(trained.folder), **QUICK)
    assert (again.folder, again.evaluation) == (trained.folder, trained.evaluation)
    for name, value in weights_of(trained.model).items():
        assert torch.equal(value, weights_of(again.model)[name]), name
    with pytest.raises(FileExistsError, match="whose run has seed 0 instead of 1"):
        agents.train(run_dir=trained.folder, seed=1, **QUICK)


def test_the_model_can_be_used_at_once(trained: launch.Trained) -> None:
    """It looks at pictures, and the caller's threads are the caller's again."""
    assert trained.model.look_at(np.zeros((28, 28), np.uint8)).num_glimpses == 2
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        with pytest.raises(ValueError, match="`num_glimpses`"):
            agents.train(**QUICK | {"num_glimpses": 0})
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)


class StopsAtOnce(callbacks.GracefulStop):
    """What Ctrl-C does, after the first step."""

    def _on_step(self) -> bool:
        self.stopped = True
        return False


def test_a_training_that_was_stopped_is_measured_and_goes_on(tmp_path: Path) -> None:
    """The same call again spends the rest of the budget."""
    options = QUICK | {"run_dir": tmp_path / "run"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("agents.runs.run.GracefulStop", StopsAtOnce)
        stopped = agents.train(**options)
    assert stopped.stopped_early and stopped.evaluation.num_scenes == 300
    assert read_json(stopped.folder / "evaluation.json")["episodes"] < QUICK["episodes"]
    assert not agents.train(**options).stopped_early
    assert read_json(stopped.folder / "evaluation.json")["episodes"] == QUICK["episodes"]


def test_torchrun_starts_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its processes only one could return what there is."""
    monkeypatch.setattr("agents.base.processes.launched", lambda: object())
    with pytest.raises(ValueError, match=r"`torchrun` starts programs, such as train\.py"):
        agents.train(**QUICK)


def test_the_bar_moves_often_where_somebody_reads_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook too, whose output is no terminal."""
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert not callbacks.is_watched()
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert callbacks.is_watched()


def test_other_algorithms_train_too(tmp_path: Path) -> None:
    """Their arguments are `settings`."""
    common = {name: it for name, it in QUICK.items() if name not in ("batch_size", "hidden_size")}
    found = agents.train(algo="ppo", settings={"n_steps": 4}, run_dir=tmp_path / "ppo", **common)
    assert type(found.model).__name__ == "PPO"
    assert {path.name for path in found.folder.iterdir()} >= FILES - {"checkpoint.zip"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minuts": 3}, "unknown setting 'minuts' of train. Did you mean 'minutes'?"),
        ({"minutes": 1, "episodes": 10}, "give either `episodes` or `minutes`, not both"),
        ({"episodes": "10"}, "`episodes` must be of type int, got '10'"),
        ({"core": "rnn"}, "`core` must be one of relu, gru, lstm, got 'rnn'"),
        ({"env": "cluterd"}, "Did you mean 'cluttered'?"),
        ({"env_kwargs": 5}, "`env_kwargs` must be of type dict, got 5"),
        ({"settings": {"core": "gru"}, "core": "gru"}, "either `core` or `settings core=...`"),
        ({"resume": "runs/it", "seed": 1}, "`resume` takes all options but .*got `seed` too"),
    ],
)
def test_impossible_options_name_arguments(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        agents.train(**options)
    assert list(tmp_path.iterdir()) == []


def test_arguments_are_kept_as_the_run_folder_holds_them(tmp_path: Path) -> None:
    """So that a run can be repeated and gone on with; what no file can hold is refused."""
    given = {"canvas_size": (40, 60)}
    options = options_of({"env_kwargs": given, "dataset": tmp_path})
    assert options.env_kwargs == {"canvas_size": [40, 60], "dataset": str(tmp_path)}
    assert given == {"canvas_size": (40, 60)}
    arrays = ImageDataset(np.zeros((2, 4, 4), np.uint8), np.arange(2), ("0", "1"))
    for odd, kind in ((arrays, "ImageDataset"), (b"x", ""), ({1}, "set")):
        with pytest.raises(ValueError, match=rf"`env_kwargs` must hold what .*{kind}\): .*npz"):
            options_of({"dataset": odd})


def test_signature_and_docstring_are_those_of_the_declared_options() -> None:
    """Every option, once, with its default and the help that `--help` shows."""
    parameters = inspect.signature(agents.train).parameters
    declared = [it for kind in (Options, EnvOptions, RAMConfig) for it in dataclasses.fields(kind)]
    assert list(parameters) == [field.name for field in declared]
    document = " ".join((agents.train.__doc__ or "").split())
    for field in declared:
        assert f" {field.name}: {' '.join(field.metadata['help'].split())}" in document
    assert "**options" not in document
    defaults = {name: it.default for name, it in parameters.items() if it.default is not None}
    assert options_of(defaults | {"minutes": 10.0}) == parse_options([])


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    """And the helping process, which reads the script again, says nothing."""
    script = tmp_path / "script.py"
    options = QUICK | {"processes": 2, "run_dir": str(tmp_path / "run")}
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nimport agents\nagents.train(**{options})\n"
    )
    command = [sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.count("Traceback") == 1
    assert "TeamError" in done.stderr and "if __name__ == '__main__'" in done.stderr
    assert not (tmp_path / "run").exists()
