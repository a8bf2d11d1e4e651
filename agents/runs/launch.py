"""How is a run started, from a command line or from Python, and what comes of its end?"""

import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym

from agents.base.commands import speak_of_options
from agents.base.errors import INTERRUPTED, DivergenceError, TeamError, plain_output
from agents.base.files import (
    CONFIG,
    EVALUATION,
    PICTURES,
    lock_folder,
    read_json,
    remove_leftovers,
)
from agents.evaluation.result import Evaluation
from agents.model.config import RAMConfig
from agents.runs.options import DECLARED, FIELDS, help_of, options_of, parse_options
from agents.runs.plan import plan_run

WRONG_OPTION, DIVERGED, CANNOT_WRITE, TEAM_LOST, STOPPED = 2, 3, 4, 5, INTERRUPTED
OUT_OF_MEMORY = (
    MemoryError,
    WRONG_OPTION,
    "out of memory ({error}): choose smaller networks, a smaller `batch_size` or fewer `num_envs`.",
)
# What can refuse a run, and end a training that has begun: exit code, and what the user is told.
REFUSALS: tuple[tuple[Any, int, str], ...] = (
    OUT_OF_MEMORY,
    (TeamError, TEAM_LOST, "{error}"),
    ((ValueError, OSError, gym.error.Error), WRONG_OPTION, "{error}"),
)
ENDS: tuple[tuple[Any, int, str], ...] = (
    OUT_OF_MEMORY,
    (TeamError, TEAM_LOST, "{error} {resume}"),
    (DivergenceError, DIVERGED, "{error} {checkpoint}"),
    (FileExistsError, WRONG_OPTION, "{error}"),
    (
        OSError,
        CANNOT_WRITE,
        "cannot write to {folder} ({error}): what was whole there still is. Make room or choose "
        "another `run_dir`; a run of ram goes on with `--resume`.",
    ),
)


def takes_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function of any keywords the names, types, defaults and help of all options.

    They take the place of what its docstring says of `**options`.
    """
    parameters, lines = [], []
    for declared in DECLARED:
        for field in dataclasses.fields(declared):
            default, kind = field.default, field.type
            if declared is RAMConfig:  # what is not given is the preset's
                default, kind = None, field.type | None  # type: ignore[operator]
            elif default is dataclasses.MISSING:
                default = {}
            declaration: dict[str, Any] = {"default": default, "annotation": kind}
            parameters.append(
                inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, **declaration)
            )
            text = f"{field.name}: {help_of(field)}."
            lines.append(textwrap.fill(text, 96, initial_indent=" " * 4, subsequent_indent=" " * 8))
    own = inspect.signature(function)
    function.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    documented = inspect.cleandoc(function.__doc__ or "")
    function.__doc__ = re.sub(r" +\*\*options: .*", lambda _: "\n".join(lines), documented)
    return function


class Trained(NamedTuple):
    """What a training has left.

    Attributes:
        folder: The run folder, with the model, its log, its evaluation and pictures.
        evaluation: Its error on the test scenes.
        model: `RAM`, or another algorithm of Stable-Baselines3; of a finished run that was found
            again, the latter's policy.
        stopped_early: Whether Ctrl-C, or a notebook's button, ended it before its budget was spent.
    """

    folder: Path
    evaluation: Evaluation
    model: Any
    stopped_early: bool


@takes_options
def train(**options: Any) -> Trained:
    """Train an agent, measure it, and leave a run folder: `train.py` as a function.

    The same options leave the same folder and, again, find the finished run in `run_dir`, or go on
    with an unfinished one. A script must call it below `if __name__ == "__main__":`, as more
    processes may help; a notebook need not.

    Args:
        **options: All options of `train.py --help`, with `_` for `-`; None is as not given.

    Returns:
        The run folder, the evaluation on the test scenes, the model, and whether it was stopped.

    Raises:
        ValueError: If an option is unknown or impossible; nothing is written then.
        FileExistsError: If the folder holds something else, or another process writes to it.
        DivergenceError: If a number is not finite any more.
        TeamError: If a process that shares the training has ended.
        OSError: If the run folder cannot be written to.
        MemoryError: If it does not fit into memory.
    """
    if is_being_imported_again():
        sys.exit(WRONG_OPTION)  # the process that has started this one says what is wrong
    asked = options_of({name: value for name, value in options.items() if value is not None})
    plan = plan_run(asked)
    if plan is None:
        from agents.evaluation.players import expert_of_run

        assert asked.run_dir is not None  # else there is nothing to find
        evaluation = Evaluation.from_json(read_json(asked.run_dir / EVALUATION))
        return Trained(asked.run_dir, evaluation, expert_of_run(asked.run_dir).model, False)
    import torch  # not before it is needed

    from agents.base.processes import launched
    from agents.runs.run import make_run
    from agents.runs.run import train as carry_out

    if launched() is not None:
        raise ValueError("`torchrun` starts programs, such as train.py, and no `agents.train`.")
    threads = torch.get_num_threads()
    try:
        run = make_run(plan)
        finished = carry_out(run)
    finally:
        torch.set_num_threads(threads)  # what comes after has the caller's again
    assert finished is not None  # this process leads
    return Trained(run.plan.folder, finished.result, run.learner.model, finished.stopped_early)


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
    if is_being_imported_again():
        return WRONG_OPTION  # the process that has started this one says what is wrong
    ends, folder = REFUSALS, Path()
    try:
        options = parse_options(arguments, prog)
        plan = plan_run(options)
        if plan is None:
            assert options.run_dir is not None  # else there is nothing to find
            return report_finished(options.run_dir)
        from agents.runs.run import make_run, train  # loads torch: not before it is needed

        run = make_run(plan)
        ends, folder = ENDS, run.plan.folder
        finished = train(run)
    except Exception as error:
        for kind, code, text in ends:
            if isinstance(error, kind):
                message = speak_of_options(explain(text, error, folder), FIELDS)
                print(f"{prog}: error: {message}", file=sys.stderr)
                return code
        raise
    if finished is None:
        return 0  # the process that leads reports
    if finished.stopped_early:
        print("Stopped before the budget was spent; everything so far is saved.")
    report(finished.result, finished.majority, folder)
    return STOPPED if finished.stopped else 0


def report(result: Evaluation, majority: str | None, folder: Path) -> None:
    """Say what a training has come to, and where it is."""
    print(result.describe())
    is_known = result.dataset in ("mnist", "digits")  # of own images nobody knows it
    if majority is not None and not is_known:
        print(f"  for comparison: {majority}, the largest class of the training images")
    print(f"Run folder: {folder} (see gaze.png, curves.png, evaluation.json)")


def explain(text: str, error: Exception, folder: Path) -> str:
    """Return what the user is told of an error, and of what it has left in the run folder."""
    before = f"The checkpoint in {folder} is of before."
    resume = f"What was whole in {folder} still is: go on with `--resume {folder}`."
    return text.format(
        error=str(error) or "Python has none left",
        folder=folder,
        checkpoint=before if (folder / "checkpoint.zip").exists() else "No checkpoint is left.",
        resume=resume if (folder / CONFIG).exists() else "Nothing was written.",
    )


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
