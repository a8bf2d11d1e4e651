"""Train an agent, the Recurrent Attention Model or another, on one of the tasks.

    python train.py --env cluttered --minutes 10

leaves a run folder: the model, its error on the test set, and pictures of where it looked.
"""

import argparse
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from agents.errors import DivergenceError, TeamError
from agents.runs.launch import prepare
from agents.runs.train_arguments import make_parser, parse_options

if TYPE_CHECKING:
    from agents.evaluation.result import Evaluation
    from agents.runs.run import Run

# Exit codes
WRONG_OPTION = 2
DIVERGED = 3
CANNOT_WRITE = 4
TEAM_LOST = 5
STOPPED = 130  # of a program that Ctrl-C ended


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = make_parser()
    options = parse_options(parser, arguments)
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    threading.excepthook = report_thread
    try:
        return run(options)
    except RunError as error:
        parser.exit(error.exit_code, f"{parser.prog}: error: {error}\n")
    except (MemoryError, RuntimeError) as error:
        # Of PyTorch's errors on processors and GPUs, this word is all that they share.
        if not isinstance(error, MemoryError) and "allocate" not in str(error):
            raise
        reason = str(error).split("\n")[0] or "Python has none left"
        parser.exit(
            WRONG_OPTION,
            f"{parser.prog}: error: out of memory ({reason}): choose smaller "
            "networks, a smaller `--batch-size` or fewer `--num-envs`.\n",
        )
    except KeyboardInterrupt:
        parser.exit(STOPPED, f"{parser.prog}: interrupted.\n")


def report_thread(failure: threading.ExceptHookArgs) -> None:
    """Report what ended a thread, but not that TensorBoard's cannot write: the run says so too."""
    if not issubclass(failure.exc_type, OSError):
        threading.__excepthook__(failure)


class RunError(Exception):
    """A run that cannot begin or go on; its message is all that the user needs."""

    def __init__(self, message: object, exit_code: int) -> None:
        """Take the message and the exit code of the program."""
        super().__init__(str(message))
        self.exit_code = exit_code


def run(options: argparse.Namespace) -> int:
    """Train as the options say; return the exit code.

    Raises:
        RunError: If an option is impossible, or the training cannot go on.
    """
    try:
        prepared = prepare(options)
    except TeamError as error:
        raise RunError(error, TEAM_LOST) from error
    except (ValueError, OSError, gym.error.Error) as error:
        raise RunError(error, WRONG_OPTION) from error
    folder = prepared.options.folder
    if prepared.leads:
        print(f"{prepared.title}: writing to {folder}", flush=True)
    result = train(prepared)
    if result is None:
        return 0  # the process that leads reports
    if prepared.stopped_early:
        print("Stopped before the budget was spent; everything so far is saved.")
    print(f"{result.describe()}\nRun folder: {folder} (see gaze.png, curves.png, evaluation.json)")
    return STOPPED if prepared.stopped_early else 0


def train(prepared: "Run[Any]") -> "Evaluation | None":
    """Train; see `agents.runs.run.Run.train`.

    Raises:
        RunError: If the training diverges, loses a process or cannot be written down.
    """
    folder = prepared.options.folder
    try:
        return prepared.train()
    except DivergenceError as error:
        from agents.runs.checkpoints import CHECKPOINT  # loads torch, which is there by now

        saved = (folder / CHECKPOINT).exists()
        before = f"The checkpoint in {folder} is of before." if saved else "No checkpoint is left."
        raise RunError(f"{error} {before}", DIVERGED) from error
    except TeamError as error:
        raise RunError(
            f"{error} What was whole in {folder} still is: go on with `--resume {folder}`.",
            TEAM_LOST,
        ) from error
    except FileExistsError as error:
        raise RunError(error, WRONG_OPTION) from error
    except OSError as error:
        raise RunError(
            f"cannot write to {folder} ({error}): what was whole there still is. Make room or "
            "choose another `--run-dir`; a run of ram goes on with `--resume`.",
            CANNOT_WRITE,
        ) from error


if __name__ == "__main__":
    sys.exit(main())
