"""Trainings that cannot go on: full disks, folders taken by others, numbers that explode."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents import RAM
from agents.base.files import LOCK, lock_folder
from agents.runs import launch
from agents.runs.checkpoints import CHECKPOINT, load_checkpoint

ROOT = Path(__file__).parents[2]
QUICK = ["--env", "centered", "--dataset", "digits", "--num-glimpses", "2", "--batch-size", "16"]
QUICK += ["--device", "cpu", "--threads", "1", "--processes", "1", "--seed", "3"]
SMALL = ["--settings", "hidden_size=8", "feature_size=8", "what_hidden_size=8"]
linux = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
posix = pytest.mark.skipif(os.name != "posix", reason="limits, locks and signals of POSIX")


@pytest.mark.slow
@pytest.mark.fault("full disk in a training")
@posix
def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    """Exit code 4, one line that says what to do, and the checkpoint from before can be loaded."""
    folder = tmp_path / "run"
    code = (
        "import resource, sys, train;"
        "from agents.sb3 import log as progress; write = progress.ProgressCSV.write\n"
        "def fill(self, *values):\n"
        "    write(self, *values)\n"
        "    size = self._file.tell()\n"
        "    if size > 2_000:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))\n"
        "progress.ProgressCSV.write = fill\n"
        "sys.exit(train.main(sys.argv[1:]))"
    )
    arguments = [*QUICK, *SMALL, "--episodes", "1000000", "--run-dir", str(folder)]
    arguments += ["--checkpoint-seconds", "0"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == launch.CANNOT_WRITE, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert f"cannot write to {folder}" in last and "`--resume`" in last
    assert load_checkpoint(folder, None, "cpu") is not None
    assert not list(folder.glob(".*.tmp"))
    assert not (folder / "evaluation.json").exists()


@pytest.mark.fault("training that diverges")
def test_divergence_ends_the_run_with_what_to_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, the quantity, the remedy; the checkpoints are of before."""
    folder = tmp_path / "run"
    arguments = [*QUICK, "--settings", "learning_rate=1e36", "max_grad_norm=1e36", "core=relu"]
    arguments += ["normalise_features=false", "warmup_fraction=0.0", "precision=float32"]
    arguments += ["--checkpoint-seconds", "0"]
    assert (
        launch.main([*arguments, "--episodes", "100000", "--run-dir", str(folder)])
        == launch.DIVERGED
    )
    last = capsys.readouterr().err.splitlines()[-1]
    assert "diverged" in last and "ower `--learning-rate`" in last
    model = RAM.load(folder / CHECKPOINT, device="cpu")  # whose numbers are finite
    assert model._n_updates >= 0
    assert not (folder / "evaluation.json").exists()


@pytest.mark.fault("training that diverges")
def test_divergence_in_the_last_update_is_told_by_the_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No further batch is played that would show it; the exit code is the same."""
    folder = tmp_path / "run"
    arguments = [*QUICK, *SMALL, "--episodes", "16", "--run-dir", str(folder)]
    settings = ["learning_rate=1e30", "warmup_fraction=0.0", "precision=float32"]
    assert launch.main([*arguments, "--settings", *settings]) == launch.DIVERGED
    last = capsys.readouterr().err.splitlines()[-1]
    assert "the model has diverged" in last and "lower `--learning-rate`" in last
    assert ("No checkpoint is left." in last) != (folder / CHECKPOINT).exists()


@pytest.mark.fault("two processes with one run folder")
@posix
def test_a_folder_is_for_one_process_at_a_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second run is told so and writes nothing; the lock alone stays behind."""
    folder = tmp_path / "run"
    folder.mkdir()
    with lock_folder(folder):
        assert (
            launch.main([*QUICK, *SMALL, "--episodes", "16", "--run-dir", str(folder)])
            == launch.WRONG_OPTION
        )
        assert f"another process is writing to {folder}" in capsys.readouterr().err
        assert [path.name for path in folder.iterdir()] == [LOCK]
    assert launch.main([*QUICK, *SMALL, "--episodes", "16", "--run-dir", str(folder)]) == 0


