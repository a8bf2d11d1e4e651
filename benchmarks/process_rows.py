"""Rows of whole programs: imports, start-up and memory."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.timing import Settings

ROOT = Path(__file__).parent.parent
MEMORY_EPISODES, QUICK_MEMORY_EPISODES = 10_240, 1_024
START_EPISODES = 1_000_000  # more than a start needs
SAMPLE_SECONDS = 0.1  # between two looks at the memory
COUNT = re.compile(r"([0-9.]+)[kMG]?/[0-9.]+[kMG]? \[")  # in the progress bar: done/all [time
IMPORTS = """
import time
import gymnasium
started = time.perf_counter()
import ram_env
print(time.perf_counter() - started)
"""


def import_ram_env(settings: Settings) -> list[float]:
    """Measure the seconds that `import ram_env` adds to `import gymnasium`."""
    command = [sys.executable, "-c", IMPORTS]

    def seconds() -> float:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return float(done.stdout)

    seconds()  # writes compiled modules, fills the caches of the disk
    return [seconds() for _ in range(settings.repeats)]


def help_seconds(settings: Settings) -> list[float]:
    """Measure the seconds that `python train.py --help` takes, the start of Python included."""

    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run([*train_command(), "--help"], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started

    seconds()
    return [seconds() for _ in range(settings.repeats)]


def first_progress(settings: Settings) -> list[float]:
    """Measure the seconds from the start of a training to the first progress that it shows."""
    return [_seconds_to_progress(settings) for _ in range(settings.repeats)]


def _seconds_to_progress(settings: Settings) -> float:
    import pty  # not on Windows
    import termios

    ours, theirs = pty.openpty()  # a log file would get its first line much later
    termios.tcsetwinsize(theirs, (24, 120))
    seen, started = "", time.perf_counter()
    try:
        with started_training(settings, START_EPISODES, stderr=theirs):
            os.close(theirs)
            while not shows_progress(seen):
                chunk = os.read(ours, 4096).decode(errors="replace")
                if not chunk:
                    raise OSError("nothing more to read")
                seen += chunk
            return time.perf_counter() - started
    except OSError as error:  # the other end is closed: Linux raises it, others read nothing
        raise RuntimeError(f"train.py ended before any progress: {_last_line(seen)}") from error
    finally:
        os.close(ours)


def shows_progress(text: str) -> bool:
    """Return whether the output of a training shows a count of episodes beyond 0."""
    return any(float(count) > 0 for count in COUNT.findall(text))


def peak_memory(settings: Settings) -> list[float]:
    """Measure the memory that a short training with all its processes takes at most, in MiB.

    It is looked up ten times a second. Memory that processes share counts once, where the system
    tells (Linux's proportional set size).

    Raises:
        RuntimeError: If the system has no /proc, or the training fails.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        raise RuntimeError("`peak_memory` needs Linux's /proc/PID/smaps_rollup, and it is missing.")
    return [_peak_memory(settings) for _ in range(settings.repeats)]


def _peak_memory(settings: Settings) -> float:
    episodes, peak = (QUICK_MEMORY_EPISODES if settings.quick else MEMORY_EPISODES), 0.0
    with tempfile.TemporaryFile("w+") as log:
        with started_training(settings, episodes, stderr=log) as process:
            while process.poll() is None:
                peak = max(peak, session_memory(process.pid))
                time.sleep(SAMPLE_SECONDS)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"train.py failed: {_last_line(log.read())}")
    return peak


def session_memory(session: int) -> float:
    """Return the memory of all processes of a session, in MiB."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                rollup = (folder / "smaps_rollup").read_text()
                total += float(rollup.split("\nPss:")[1].split()[0]) / 1024  # from kB
        except (OSError, IndexError):
            pass  # it has just ended
    return total


def train_command() -> list[str]:
    """Return the command that starts train.py."""
    return [sys.executable, str(ROOT / "train.py")]


@contextmanager
def started_training(
    settings: Settings, episodes: int, *options: str, stderr: Any = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start train.py on the cluttered task; what still runs of it in the end is killed.

    Its run folder is the folder `run` of its working directory, which is temporary.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [*train_command(), "--env", "cluttered", "--dataset", settings.dataset]
        command += ["--episodes", str(episodes), "--run-dir", str(Path(folder, "run")), *options]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,  # its processes are found, and ended, together
        )
        try:
            yield process
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # nothing runs any more
            process.wait()


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "no output"
