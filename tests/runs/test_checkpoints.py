"""A run that ended in any way goes on as if nothing had happened."""

import contextlib
import csv
import dataclasses
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import small_runs
import torch
from helpers import times
from small_ram import be_launched
from small_runs import resume, run
from stable_baselines3.common.callbacks import BaseCallback

from agents import RAM
from agents.base.errors import TeamError
from agents.base.processes import Launch
from agents.evaluation import pictures
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.runs import launch, learners
from agents.runs.checkpoints import CHECKPOINT, PREVIOUS
from agents.runs.learners import RAMLearner, digest_of, make_learner
from agents.runs.options import Options
from agents.runs.plan import plan_of_run, plan_run
from agents.runs.team import plan_team

BATCH = 16
UPDATES = 24


class Killed(BaseException):
    """What no handler of the program catches."""


class KillAt(BaseCallback):
    """End the process, as far as a test can, in the middle of an episode of some update."""

    def __init__(self, update: int) -> None:
        super().__init__()
        self._update = update

    def _on_step(self) -> bool:
        if self.model._n_updates == self._update and self.num_timesteps % (2 * BATCH):
            raise Killed
        return True


class StopAt(KillAt):
    """Ask for a graceful stop, as Ctrl-C does."""

    def _on_step(self) -> bool:
        if self.model._n_updates == self._update:
            self._update = -1  # once: a second signal would end the process
            signal.raise_signal(signal.SIGINT)
        return True


def make_options(folder: Path, **changes: Any) -> Options:
    """Return the options of a run with checkpoints before each update, and validations."""
    settings = {"hidden_size": 8, "feature_size": 8, "what_hidden_size": 8, "batch_size": BATCH}
    settings |= changes.pop("settings", {})
    usual: dict[str, Any] = {"checkpoint_seconds": 0.0, "validation_episodes": 5 * BATCH}
    usual |= {"episodes": UPDATES * BATCH, "env_kwargs": {"dataset": "digits", "num_glimpses": 2}}
    return small_runs.make_options(folder, settings, **usual | changes)


def interrupt(monkeypatch: pytest.MonkeyPatch, options: Options, end: BaseCallback) -> None:
    """Start a run, or go on with it, until a callback ends it early."""
    learn = RAMLearner.learn
    with monkeypatch.context() as patch:
        patch.setattr(
            RAMLearner, "learn", lambda self, episodes, rest: learn(self, episodes, [*rest, end])
        )
        if isinstance(end, StopAt):
            assert run(options).stopped_early
        else:
            with pytest.raises(Killed):
                run(options)


def final_weights(folder: Path, name: str = "model.zip") -> dict[str, torch.Tensor]:
    """Return the weights of a run."""
    return RAM.load(folder / name, device="cpu").policy.state_dict()


