"""The benchmarks: what they count and write, and how they refuse; never how fast anything is."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from command_lines import refusal
from gymnasium.vector import AutoresetMode
from PIL import Image

from agents import study
from agents.base.figures import Figure
from agents.model.config import make_config
from agents.model.networks import RAMNetworks, forward_multiply_adds
from benchmarks import __main__ as command
from benchmarks import curves, faults, machine, measuring, time_to_error, timing
from benchmarks.convnet import ConvNet, crossing
from benchmarks.curve import Curve, draw_curves
from benchmarks.env_curves import costs
from benchmarks.env_rows import make_other, play_vector_env
from benchmarks.image_curves import scales_for
from benchmarks.process_rows import session_memory, shows_progress
from benchmarks.report import Report
from benchmarks.rows import ROWS, make_row
from benchmarks.time_to_error import read_seconds
from benchmarks.timing import Result, Settings, available_cores, show, summarise
from benchmarks.training_rows import training_multiply_adds

MACHINE = {
    "machine": "a machine",
    "system": "a system",
    "python": "3.11",
    "versions": {"torch": "2.0"},
    "dataset": "digits",
    "commit": "abc",
    "date": "2026-01-01",
}
QUICK = Settings(repeats=2, quick=True)
PROGRESS = """time/episodes,time/seconds,validation/error
100,1.0,
200,2.0,30.0
300,3.0,
400,4.0,11.5
500,5.0,12.5
"""


def fake_result(name: str, value: float) -> Result:
    """Return a row as a measurement would leave it."""
    return summarise(name, [value, 2 * value, 4 * value], ROWS[name].unit, Settings())


def make_digits(mode: AutoresetMode = AutoresetMode.SAME_STEP) -> gym.vector.VectorEnv:
    """Make a small vector env; `--against` finds it here."""
    return gym.make_vec("GlimpseMNIST-v0", num_envs=3, dataset="digits", autoreset_mode=mode)


def make_talking() -> gym.vector.VectorEnv:
    """Make one that prints, past Python too, as libraries in C do."""
    print("spoken by Python", flush=True)
    os.write(1, b"spoken by C\n")
    return make_digits()


def make_disabled() -> gym.vector.VectorEnv:
    """Make one that does not restart its episodes."""
    return make_digits(AutoresetMode.DISABLED)


def make_single() -> gym.Env[Any, Any]:
    """Make what is no vector env."""
    return gym.make("GlimpseMNIST-v0", dataset="digits")


def make_with_argument(number: int) -> None:
    """Be a factory that cannot be called without arguments."""


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Settings]]:
    """Let no row be measured; return the list of what would have been."""
    asked: list[tuple[list[str], Settings]] = []

    def measure_apart(names: list[str], settings: Settings) -> Iterator[Result]:
        asked.append((names, settings))
        for name in names:
            yield summarise(name, [1.0, 2.0], make_row(name).unit, settings)

    def curves_apart(folder: Path, settings: Settings) -> None:
        asked.append(([measuring.CURVES], settings))

    monkeypatch.setattr(command, "measure_apart", measure_apart)
    monkeypatch.setattr(command, "curves_apart", curves_apart)
    return asked


def refuse(arguments: list[str], capsys: pytest.CaptureFixture[str], out: Path) -> str:
    """Require one line and nothing written; return the line."""
    line = refusal(command.main, [*arguments, "--out", str(out)], capsys)
    assert not out.exists()
    assert line.startswith("python -m benchmarks: error: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--rows", "vektor_env"], ["`--rows`", "'vektor_env'", "Did you mean 'vector_env'?"]),
        (["--rows", "module:thing"], ["`--rows`", "'module:thing'"]),
        (["--measure", "no_row"], ["`--rows`", "'no_row'"]),
        (["--repeats", "0"], ["--repeats", "at least 1", "'0'"]),
        (["--repeats", "two"], ["--repeats", "'two'"]),
        (["--episodes", "-1"], ["--episodes", "at least 1"]),
        (["--cores", "100000"], ["`--cores`", f"1..{available_cores()}", "100000"]),
        (["--against", "no_colon"], ["`--against`", "MODULE:FACTORY", "'no_colon'"]),
        (["--against", ":make"], ["`--against`", "MODULE:FACTORY"]),
        (["--dataset", "cats"], ["--dataset", "'cats'"]),
    ],
)
def test_bad_options_are_refused(
    arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whatever cannot be measured is refused in one line before anything is."""
    line = refuse(arguments, capsys, tmp_path / "out")
    for part in parts:
        assert part in line


