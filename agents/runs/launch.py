"""How does a command line become a run, and its end an exit code?"""

import sys
from pathlib import Path

import gymnasium as gym

from agents.base.errors import DivergenceError, TeamError, plain_output
from agents.base.files import (
    CONFIG,
    EVALUATION,
    PICTURES,
    lock_folder,
    read_json,
    remove_leftovers,
)
from agents.runs.options import parse_options, speak_of_options
from agents.runs.plan import Plan, plan_run

WRONG_OPTION, DIVERGED, CANNOT_WRITE, TEAM_LOST, STOPPED = 2, 3, 4, 5, 130
OUT_OF_MEMORY = (
    "out of memory ({error}): choose smaller networks, a smaller `batch_size` or fewer `num_envs`."
)
# What can end a training that has begun: its exit code, and what the user is told.
ENDS: tuple[tuple[type[Exception], int, str], ...] = (
    (DivergenceError, DIVERGED, "{error} {checkpoint}"),
    (TeamError, TEAM_LOST, "{error} {resume}"),
    (FileExistsError, WRONG_OPTION, "{error}"),
    (
        OSError,
        CANNOT_WRITE,
        "cannot write to {folder} ({error}): what was whole there still is. Make room or choose "
        "another `run_dir`; a run of ram goes on with `--resume`.",
    ),
    (MemoryError, WRONG_OPTION, OUT_OF_MEMORY),
)


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "train.py") -> int:
    """Train as a command line says; return the exit code.

    | code | meaning |
    |---|---|
    | 0 | the whole budget is spent, now or earlier |
    | 2 | an option is impossible, or memory does not suffice |
    | 3 | the training diverged |
    | 4 | the run folder cannot be written to |
    | 5 | a process that shared the training has ended |
    | 130 | Ctrl-C or SIGTERM ended it; what is there is whole |
    """
    try:
        return launch(arguments, prog)
    except RefusedError as refusal:
        print(f"{prog}: error: {speak_of_options(str(refusal))}", file=sys.stderr)
        return refusal.exit_code
    except KeyboardInterrupt:
        print(f"{prog}: interrupted.", file=sys.stderr)
        return STOPPED


class RefusedError(Exception):
    """A run that cannot begin or go on; its message is all that the user needs."""

    def __init__(self, message: object, exit_code: int) -> None:
        super().__init__(str(message))
        self.exit_code = exit_code


def launch(arguments: list[str] | None, prog: str) -> int:
    """Do what `main` promises.

    Raises:
        RefusedError: If an option is impossible, or the training cannot go on.
    """
    if is_being_imported_again():
        return WRONG_OPTION  # the process that has started this one says what is wrong
    try:
        options = parse_options(arguments, prog)
        plan = plan_run(options)
        if plan is None:
            assert options.run_dir is not None  # else there is nothing to find
            return report_finished(options.run_dir)
        from agents.runs.run import make_run, train  # loads torch: not before it is needed

        run = make_run(plan)
        plan = run.plan
    except MemoryError as error:
        raise RefusedError(
            OUT_OF_MEMORY.format(error=error or "Python has none left"), WRONG_OPTION
        ) from error
    except TeamError as error:
        raise RefusedError(error, TEAM_LOST) from error
    except (ValueError, OSError, gym.error.Error) as error:
        raise RefusedError(error, WRONG_OPTION) from error
    try:
        finished = train(run)
    except tuple(kind for kind, _, _ in ENDS) as error:
        raise explain(error, plan) from error
    if finished is None:
        return 0  # the process that leads reports
    if finished.stopped_early:
        print("Stopped before the budget was spent; everything so far is saved.")
    print(finished.result.describe())
    print(f"Run folder: {plan.folder} (see gaze.png, curves.png, evaluation.json)")
    return STOPPED if finished.stopped_early else 0


def explain(error: Exception, plan: Plan) -> RefusedError:
    """Return what the user is told of an error that has ended a training."""
    code, text = next((code, text) for kind, code, text in ENDS if isinstance(error, kind))
    saved = (plan.folder / "checkpoint.zip").exists()
    before = f"The checkpoint in {plan.folder} is of before." if saved else "No checkpoint is left."
    resume = f"What was whole in {plan.folder} still is: go on with `--resume {plan.folder}`."
    facts = {
        "error": str(error) or "Python has none left",
        "folder": plan.folder,
        "checkpoint": before,
        "resume": resume if (plan.folder / CONFIG).exists() else "Nothing was written.",
    }
    return RefusedError(text.format(**facts), code)


def is_being_imported_again() -> bool:
    """Return whether this is a user's script that multiprocessing reads to start a process."""
    again = sys.modules.get("__mp_main__")
    return again is not None and again is not sys.modules["__main__"]


def report_finished(folder: Path) -> int:
    """Say what is in the folder of a run that is finished; draw what it lacks of its pictures."""
    with lock_folder(folder):
        remove_leftovers(folder)
    result = read_json(folder / EVALUATION)
    print(
        f"{folder} holds the finished run of these options: {result['error']:.2f} % error on "
        f"{result['num_scenes']:,} {result['split']} scenes."
    )
    if all((folder / name).exists() for name in PICTURES):
        return 0
    from agents.evaluation import show  # loads torch

    return show.main([str(folder), "--out", str(folder)])
