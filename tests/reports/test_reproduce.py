"""The paper's table: what each row trains, what is written when, and what is left alone."""

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agents.runs.train_arguments import collect_settings, make_parser

from agents import RAM, reproduce
from agents.files import is_finished, lock_folder
from agents.model import pretrained as pretrained_models
from agents.model.config import make_config
from agents.model.pretrained import INDEX, keep_if_better, pretrained_path
from agents.reports import agents as compare
from agents.reports import table
from agents.reports.paper_report import PaperTable, describe_rows
from agents.reports.paper_rows import ROWS, PaperRow
from agents.reports.table import ROOT, check_command
from agents.reports.table import train as train_row
from agents.reports.whole_image import make_parser as make_baselines_parser
from ram_env import SHORT_NAMES, TASKS

TINY = PaperRow("tiny", "centered", "default", 7, 1024, 1.07, dataset="digits")
NET = PaperRow("net", "centered", "fully_connected", 0, 512, None, gaze="none", dataset="digits")


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_row_is_a_command_that_can_be_given(row: PaperRow) -> None:
    """The program that trains a row understands its options, and they say what the row says."""
    program, *arguments = row.command(Path("folder"))
    if row.gaze == "none":
        assert program == "-m"
        options = make_baselines_parser().parse_args(arguments[1:])
        assert options.network == row.preset
    else:
        assert program == "train.py"
        options = make_parser().parse_args(arguments)
        assert options.preset == row.preset
        assert options.num_glimpses == row.num_glimpses
        gaze = collect_settings(options).get("gaze", "learned")
        assert gaze == row.gaze
        make_config(row.preset, **collect_settings(options))
    assert (options.env, options.episodes, options.seed) == (row.task, row.episodes, row.seed)
    assert (options.dataset, options.run_dir) == ("mnist", Path("folder"))


def test_shipped_models_are_of_whole_tasks() -> None:
    """There is one for each task, trained our best way on as many glimpses as the task has."""
    ships = [row for row in ROWS.values() if row.ships]
    assert {row.task for row in ships} == set(SHORT_NAMES)
    for row in ships:
        assert row.num_glimpses == TASKS[SHORT_NAMES[row.task]]["num_glimpses"]


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two tiny rows were trained."""
    folder = tmp_path_factory.mktemp("reproduced")
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_rows(patch, folder)
        assert reproduce.main([*arguments_for(folder), "--ship"]) == 0
    return folder


def use_tiny_rows(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the table be two rows of a moment, and ship models to the folder."""
    patch.setattr(reproduce, "ROWS", {"tiny": TINY, "net": NET})
    patch.setattr(pretrained_models, "FOLDER", folder / "pretrained")


def arguments_for(folder: Path) -> list[str]:
    """Return the options that keep everything in a folder."""
    return ["--out", str(folder / "results"), "--runs", str(folder / "runs")]