def test_rows_that_need_more_cores_are_refused_or_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """On one core two processes are not measured: named they are an error, else left out."""
    monkeypatch.setattr(timing, "CORES", [0])
    line = refuse(["--rows", "seconds_to_6"], capsys, tmp_path / "out")
    assert "`--rows seconds_to_6` needs 2 cores, and there are 1." in line
    groups = command.choose_rows(command.make_parser().parse_args([]))
    assert ["train_default_cluttered"] in groups
    assert ["train_default_cluttered_2_cores"] not in groups


def test_rows_of_a_gpu_are_refused_or_left_out_without_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Named they are an error, else left out; the two that train to the end share one process."""
    monkeypatch.setattr(timing, "CORES", [0, 1])
    monkeypatch.setattr(machine, "find_gpu", lambda: None)
    line = refuse(["--rows", "seconds_to_4_gpu"], capsys, tmp_path / "out")
    assert "`--rows seconds_to_4_gpu` needs a GPU that PyTorch can use, got none." in line
    options = command.make_parser().parse_args([])
    assert not any("gpu" in name for names in command.choose_rows(options) for name in names)
    monkeypatch.setattr(machine, "find_gpu", lambda: "a GPU")
    assert command.choose_rows(options)[-3:] == [
        ["train_paper_cluttered_gpu"],
        ["train_default_cluttered_gpu"],
        ["seconds_to_4_gpu", "final_error_gpu"],
    ]


@pytest.mark.parametrize("main", [command.main, curves.main, faults.main, study.main])
def test_out_that_is_a_file_is_refused(
    main: Callable[[list[str]], object], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A report needs a folder, and says so before anything is measured."""
    (tmp_path / "out").write_text("")
    assert "must be a folder" in refusal(main, ["--out", str(tmp_path / "out")], capsys)