def progress(folder: Path) -> list[dict[str, str]]:
    """Return the rows of progress.csv without their time."""
    with (folder / "progress.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    seconds = [float(row.pop("time/seconds")) for row in rows]
    assert seconds == sorted(seconds)
    return rows


def assert_same_run(folder: Path, other: Path) -> None:
    """Require the same weights, optimiser included, the same log and the same result."""
    for name in ("model.zip", CHECKPOINT):
        weights, others = final_weights(folder, name), final_weights(other, name)
        for key, value in weights.items():
            assert torch.equal(value, others[key]), key
    moments = [
        RAM.load(path / CHECKPOINT, device="cpu").policy.optimizer.state_dict()["state"]
        for path in (folder, other)
    ]
    for index, state in moments[0].items():
        for key, value in state.items():
            assert torch.equal(value, moments[1][index][key])
    assert progress(folder) == progress(other)
    results = [json.loads((path / "evaluation.json").read_text()) for path in (folder, other)]
    for result in results:
        result.pop("training_seconds")
    assert results[0] == results[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(make_options(folder))
    return folder


@pytest.mark.parametrize("update", [0, 1, 5, 13, UPDATES - 1])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    update: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, optimiser, log and result equal those of the run that was left alone."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), KillAt(update))
    resume(folder)
    assert_same_run(folder, whole)
    assert not list(folder.glob(".*.tmp"))


def growing(folder: Path, num_envs: int) -> Options:
    """Return the options of a run on canvases that grow, and that are measured on one size."""
    settings: dict[str, Any] = {"location": "retinotopic", "glimpse_statistics": "running"}
    settings |= {"growth_fraction": 0.6, "rehearsal_fraction": 0.5}
    return make_options(
        folder,
        settings=settings,
        num_envs=num_envs,
        env_kwargs={"dataset": "digits", "num_glimpses": 2, "canvas_size": 90, "num_scales": 2},
        train_env_kwargs={"canvas_range": [30, 90]},
    )


@pytest.mark.parametrize("num_envs", [BATCH, BATCH // 4])
def test_a_killed_run_on_growing_canvases_goes_on(
    num_envs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each episode has the canvas that it would have had, and the gaze its statistics."""
    whole, folder = tmp_path / "whole", tmp_path / "run"
    run(growing(whole, num_envs))
    for update in (4, 11):
        again = folder.exists()
        options = Options(resume=folder) if again else growing(folder, num_envs)
        interrupt(monkeypatch, options, KillAt(update))
    resume(folder)
    assert_same_run(folder, whole)
    config = json.loads((folder / "config.json").read_text())
    assert config["train_env_kwargs"] == {"canvas_range": [30, 90]}
    model = RAM.load(folder / "model.zip", device="cpu")
    assert model.task is not None and model.task.arguments["canvas_range"] is None
    assert model.make_env().get_attr("canvas_size")[0] == 90


def test_a_run_is_killed_again_and_again(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resuming is no different the second and third time."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), KillAt(4))
    for update in (4, 11, 17):
        interrupt(monkeypatch, Options(resume=folder), KillAt(update))
    resume(folder)
    assert_same_run(folder, whole)
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.parametrize("update", [3, 9])
def test_a_stopped_run_goes_on(
    update: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl-C, which saves and evaluates, too; at a validation of the course and between."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), StopAt(update))
    assert json.loads((folder / "evaluation.json").read_text())["stopped_early"]
    resume(folder)
    assert_same_run(folder, whole)
    assert not list(folder.glob(".*.tmp"))


def test_a_run_killed_while_it_was_evaluated_is_finished(whole: Path, tmp_path: Path) -> None:
    """With the budget spent, only the evaluation and the pictures are left to do."""
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for name in ("evaluation.json", "model.zip", "gaze.png"):
        (folder / name).unlink()
    resume(folder)
    assert_same_run(folder, whole)
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.parametrize("picture", ["save_gaze_grid", "save_gaze_animation"])
def test_a_run_killed_over_its_pictures_is_finished(
    picture: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command once more draws what is missing."""
    folder = tmp_path / "run"

    def die(path: Path, *_: Any) -> None:
        path.with_name(f".{path.name}.1.tmp").touch()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(pictures, picture, die)
        with pytest.raises(Killed):
            run(make_options(folder))
    assert plan_run(make_options(folder)) is None
    assert launch.report_finished(folder) == 0
    assert_same_run(folder, whole)
    assert {"curves.png", "gaze.png", "gaze.gif"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.glob(".*.tmp"))


def test_each_part_of_a_run_says_what_it_ran_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """config.json stays as it was, and tells of every resumption: from where, and on what."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), KillAt(4))
    begun = json.loads((folder / "config.json").read_text())
    interrupt(monkeypatch, Options(resume=folder), KillAt(11))
    assert launch.main(["--resume", str(folder), "--device", "cpu"]) == 0
    config = json.loads((folder / "config.json").read_text())
    parts = config.pop("resumed")
    assert config == begun
    assert [part["episodes"] for part in parts] == [4 * BATCH, 11 * BATCH]
    for part in parts:
        shared = set(part) - {"episodes"}
        assert {"device", "precision", "machine", "commit"} <= shared
        assert {key: part[key] for key in shared} == {key: begun[key] for key in shared}
    assert_same_run(folder, whole)


def test_a_run_goes_on_on_the_device_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same command with another `--device`, as by `--resume`; else on its own."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), KillAt(4))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"device": "cuda:7"}))
    for options in (make_options(folder), Options(resume=folder)):
        for asked, expected in (("cpu", "cpu"), ("auto", "cuda:7")):
            plan = plan_run(dataclasses.replace(options, device=asked))
            assert plan is not None and plan.device == expected


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_who_stops_the_measuring_has_a_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its budget was spent; the first Ctrl-C lets it measure and draw."""
    evaluate = FrozenScenes.evaluate

    def stopped(scenes: FrozenScenes, model: Any, confidence: float | None = None) -> Any:
        if scenes.task.split == "test":
            signal.raise_signal(signal.SIGINT)
        return evaluate(scenes, model, confidence)

    monkeypatch.setattr(FrozenScenes, "evaluate", stopped)
    finished = run(make_options(tmp_path / "run"))
    assert finished.stopped and not finished.stopped_early  # what trains many ends here
    assert plan_run(make_options(tmp_path / "run")) is None


def test_processes_go_on_from_one_checkpoint(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If those of other machines have other weights, nothing is trained."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), KillAt(4))
    learner = make_learner(plan_of_run(folder))
    compared: list[str] = []
    monkeypatch.setattr(learners, "world_size", lambda: 2)
    monkeypatch.setattr(learners, "all_same", lambda value: compared.append(value))
    with pytest.raises(TeamError, match="same checkpoint, got different weights"):
        learner.go_on()
    model = RAM.load(folder / CHECKPOINT, device="cpu")
    assert compared == [digest_of(model)]
    model._n_updates += 1
    assert digest_of(model) != compared[0]
    model._n_updates -= 1
    next(model.policy.parameters()).data[0] += 1e-6
    assert digest_of(model) != compared[0]


def test_torchrun_deals_out_gpus_anew(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """config.json says what was asked for; process 1 goes on on a GPU of its own."""
    config = json.loads((whole / "config.json").read_text())
    config |= {"device": "cuda", "processes": 2}
    (tmp_path / "config.json").write_text(json.dumps(config))
    be_launched(monkeypatch, Launch(rank=1, size=2, local_rank=1, local_size=2))
    plan = plan_run(Options(resume=tmp_path))
    assert plan is not None
    assert plan_team(plan.processes, 1, plan.device, plan.num_envs).device == "cuda:1"


def test_rounds_of_few_envs_go_on_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If each env plays several episodes per update, its scenes go on where they were."""
    folders = [tmp_path / "whole", tmp_path / "killed"]
    run(make_options(folders[0], num_envs=4))
    interrupt(monkeypatch, make_options(folders[1], num_envs=4), KillAt(7))
    resume(folders[1])
    assert_same_run(folders[1], folders[0])


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", b"half"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: bytes, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning says so; the result is the same, some updates are done again."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), KillAt(9))
    content = (folder / CHECKPOINT).read_bytes()
    (folder / CHECKPOINT).write_bytes(content[: len(content) // 2] if damage == b"half" else damage)
    with pytest.warns(UserWarning, match=rf"{CHECKPOINT}.*damaged.*Going on from {PREVIOUS}"):
        resume(folder)
    assert_same_run(folder, whole)
    assert not list(folder.glob(".*.tmp"))


def test_without_any_whole_checkpoint_a_run_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two damaged ones are an error, and nothing is overwritten."""
    folder = tmp_path / "run"
    interrupt(monkeypatch, make_options(folder), KillAt(9))
    for name in (CHECKPOINT, PREVIOUS):
        (folder / name).write_bytes(b"nothing")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=PREVIOUS):
        resume(folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("mode", ["vector_entry_point", "sync"])
def test_skipped_resets_are_as_good_as_played_ones(mode: str) -> None:
    """The scenes that follow are the same, in every sub-env, native or not."""
    envs = [gym.make_vec("ram_env:GlimpseMNIST-v0", 3, mode, dataset="digits") for _ in range(2)]
    for env in envs:
        env.reset(seed=5)
    for _ in range(7):
        envs[0].reset()
    envs[1].unwrapped.call("skip_resets", 7)  # type: ignore[attr-defined]
    infos = [env.reset()[1] for env in envs]
    assert np.array_equal(infos[0]["scene_seed"], infos[1]["scene_seed"])


KILLED = ["--env", "centered", "--dataset", "digits", "--episodes", "8192", "--batch-size", "16"]
KILLED += ["--num-glimpses", "2", "--processes", "2", "--seed", "1", "--device", "cpu"]
KILLED += ["--settings", "hidden_size=8", "precision=float32"]
KILLED += ["--checkpoint-seconds", "0.05"]


def start(*options: str) -> subprocess.Popen[bytes]:
    """Start a training that saves a checkpoint every other moment."""
    return subprocess.Popen(
        [sys.executable, "train.py", *options],
        cwd=Path(__file__).parents[2],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The folder of a run of two processes that nobody killed, and the seconds it took."""
    folder = tmp_path_factory.mktemp("alone")
    started = time.monotonic()
    assert start(*KILLED, "--run-dir", str(folder / "run")).wait() == 0
    return folder / "run", time.monotonic() - started


@pytest.mark.slow
@pytest.mark.fault("kill -9 at a random moment, then --resume")
@pytest.mark.parametrize("moment", range(times(2, 50)))
def test_killed_processes_go_on_from_the_command_line(
    moment: int, left_alone: tuple[Path, float], tmp_path: Path
) -> None:
    """`kill -9` on two real processes, then `--resume`: the model of a run left alone.

    One that was killed before it said what it would do is simply started again.

    Every other one is killed while it is writing a file, the rest at any moment at all.
    """
    whole, seconds = left_alone
    folder = tmp_path / "killed"
    process = start(*KILLED, "--run-dir", str(folder))
    ends = time.monotonic() + random.Random(moment).uniform(0.0, seconds)
    while process.poll() is None and time.monotonic() < (ends if moment % 2 else ends + 60.0):
        if moment % 2 == 0 and time.monotonic() > ends and list(folder.glob(".*.tmp")):
            break
        time.sleep(0.0005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    # Every other time by the command that began it: it finds out by itself what is left to do.
    begun = (folder / "config.json").exists() and not (folder / "evaluation.json").exists()
    resumes = begun and moment % 4 < 2
    options = ["--resume", str(folder)] if resumes else [*KILLED, "--run-dir", str(folder)]
    assert start(*options).wait() == 0
    assert_same_run(folder, whole)
    assert not list(folder.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 1}, r"must be of version 2.*got 1: train it anew"),
        ({"options": {"seed": -1}}, r"is damaged.*`seed` must be at least 0, got -1"),
        ({"options": {"colour": "red"}}, r"is damaged.*colour"),
        ({"config": {"hidden_size": 0}}, r"is damaged.*`hidden_size` must be at least 1, got 0"),
    ],
)
def test_a_config_that_says_nonsense_is_damaged(
    changes: dict[str, Any], message: str, whole: Path, tmp_path: Path
) -> None:
    """The message names the file, what is wrong in it, and its value."""
    config = json.loads((whole / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ValueError, match=rf"{tmp_path / 'config.json'}` {message}"):
        plan_of_run(tmp_path)


def test_a_half_written_evaluation_is_named(whole: Path, tmp_path: Path) -> None:
    """It cannot be told from it whether the run is finished."""
    shutil.copy(whole / "config.json", tmp_path)
    path = tmp_path / "evaluation.json"
    path.write_text('{"error": ')
    with pytest.raises(ValueError, match=re.escape(f"`{path}` is damaged")):
        plan_of_run(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--resume", "nowhere"], "nowhere/config.json is missing"),
        (["--resume", "run", "--seed", "1"], "got `--seed` too: leave it out"),
        (["--resume", "run", "--env", "centered"], "got `--env` too"),
        (["--resume", "run", "--seed", "0"], "got `--seed` too"),
        (["--resume", "run", "--minutes", "10"], "got `--minutes` too"),
        (["--resume", "run"], "is finished, its whole budget is spent"),
        (["--resume", "damaged"], "config.json` is damaged"),
    ],
)
def test_what_cannot_be_resumed_is_refused_in_one_line(
    options: list[str],
    message: str,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, and the line says what to change; nothing is written."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, "run")
    Path("damaged").mkdir()
    Path("damaged", "config.json").write_text('{"env_id": "Glimpse')
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert launch.main(options) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