def read_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the rows of paper.json by name."""
    content = json.loads((folder / "results" / "paper.json").read_text())
    assert content["version"] == PaperTable.VERSION
    return {row["name"]: row for row in content["rows"]}


def test_rows_are_what_their_runs_left(reproduced: Path) -> None:
    """Errors, cost and command of each row are those of its run folder; all files are there."""
    rows = read_rows(reproduced)
    assert list(rows) == ["tiny", "net"]
    for name, row in rows.items():
        assert set(PaperTable.OF_ROW) <= set(row)
        run = reproduced / "runs" / name
        result = json.loads((run / "evaluation.json").read_text())
        for key in ("error", "low", "high", "num_errors", "validation_error", "parameters"):
            assert row[key] == result[key]
        assert row["low"] < row["error"] < row["high"]
        assert row["num_scenes"] == 300
        assert str(reproduced) not in row["command"]
    assert rows["tiny"]["episodes"] == 1024
    assert len(rows["tiny"]["error_per_glimpse"]) == 7
    assert rows["tiny"]["multiply_adds"] > 7 * 500_000
    text = (reproduced / "results" / "paper.md").read_text()
    for row in rows.values():
        assert f"| `{row['name']}` | **{row['error']:.2f} %** |" in text
        assert row["command"] in text
    assert (reproduced / "results" / "paper.png").read_bytes().startswith(b"\x89PNG")


def test_mean_and_spread_are_of_seeds_alone(reproduced: Path) -> None:
    """Rows that differ in a setting are no two seeds of one."""
    tiny = read_rows(reproduced)["tiny"]
    seeds = [{**tiny, "error": error} for error in (80.0, 82.0)]
    other = {**tiny, "error": 10.0, "settings": ["core=lstm"]}
    assert "2 seeds: mean 81.00 %, standard deviation 1.41 points" in describe_rows([*seeds, other])
    assert "seeds: mean" not in describe_rows([tiny, other])


def test_the_model_of_a_task_is_shipped(reproduced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the row's model, without the optimiser, and loads by the name of its task."""
    monkeypatch.setattr(pretrained_models, "FOLDER", reproduced / "pretrained")
    assert sorted(path.name for path in (reproduced / "pretrained").iterdir()) == [
        "centered.zip",
        INDEX,
    ]
    assert pretrained_models.pretrained_rows() == {"centered": read_rows(reproduced)["tiny"]}
    model = RAM.from_pretrained("centered", device="cpu")
    own = RAM.load(reproduced / "runs" / "tiny" / "model.zip", device="cpu")
    for name, value in model.policy.state_dict().items():
        assert value.equal(own.policy.state_dict()[name])
    with pytest.raises(ValueError, match=r"must be one of centered, got 'centred'.*'centered'"):
        pretrained_path("centred")