@posix
def test_what_fails_under_the_lock_is_no_matter_of_the_lock(tmp_path: Path) -> None:
    """An error like the lock's own comes out as it is, and the folder is free again."""
    for _ in range(2):
        with pytest.raises(BlockingIOError, match="own"), lock_folder(tmp_path):
            raise BlockingIOError("own")


@pytest.mark.slow
@pytest.mark.fault("two processes with one run folder")
@posix
def test_of_two_runs_started_at_once_one_gets_the_folder(tmp_path: Path) -> None:
    """The other ends with exit code 2, and what is left is one whole run."""
    folder = tmp_path / "run"
    command = [sys.executable, "train.py", *QUICK, *SMALL, "--episodes", "20000"]
    command += ["--run-dir", str(folder)]
    pipe = subprocess.PIPE
    runs = [
        subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) for _ in range(2)
    ]
    errors = [run.communicate(timeout=120)[1] for run in runs]
    codes = sorted(run.returncode for run in runs)
    assert codes == [0, launch.WRONG_OPTION], errors
    assert json.loads((folder / "evaluation.json").read_text())["stopped_early"] is False
    assert not any("Traceback" in text for text in errors)


@pytest.mark.slow
@pytest.mark.fault("SIGINT and SIGTERM")
@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_at_the_start_leaves_a_clear_line(number: signal.Signals, tmp_path: Path) -> None:
    """Before there is anything to save, a signal ends the program without a traceback."""
    folder = tmp_path / "run"
    command = [sys.executable, "train.py", *QUICK, "--minutes", "10", "--run-dir", str(folder)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore SIGINT, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # "...: writing to ...": the speed is being measured now
        time.sleep(0.5)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    assert process.returncode in (launch.STOPPED, -number)


def start_and_wait(command: list[str], folder: Path) -> subprocess.Popen[str]:
    """Start a program that trains into a folder, and wait until it has logged something."""
    environment: dict[str, Any] = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    progress, deadline = folder / "progress.csv", time.monotonic() + 120
    while not (progress.exists() and progress.read_text().count("\n") > 2):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    return process


def child_with(parent: int, mark: str) -> int:
    """Return the child of a process whose environment or command line holds a text."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status = (path / "status").read_text()
            texts = (path / "environ").read_bytes() + b"\0" + (path / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status and mark.encode() in texts.split(b"\0"):
            return int(path.name)
    raise AssertionError(f"no child of {parent} with {mark}")


@pytest.mark.slow
@pytest.mark.fault("kill -9 of one process of several")
@linux
def test_a_run_that_loses_a_process_says_so_and_can_go_on(tmp_path: Path) -> None:
    """Exit code 5 within seconds and one line; `--resume` then ends the run."""
    folder = tmp_path / "run"
    command = [sys.executable, "train.py", *QUICK, *SMALL, "--run-dir", str(folder)]
    command[command.index("--processes") + 1] = "2"
    with start_and_wait([*command, "--episodes", "10000000"], folder) as process:
        os.kill(child_with(process.pid, "--multiprocessing-fork"), signal.SIGKILL)
        killed = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert time.monotonic() - killed < 30
    assert process.returncode == launch.TEAM_LOST, errors
    assert "Traceback" not in errors
    last = errors.splitlines()[-1]
    assert "another process of this training has ended" in last
    assert f"`--resume {folder}`" in last


@pytest.mark.slow
@pytest.mark.fault("kill -9 of one process of several")
@linux
def test_torchrun_ends_soon_after_a_worker_is_killed(tmp_path: Path) -> None:
    """The other worker does not wait for it; the messages name what happened."""
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["train.py", *QUICK, *SMALL, "--episodes", "10000000", "--run-dir", str(folder)]
    command[command.index("--processes") + 1] = "2"
    with start_and_wait(command, folder) as process:
        os.kill(child_with(process.pid, "RANK=1"), signal.SIGKILL)
        killed = time.monotonic()
        _, errors = process.communicate(timeout=90)
    assert time.monotonic() - killed < 60
    assert process.returncode != 0
    assert "SIGKILL" in errors or "Signal 9" in errors or "exitcode  : -9" in errors
