"""What a machine is set to costs no result: consoles, matplotlib, homes, threads, scripts."""

import io
import json
import os
import subprocess
import sys
import threading
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from matplotlib import rc_context
from PIL import Image
from small_runs import FILES, make_options, run

from agents import evaluate, study
from agents.base.errors import Unfailing, plain_output
from agents.base.files import new_folder
from agents.evaluation import pictures
from agents.evaluation.curves import save_curves
from agents.reports.paper import TABLE
from agents.reports.table import make_parser
from agents.runs import launch
from agents.runs.options import parse_options
from agents.runs.team import plan_team

ROOT = Path(__file__).parents[2]
QUICK = ["--env", "centered", "--dataset", "digits", "--num-glimpses", "2", "--batch-size", "16"]
QUICK += ["--episodes", "32", "--device", "cpu", "--threads", "1", "--hidden-size", "8"]
SCRIPT = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom agents.runs.launch import main\n"


def start(folder: Path, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
    """Start a short training in a folder of its own."""
    command = [sys.executable, str(ROOT / "train.py"), *QUICK, "--processes", "1", *arguments]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **env}, **pipes)


def test_foreign_consoles_and_settings_of_matplotlib_cost_nothing(tmp_path: Path) -> None:
    """A backend nobody knows, TeX that is not there, a folder that the console cannot spell."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.facecolor: red\n")
    surroundings = {"MPLBACKEND": "module://of_a_notebook", "PYTHONIOENCODING": "cp1252"}
    training = start(tmp_path, "--run-dir=数字", **surroundings)
    output, errors = training.communicate(timeout=120)
    assert training.returncode == 0, errors
    assert b"Traceback" not in errors and b"warning" not in errors
    assert rb"\u6570\u5b57" in output
    assert {path.name for path in (tmp_path / "数字").iterdir()} >= FILES
    with Image.open(tmp_path / "数字" / "curves.png") as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_has_gone_does_not_end_a_training(tmp_path: Path) -> None:
    """As `train.py | head` has it."""
    training = start(tmp_path, "--run-dir", "run")
    assert training.stdout is not None and training.stderr is not None
    training.stdout.close()
    training.stderr.close()
    assert training.wait(timeout=120) == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} >= FILES


def test_no_console_fails(tmp_path: Path) -> None:
    """What can be written is written, if there is one, and it is open, and for writing."""
    letters, closed = io.TextIOWrapper(io.BytesIO(), encoding="cp1252"), io.StringIO()
    closed.close()
    with open(tmp_path / "file", "a+") as file, open(tmp_path / "file") as read_only:
        for stream in (None, closed, letters, read_only, file):
            console = Unfailing(stream)
            for text in ("a", "数", "b"):
                assert console.write(text) == 1
            console.flush()
            assert not console.isatty()
    assert letters.buffer.getvalue() == rb"a\u6570b"
    assert (tmp_path / "file").read_text() == "a数b"


def test_output_is_given_back() -> None:
    """Also after an error."""
    before = sys.stdout, sys.stderr, threading.excepthook
    with pytest.raises(ZeroDivisionError), plain_output():
        assert isinstance(sys.stdout, Unfailing)
        raise ZeroDivisionError
    assert before == (sys.stdout, sys.stderr, threading.excepthook)


def test_texts_are_no_formulas_and_settings_of_others_do_not_hold(tmp_path: Path) -> None:
    """The picture is the same, bit for bit, and a title may cost a dollar."""
    log = tmp_path / "progress.csv"
    log.write_text("time/episodes,rollout/error\n10,90\n20,80\n")
    save_curves(tmp_path / "plain.png", log, "it costs $^_ 数")
    with rc_context({"figure.facecolor": "red", "font.size": 30, "text.usetex": True}):
        save_curves(tmp_path / "set.png", log, "it costs $^_ 数")
    assert (tmp_path / "set.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


@pytest.mark.parametrize("error", [ValueError("no font"), MemoryError(), OSError(28, "full")])
def test_a_picture_that_fails_is_a_warning(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is finished, and the line says how to draw it again."""

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(pictures, "save_gaze_grid", fail)
    with pytest.warns(UserWarning, match=r"could not be drawn .*: try `ram-env show .*run`"):
        run(make_options(tmp_path / "run", episodes=32))
    assert "error" in json.loads((tmp_path / "run" / "evaluation.json").read_text())


def test_a_training_runs_in_any_thread(tmp_path: Path) -> None:
    """Where Python lets nobody handle signals."""
    codes: list[int] = []
    words = [*QUICK, "--processes", "1", "--run-dir", str(tmp_path / "run")]
    thread = threading.Thread(target=lambda: codes.append(launch.main(words)))
    thread.start()
    thread.join()
    assert codes == [0]


def test_runs_of_one_second_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command twice, as in a sweep, on a clock that stands still."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("agents.runs.plan.time.strftime", lambda _: "NOW")
    for _ in range(2):
        assert launch.main([*QUICK, "--processes", "1"]) == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "centered-NOW",
        "centered-NOW-2",
    ]
    assert new_folder(Path("runs/centered-NOW")) == Path("runs/centered-NOW-3")


def test_the_home_folder_is_found_in_every_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No option makes, or looks for, a folder named `~`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert parse_options(["--run-dir=~/rr"]).run_dir == tmp_path / "rr"
    assert parse_options(["--resume=~/rr"]).resume == tmp_path / "rr"
    assert parse_options(["--run-dir=~nobody-of-this-name/r"]).run_dir is not None
    tables = make_parser("reproduce", "", TABLE).parse_args(["--out=~/o", "--runs=~/r"])
    assert (tables.out, tables.runs) == (tmp_path / "o", tmp_path / "r")
    for main, words in ((evaluate.main, ["--run=~/rr"]), (study.main, ["--pretrained=x"])):
        with pytest.raises(SystemExit):
            main(words)
    assert str(tmp_path / "rr") in capsys.readouterr().err


def give_plan(answers: Any) -> None:
    """Plan in a process of a pool, which may have no children."""
    answers.put(plan_team(None, 1, "cpu", 4).processes)
    try:
        plan_team(2, 1, "cpu", 4)
    except ValueError as error:
        answers.put(str(error))


def test_a_daemon_trains_alone() -> None:
    """As in a `multiprocessing.Pool`; more than one process is refused."""
    context = get_context("spawn")
    answers = context.Queue()
    process = context.Process(target=give_plan, args=(answers,), daemon=True)
    process.start()
    assert answers.get(timeout=60) == 1
    assert "`processes` must be 1 in a daemon process" in answers.get(timeout=60)
    process.join()


def test_a_script_that_is_piped_trains_alone(tmp_path: Path) -> None:
    """`python - <<EOF`: other processes cannot read it."""
    words = [*QUICK, "--run-dir", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-"],
        input=f"{SCRIPT}sys.exit(main({words!r}))",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["processes"] == 1


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    """One line, no traceback, and no advice to go on with what never began."""
    words = [*QUICK, "--processes", "2", "--run-dir", str(tmp_path / "run")]
    script = tmp_path / "script.py"
    script.write_text(f"{SCRIPT}sys.exit(main({words!r}))")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == launch.TEAM_LOST
    assert done.stderr.count("\n") == 1 and "if __name__ == '__main__'" in done.stderr
    assert "Nothing was written." in done.stderr and not (tmp_path / "run").exists()