def test_finished_rows_are_not_trained_again(
    reproduced: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call changes nothing; without the results it takes them from the run folders."""
    use_tiny_rows(monkeypatch, reproduced)
    monkeypatch.setattr(table, "run_program", None)
    before = (reproduced / "results" / "paper.json").read_bytes()
    assert reproduce.main(arguments_for(reproduced)) == 0
    assert capsys.readouterr().out.count("already") == 2
    assert (reproduced / "results" / "paper.json").read_bytes() == before
    (reproduced / "results" / "paper.json").unlink()
    assert reproduce.main(arguments_for(reproduced)) == 0
    assert (reproduced / "results" / "paper.json").read_bytes() == before


def test_a_model_that_could_not_be_shipped_is_offered_again(
    reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is not in the table before: one that is there is not looked at again."""
    use_tiny_rows(monkeypatch, tmp_path)
    arguments = ["--out", str(tmp_path / "results"), "--runs", str(reproduced / "runs")]
    with monkeypatch.context() as patch:
        patch.setattr(reproduce, "keep_if_better", lambda row, model: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reproduce.main([*arguments, "--ship"])
    assert not (tmp_path / "results" / "paper.json").exists()
    assert reproduce.main([*arguments, "--ship"]) == 0
    assert sorted(read_rows(tmp_path)) == ["net", "tiny"]
    assert (tmp_path / "pretrained" / "centered.zip").exists()


def test_no_model_is_shipped_unasked(
    reproduced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who trains a row again keeps the models that came with the package."""
    use_tiny_rows(monkeypatch, tmp_path)
    arguments = ["--out", str(tmp_path / "results"), "--runs", str(reproduced / "runs")]
    assert reproduce.main(arguments) == 0
    assert sorted(read_rows(tmp_path)) == ["net", "tiny"]
    assert not (tmp_path / "pretrained").exists()


@pytest.mark.parametrize("changes", [{"episodes": 2048}, {"seed": 1}, {"settings": ("core=lstm",)}])
def test_the_run_of_another_command_is_no_row(
    changes: dict[str, Any],
    reproduced: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of a row that was declared otherwise then, or of anything else that lies in its folder."""
    changed = dataclasses.replace(TINY, **changes)
    monkeypatch.setattr(reproduce, "ROWS", {"tiny": changed})
    arguments = ["--out", str(tmp_path / "results"), "--runs", str(reproduced / "runs")]
    with pytest.raises(SystemExit) as caught:
        reproduce.main([*arguments, "--ship"])
    assert caught.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    folder = reproduced / "runs" / "tiny"
    assert f"{folder} must hold the run of `python train.py --env centered" in message
    assert "got that of `python train.py" in message and "choose other `--runs`" in message
    assert not (tmp_path / "results" / "paper.json").exists()


def test_a_row_in_the_table_is_that_of_its_command(
    reproduced: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row that was declared otherwise when it was trained is not said to be there."""
    monkeypatch.setattr(reproduce, "ROWS", {"tiny": dataclasses.replace(TINY, seed=1)})
    before = (reproduced / "results" / "paper.json").read_bytes()
    with pytest.raises(SystemExit) as caught:
        reproduce.main(arguments_for(reproduced))
    assert caught.value.code == 2
    message = capsys.readouterr().err.splitlines()[-1]
    path = reproduced / "results" / "paper.json"
    assert f"row 'tiny' of {path} must be the run of `python train.py" in message
    assert "--seed 1" in message and "--seed 0" in message and "choose another `--out`" in message
    assert path.read_bytes() == before


@pytest.mark.parametrize(("name", "declared"), [("paper", ROWS), ("agents", compare.ROWS)])
def test_committed_rows_are_those_that_are_declared(name: str, declared: Any) -> None:
    """Each was trained by the command that its row has today: else this raises."""
    rows = json.loads((ROOT / "results" / f"{name}.json").read_text())["rows"]
    assert rows
    for row in rows:
        check_command(row["command"], declared[row["name"]].command(Path("x")), row["name"], "")


def test_one_program_at_a_time_fills_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second one would write back the rows that it has read at its start."""
    arguments = ["--rows", "cluttered", "--out", str(tmp_path), "--runs", str(tmp_path / "runs")]
    with lock_folder(tmp_path), pytest.raises(SystemExit) as caught:
        reproduce.main(arguments)
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert f"another process is writing to {tmp_path}" in message and "`--out`" in message
    assert list(tmp_path.iterdir()) == []


def test_an_out_that_cannot_be_is_refused_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after hours of it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as caught:
        reproduce.main(["--out", str(tmp_path / "file"), "--runs", str(tmp_path / "runs")])
    assert caught.value.code == 2
    assert "`--out` must be a folder that you may write to" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("files", "finished"),
    [
        ({}, False),
        ({"config.json": {}}, False),
        ({"config.json": {}, "evaluation.json": {"stopped_early": True}}, False),
        ({"config.json": {}, "evaluation.json": {"stopped_early": False}}, True),
        ({"config.json": {}, "evaluation.json": {}}, True),
    ],
)
def test_only_a_run_that_spent_its_budget_is_finished(
    files: dict[str, Any], finished: bool, tmp_path: Path
) -> None:
    """What was interrupted or stopped early is no row."""
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    assert is_finished(tmp_path) == finished


CHILD = """
import pathlib, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM):  # a job in the background ignores the first
    signal.signal(number, signal.default_int_handler)
path = pathlib.Path(sys.argv[1])
try:
    path.touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)  # to save what it has
    path.write_text("saved")
    sys.exit(130)
"""


@pytest.mark.parametrize(
    ("stop", "number"), [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)]
)
def test_a_signal_lets_the_training_save_what_it_has(
    stop: Callable[[int, int], None], number: signal.Signals, tmp_path: Path
) -> None:
    """Ctrl-C reaches both programs, a SIGTERM is passed on; the one that waits goes on waiting."""
    script, path = tmp_path / "child.py", tmp_path / "begun"
    script.write_text(CHILD)
    arguments = [str(script), str(path)]
    wait = "import sys; from agents.reports.table import run_program; "
    wait += f"sys.exit(run_program({arguments}))"
    with subprocess.Popen([sys.executable, "-c", wait], start_new_session=True) as process:
        while not path.exists():
            time.sleep(0.05)
        stop(process.pid, number)
        assert process.wait() == 130
    assert path.read_text() == "saved"


def test_a_run_that_was_resumed_elsewhere_says_so() -> None:
    """What differs between its parts is told in turn, what does not once."""
    config: dict[str, Any] = {"machine": "A", "commit": "1", "precision": "bfloat16"}
    part = {"machine": "B", "commit": "1", "precision": "float32"}
    assert table.in_turn(config, "machine") == "A"
    config["resumed"] = [part, part]
    found = [table.in_turn(config, key) for key in ("machine", "commit", "precision", "gpu")]
    assert found == ["A, then B", "1", "bfloat16, then float32", None]
    config["resumed"][1] = part | {"gpu": "a GPU"}
    assert table.in_turn(config, "gpu") == "none, then a GPU"


def test_an_interrupted_row_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run is resumed; a short one of a yardstick begins anew."""
    commands: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        commands.append(arguments)
        return 0

    monkeypatch.setattr(table, "run_program", run)
    for row in (TINY, NET):
        folder = tmp_path / row.name
        folder.mkdir()
        command = shlex.join(["python", *row.command(Path("elsewhere"))])
        (folder / "config.json").write_text(json.dumps({"command": command}))
        if row is NET:  # what was left behind still writes
            with lock_folder(folder), pytest.raises(FileExistsError, match="another process"):
                train_row(row, folder)
            assert (folder / "config.json").exists()
        assert train_row(row, folder) == 0
    assert commands[0][:2] == ["train.py", "--resume"]
    assert commands[1][:2] == ["-m", "agents.reports.whole_image"]
    assert (tmp_path / "tiny" / "config.json").exists()
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    "content",
    [
        '{"version": 1, "rows": [{"na',
        '{"version": 2, "rows": []}',
        '{"version": 1}',
        '{"version": 1, "rows": [{"name": "tiny"}]}',
        '{"version": 1, "rows": {"name": "tiny"}}',
        "[]",
        "",
    ],
)
def test_results_that_cannot_be_read_are_left_alone(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half written or of another version: one clear line, exit code 2, nothing overwritten."""
    (tmp_path / "paper.json").write_text(content)
    with pytest.raises(SystemExit) as caught:
        reproduce.main(["--out", str(tmp_path), "--runs", str(tmp_path / "runs")])
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("paper.json") == 1
    assert (tmp_path / "paper.json").read_text() == content
    assert not (tmp_path / "runs").exists()


def test_a_row_that_lacks_something_is_named(
    reproduced: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is found when the table is read, not when it is written again hours later."""
    rows = list(read_rows(reproduced).values())
    del rows[1]["minutes"]
    content = json.dumps({"version": PaperTable.VERSION, "rows": rows})
    (tmp_path / "paper.json").write_text(content)
    with pytest.raises(SystemExit):
        reproduce.main(["--out", str(tmp_path), "--runs", str(tmp_path / "runs")])
    assert "damaged, in row 'net' (KeyError('minutes'))" in capsys.readouterr().err
    assert (tmp_path / "paper.json").read_text() == content


def test_unknown_rows_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message tells the nearest name; nothing is written."""
    with pytest.raises(SystemExit) as caught:
        reproduce.main(["--rows", "cluttered", "clutered-4", "--out", str(tmp_path / "out")])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "'clutered-4'" in message
    assert "Did you mean 'cluttered-4'?" in message
    assert not (tmp_path / "out").exists()


def test_a_shipped_model_gives_way_to_a_better_one_alone(tmp_path: Path) -> None:
    """What decides is the validation error: test scenes choose nothing."""
    model = tmp_path / "model.zip"
    shipped = tmp_path / "shipped"

    def offer(validation_error: float, test_error: float, content: str) -> bool:
        model.write_text(content)
        row = {"task": "centered", "validation_error": validation_error, "error": test_error}
        return keep_if_better(row, model, shipped)

    assert offer(2.0, 3.0, "first")
    assert not offer(2.0, 1.0, "equal")
    assert not offer(2.1, 1.0, "worse")
    assert (shipped / "centered.zip").read_text() == "first"
    assert offer(1.9, 9.0, "better")
    assert (shipped / "centered.zip").read_text() == "better"
    assert json.loads((shipped / INDEX).read_text())["centered"]["validation_error"] == 1.9