@pytest.mark.parametrize("main", [command.main, curves.main])
def test_images_that_cannot_be_had_are_told_in_one_line(
    main: Callable[[list[str]], object],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is measured."""
    monkeypatch.setenv("RAM_ENV_DATA", str(tmp_path / "nowhere"))
    assert "nowhere" in refusal(main, ["--dataset", "mnist", "--out", str(tmp_path)], capsys)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("no_such_module_here:make", r"must be MODULE:FACTORY.*no_such_module_here"),
        (".relative:make", r"must be MODULE:FACTORY.*relative"),
        ("test_benchmarks:no_such_function", r"must be MODULE:FACTORY.*no_such_function"),
        ("test_benchmarks:make_with_argument", r"called without arguments.*make_with_argument"),
        ("test_benchmarks:make_single", r"must make a gymnasium VectorEnv, got a .*make_single"),
        ("test_benchmarks:make_disabled", r"restarts finished episodes.*make_disabled"),
    ],
)
def test_against_refuses_what_is_no_vector_env(factory: str, message: str) -> None:
    """A factory must be there, need no arguments, and make a vector env that plays on."""
    with pytest.raises(ValueError, match=message):
        make_other(factory)


@pytest.mark.parametrize(
    ("mode", "played"), [(AutoresetMode.SAME_STEP, 48), (AutoresetMode.NEXT_STEP, 42)]
)
def test_only_steps_that_are_played_count(mode: AutoresetMode, played: int) -> None:
    """In 16 steps of 3 envs with 7 glimpses, mode NEXT_STEP wastes one step per ended episode."""
    assert play_vector_env(make_digits(mode))() == played


def test_other_env_is_measured_in_its_own_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--measure` prints one line of JSON per row, and nothing else, to stdout."""
    monkeypatch.setattr(measuring, "pin", lambda cores: None)
    monkeypatch.setattr(timing, "QUICK_SECONDS", 0.01)
    names = ["test_benchmarks:make_talking", "scene_generation", "retina"]
    assert command.main(["--measure", *names, "--quick", "--repeats", "2"]) == 0
    output, errors = capfd.readouterr()
    assert "spoken by Python" in errors and "spoken by C" in errors
    rows = [Result(**json.loads(line)) for line in output.splitlines()]
    assert [row.name for row in rows] == names
    for row in rows:
        assert 0 < row.low <= row.value <= row.high
        assert (row.repeats, row.cores, row.quick) == (2, 1, True)


def test_a_row_that_fails_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Those of the same process are measured, and it alone is named as missing."""
    monkeypatch.setattr(measuring, "pin", lambda cores: None)
    monkeypatch.setattr(timing, "CORES", [0, 1])
    monkeypatch.setattr(time_to_error, "train_once", lambda settings, device: (PROGRESS, 8.5))
    names = ["seconds_to_12", "seconds_to_6", "final_error"]
    assert command.main(["--measure", *names]) == 1
    output, errors = capfd.readouterr()
    rows = [Result(**json.loads(line)) for line in output.splitlines()]
    assert [(row.name, row.value) for row in rows] == [("seconds_to_12", 4.0), ("final_error", 8.5)]
    assert "seconds_to_6: the validation error never fell to 6" in errors

    def measure_apart(names: list[str], settings: Settings) -> Iterator[Result]:
        yield from rows
        raise measuring.MeasurementError(names, 1)

    monkeypatch.setattr(command, "measure_apart", measure_apart)
    arguments = ["--rows", *names, "--dataset", "digits", "--out", str(tmp_path)]
    assert command.main(arguments) == 1
    assert "Not measured, see above: seconds_to_6\n" in capfd.readouterr().err
    content = json.loads((tmp_path / "table.json").read_text())
    assert [row["name"] for row in content["rows"]] == ["seconds_to_12", "final_error"]


@pytest.mark.parametrize("options", [["--rows", "retina"], ["--against", "some:env"], ["--quick"]])
def test_a_trial_does_not_replace_a_whole_report(
    options: list[str],
    faked: list[tuple[list[str], Settings]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What another machine or commit measured goes only where all is measured anew."""
    Report(tmp_path, MACHINE).add(fake_result("vector_env", 1.0))
    before = (tmp_path / "table.json").read_bytes()
    arguments = ["--dataset", "digits", "--out", str(tmp_path)]
    line = refusal(command.main, [*options, *arguments], capsys)
    assert "of another machine or commit" in line
    assert (tmp_path / "table.json").read_bytes() == before and faked == []
    monkeypatch.setattr(command, "all_rows", lambda cores, quick: ["retina", "single_env"])
    assert command.main(arguments) == 0
    assert "starting anew" in capsys.readouterr().out
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["single_env", "retina"]


def test_quick_values_and_others_never_share_a_report(tmp_path: Path) -> None:
    """Whichever is there first."""
    Report(tmp_path, MACHINE).add(fake_result("vector_env", 1.0))
    assert "of longer repetitions" in Report(tmp_path, MACHINE, quick=True).notes
    assert Report(tmp_path, MACHINE).notes == ""
    (tmp_path / "quick").mkdir()
    quick = summarise("retina", [1.0], "glimpses/s", QUICK)
    Report(tmp_path / "quick", MACHINE, quick=True).add(quick)
    assert "of quick repetitions" in Report(tmp_path / "quick", MACHINE).notes


def test_pictures_say_that_values_are_quick(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the title, of the rows as of the curves."""
    titles: list[str] = []
    curve = dataclasses.asdict(Curve("name", "Title", "x", "y", [1, 2], {"line": [3, 4]}))
    monkeypatch.setattr(Figure, "suptitle", lambda figure, text, **style: titles.append(text))
    for quick in (False, True):
        folder = tmp_path / str(quick)
        folder.mkdir()
        Report(folder, MACHINE, quick).add(fake_result("vector_env", 1.0))
        curves.save(folder, {"machine": MACHINE, "curves": [curve]}, quick)
    assert ["not for publication" in title for title in titles] == [False, False, True, True]


def test_rows_of_a_whole_training_share_one_process(
    faked: list[tuple[list[str], Settings]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All other rows have one of their own, with the cores that they fix or that are chosen."""
    monkeypatch.setattr(timing, "CORES", [0, 1])
    rows = ["seconds_to_12", "retina", "seconds_to_6", "retina"]
    options = ["--episodes", "77", "--repeats", "3", "--dataset", "digits"]
    assert command.main(["--rows", *rows, *options, "--out", str(tmp_path)]) == 0
    assert [names for names, _ in faked] == [["seconds_to_12", "seconds_to_6"], ["retina"]]
    assert [settings.cores for _, settings in faked] == [2, 1]
    assert {(settings.episodes, settings.repeats) for _, settings in faked} == {(77, 3)}


def test_against_alone_measures_vector_env_beside_it(
    faked: list[tuple[list[str], Settings]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other env comes first, and both are in the report."""
    options = ["--against", "some:env", "--dataset", "digits", "--out", str(tmp_path)]
    assert command.main(options) == 0
    assert [names for names, _ in faked] == [["some:env"], ["vector_env"]]
    content = json.loads((tmp_path / "table.json").read_text())
    assert [row["name"] for row in content["rows"]] == ["vector_env", "some:env"]
    assert content["machine"]["dataset"] == "digits"
    assert "some:env" in capsys.readouterr().out


@pytest.mark.slow
def test_one_run_measures_all_rows_and_the_curves(
    faked: list[tuple[list[str], Settings]], tmp_path: Path
) -> None:
    """Without a choice of rows the curves come last, with the same images."""
    assert command.main(["--quick", "--dataset", "digits", "--out", str(tmp_path)]) == 0
    names = [name for names, _ in faked for name in names]
    assert names == [*command.all_rows(available_cores(), quick=True), measuring.CURVES]
    settings = faked[-1][1]
    assert (settings.dataset, settings.quick) == ("digits", True)


@pytest.mark.slow
def test_failed_curves_are_named(
    faked: list[tuple[list[str], Settings]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The rows that were measured stay, and the exit code is 1."""

    def curves_apart(folder: Path, settings: Settings) -> None:
        raise measuring.MeasurementError([measuring.CURVES], 1)

    monkeypatch.setattr(command, "curves_apart", curves_apart)
    assert command.main(["--quick", "--dataset", "digits", "--out", str(tmp_path)]) == 1
    assert "Not measured, see above: curves\n" in capsys.readouterr().err
    assert (tmp_path / "table.json").exists() and len(faked) > 1


def test_curves_are_measured_in_their_own_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its command line is read back as it was meant, and a failure has a name."""
    commands: list[list[str]] = []

    def run(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(arguments)
        return subprocess.CompletedProcess(arguments, returncode=len(commands) - 1)

    monkeypatch.setattr(subprocess, "run", run)
    measuring.curves_apart(tmp_path, Settings(dataset="mnist"))
    with pytest.raises(measuring.MeasurementError, match=r"curves.*exit code 1"):
        measuring.curves_apart(tmp_path, Settings(dataset="digits", quick=True))
    assert [line[:3] for line in commands] == [[sys.executable, "-m", "benchmarks.curves"]] * 2
    options = [curves.make_parser().parse_args(line[3:]) for line in commands]
    assert [(found.out, found.dataset, found.quick) for found in options] == [
        (tmp_path, "mnist", False),
        (tmp_path, "digits", True),
    ]


def test_settings_reach_the_measuring_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line that is made of settings is read back as the same settings."""
    commands: list[list[str]] = []

    def popen(arguments: list[str], **_: Any) -> None:
        commands.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", popen)
    settings = Settings(cores=1, repeats=7, quick=True, dataset="mnist", episodes=9)
    with pytest.raises(KeyboardInterrupt):
        next(measuring.measure_apart(["retina"], settings))
    assert commands[0][:3] == [sys.executable, "-m", "benchmarks"]
    options = command.make_parser().parse_args(commands[0][3:])
    assert options.measure == ["retina"]
    assert command.make_settings(options) == settings


def test_all_rows_are_measured_if_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one run; a quick one leaves out what trains to the end."""
    monkeypatch.setattr(machine, "find_gpu", lambda: "a GPU")
    assert command.all_rows(2, quick=False) == list(ROWS)
    left_out = set(ROWS) - set(command.all_rows(2, quick=True))
    on_cpu = {"seconds_to_12", "seconds_to_6", "final_error"}
    assert left_out == on_cpu | {"seconds_to_4_gpu", "final_error_gpu"}


def test_every_row_names_a_function_that_exists() -> None:
    """The table of rows is right about its functions and about who may name its rows."""
    for name, row in ROWS.items():
        assert name == row.name and ":" not in name
        module, _, function = row.measure.rpartition(".")
        source = Path(command.__file__).with_name(f"{module}.py").read_text()
        assert f"\ndef {function}(" in source


def test_report_is_whole_after_every_row(tmp_path: Path) -> None:
    """JSON, Markdown and picture hold all rows so far, in the order of the table."""
    report = Report(tmp_path, MACHINE)
    for number, name in enumerate(["train_paper_cluttered", "single_env", "vector_env"]):
        report.add(fake_result(name, 1000.0 * (number + 1)))
    assert {path.name for path in tmp_path.iterdir()} == {
        "table.json",
        "README.md",
        "picture.png",
    }
    content = json.loads((tmp_path / "table.json").read_text())
    assert content["machine"] == MACHINE
    row = content["rows"][0]
    assert row["name"] == "vector_env"
    assert (row["value"], row["low"], row["high"]) == (6000.0, 3000.0, 12000.0)
    assert (row["unit"], row["cores"], row["repeats"]) == ("env-steps/s", 1, 3)
    text = (tmp_path / "README.md").read_text()
    assert "| `single_env` | 4,000 | 2,000 to 8,000 | env-steps/s | 1 | 3 |" in text
    assert "a machine; commit abc; 2026-01-01" in text
    with Image.open(tmp_path / "picture.png") as picture:
        assert picture.width > 500 and np.asarray(picture).std() > 0


def test_report_goes_on_with_rows_of_the_same_source(tmp_path: Path) -> None:
    """Rows that are not measured again stay if machine and commit do; the day does not matter."""
    Report(tmp_path, MACHINE).add(fake_result("vector_env", 1.0))
    Report(tmp_path, MACHINE).add(fake_result("retina", 1.0))
    later = Report(tmp_path, {**MACHINE, "date": "2026-02-02"})
    assert later.notes == ""
    later.add(fake_result("vector_env", 5.0))
    assert [(row.name, row.low) for row in later.results] == [("vector_env", 5.0), ("retina", 1.0)]


@pytest.mark.parametrize("changed", ["commit", "machine", "dataset", "versions"])
def test_report_starts_anew_for_another_source(changed: str, tmp_path: Path) -> None:
    """Values of different sources never stand in one table, and it says so."""
    Report(tmp_path, MACHINE).add(fake_result("vector_env", 1.0))
    other = Report(tmp_path, {**MACHINE, changed: {"other": "one"}})
    assert "is of another machine or commit" in other.notes
    assert other.results == []


@pytest.mark.parametrize("damage", ["", "[]", '{"rows": [{"name": 1}], "machine": {}}', "{}"])
def test_damaged_report_is_replaced(damage: str, tmp_path: Path) -> None:
    """A file that is none of ours is no reason to stop."""
    (tmp_path / "table.json").write_text(damage)
    report = Report(tmp_path, MACHINE)
    assert "is damaged" in report.notes
    assert report.results == []


def test_first_row_below_the_error_counts() -> None:
    """The seconds are those of the first validation that is low enough, not of the lowest."""
    assert read_seconds(PROGRESS, 30.0) == 2.0
    assert read_seconds(PROGRESS, 12.0) == 4.0
    with pytest.raises(RuntimeError, match=r"never fell to 6 %, only to 11\.5 %"):
        read_seconds(PROGRESS, 6)


def test_progress_is_a_count_beyond_zero() -> None:
    """The empty bar is no progress, nor is a line cut before its end."""
    empty = "cluttered:   0%|      | 0.00/1.00M [00:00<?, ? episodes/s]"
    assert not shows_progress("warning: 3/4 of it\r" + empty)
    assert not shows_progress(empty + "\rcluttered:   0%|      | 256/1.0")
    assert shows_progress(empty + "\rcluttered:   0%|      | 256/1.00M [00:00<01:00, 1.2k")


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_memory_of_a_session_holds_this_process() -> None:
    """This process has tens of megabytes; a session that does not exist has none."""
    assert session_memory(os.getsid(0)) > 20.0
    assert session_memory(2**22 + 1) == 0.0


def test_multiply_adds_of_the_papers_networks() -> None:
    """They are the sizes of the layers multiplied, added up by hand."""
    networks = RAMNetworks((3, 12, 12), 10, make_config("paper"))
    first = 432 * 128 + 2 * 128
    rest = 2 * 128 * 256 + 2 * 256 * 256 + 256 * (10 + 2 + 1)
    assert forward_multiply_adds(networks) == first + rest
    assert training_multiply_adds(networks) == 2 * first + 3 * rest


def test_multiply_adds_of_what_is_looked_for_in_each_cell() -> None:
    """Patterns of 4x4 pixels are looked for in each of 8x8 cells at three scales, and weighed."""
    plain = RAMNetworks((3, 16, 16), 10, make_config("large", location_memory=0))
    remembering = RAMNetworks((3, 16, 16), 10, make_config("large", location_memory=4))
    weights = sum(weight.numel() for weight in plain.parameters() if weight.dim() == 2)
    cells, patterns = 3 * 8 * 8, 16 * 4 * 4
    assert forward_multiply_adds(plain) == weights - patterns + cells * (patterns + 16)
    assert forward_multiply_adds(remembering) == forward_multiply_adds(plain) + cells * 16


def test_convolutional_network_counts_its_work() -> None:
    """Each layer's multiply-adds are those of its output's pixels; any size of image will do."""
    network = ConvNet(num_classes=10)
    for side in (28, 61):
        assert network(torch.zeros(2, 1, side, side)).shape == (2, 10)
    assert network.multiply_adds(28) == 28 * 28 * 16 * 25 + 14 * 14 * 32 * 16 * 25 + 512 * 10


def test_crossing_lies_where_straight_lines_meet() -> None:
    """On log-log axes 100 and x**2 meet at 10."""
    sides = [1.0, 4.0, 64.0]
    assert crossing(sides, [100.0] * 3, [1.0, 16.0, 4096.0]) == pytest.approx(10.0)
    assert crossing(sides, [0.5] * 3, [1.0, 16.0, 4096.0]) == 1.0
    assert crossing(sides, [1e9] * 3, [1.0, 16.0, 4096.0]) is None


def test_scales_grow_until_the_widest_window_is_half_an_image() -> None:
    """Three scales of 12 pixels reach 48; each doubling of the image takes one more."""
    assert [scales_for(side) for side in (28, 96, 97, 192, 2048)] == [3, 3, 4, 4, 8]


def test_costs_of_an_env_are_positive_and_finite() -> None:
    """A point of a curve is measured on any task."""
    glimpse, reset = costs(QUICK, num_envs=2, canvas_size=40, num_scales=2)
    assert 0 < glimpse < 1e6 and 0 < reset < 1e6


def test_curves_are_drawn_with_axes_that_speak() -> None:
    """Every panel has a title, both labels, a line per entry and the crossing in its legend."""
    lines = {"one": [1.0, 1.0], "other": [0.5, 2.0]}
    curve = Curve("a", "title", "side / pixels", "time / ms", [28.0, 56.0], lines, {"one": 40.0})
    axes = draw_curves([curve] * 3, "machine").axes[0]
    assert (axes.get_title(), axes.get_xlabel()) == ("title", "side / pixels")
    assert axes.get_ylabel() == "time / ms"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["one: less from 40 on", "other"]


def test_values_are_shown_with_the_digits_that_count() -> None:
    """Thousands have no decimals, small numbers three digits."""
    assert [show(value) for value in (214_532.6, 999.4, 0.07654)] == ["214,533", "999", "0.0765"]
