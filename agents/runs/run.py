"""How does a training run go, from its plan to a finished run folder?"""

import dataclasses
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat

from agents.base.files import (
    CONFIG,
    EVALUATION,
    MODEL,
    is_finished,
    lock_folder,
    new_folder,
    read_json,
    remove_leftovers,
    write_json,
)
from agents.base.processes import agree, all_same, launched, rank
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.pictures import draw_run
from agents.evaluation.provenance import describe_data, describe_source
from agents.evaluation.result import Evaluation, Majority, describe_dataset
from agents.runs.callbacks import Checkpoint, GracefulStop, ProgressBar, SpeedMeter, Validation
from agents.runs.learners import Learner, RAMLearner, make_learner
from agents.runs.plan import Plan, check_folder, check_shares
from agents.runs.team import join_launched_team, leave_signals_to_leader, local_team, plan_team
from agents.sb3.log import ProgressCSV, seconds_trained
from ram_env.games.record import TaskRecord

NUM_VALIDATIONS = 20  # in the course of a run, but fewer if it is short:
MIN_VALIDATION_EPISODES = 10_000


class Run(NamedTuple):
    """A run that is ready to begin."""

    plan: Plan  # with processes, threads and devices dealt out
    learner: Learner  # the envs and the model
    scenes: dict[str, FrozenScenes]  # by split; empty in a process that only helps


class Finished(NamedTuple):
    """How a run ended."""

    result: Evaluation  # on the test scenes
    stopped_early: bool  # whether the user stopped it before the budget was spent
    stopped: bool  # whether the user wants to stop, early or not
    majority: str | None  # what always answering the largest class comes to, if there is one


def make_run(plan: Plan) -> Run:
    """Make all that a plan asks for; if it names no folder also that, and write nothing yet.

    Raises:
        ValueError: If an option is impossible, or `torchrun` has started processes with others.
        MemoryError: If it does not fit into memory.
    """
    dealt = plan_team(plan.processes, plan.threads, plan.device, plan.num_envs)
    plan = dataclasses.replace(
        plan, processes=dealt.processes, threads=dealt.threads, device=dealt.device
    )
    check_shares(plan)  # again, now that it is clear how many processes there are
    torch.set_num_threads(dealt.threads)
    learner = make_learner(plan)
    launch = launched()
    if launch is not None:
        join_launched_team(launch, learner.model.device)
        if not all_same(repr(shared(plan))):
            raise ValueError(
                "all processes must be started with the same options, got different ones."
            )
    leads = rank() == 0  # `torchrun` starts others beside it
    scenes = {
        split: FrozenScenes(plan.env_id, learner.env_kwargs, split, memory=plan.memory)
        for split in (("validation", "test") if leads else ())
    }
    if leads and plan.options.run_dir is None and not plan.goes_on:
        plan = dataclasses.replace(plan, folder=new_folder(plan.folder))
    return Run(plan, learner, scenes)


def train(run: Run) -> Finished | None:
    """Train, evaluate and draw; leave everything in the run folder.

    Returns:
        How it ended; None in a process that helps another one.

    Raises:
        FileExistsError: If another process is writing to the run folder.
        DivergenceError: If a number is not finite any more.
        TeamError: If a process that shares the training has ended.
        OSError: If the run folder cannot be written to.
    """
    plan, learner, scenes = run
    if not scenes:
        with team(plan):
            help_to_learn(plan, learner)
        return None
    print(f"{title_of(plan, learner)}: writing to {plan.folder}", flush=True)
    with team(plan):
        episodes = choose_budget(plan, learner, scenes["validation"])
        plan.folder.mkdir(parents=True, exist_ok=True)
        with lock_folder(plan.folder), GracefulStop() as stop:
            begin(plan, learner)
            validation = learn(run, episodes, stop)
            # What is stopped from here on had its whole budget.
            stopped_early = stop.stopped and learner.episodes_done < episodes
            result, majority = measure(run, validation, stopped_early)
            draw(run, result)
    learner.env.close()
    return Finished(result, stopped_early, stop.stopped, majority)


def title_of(plan: Plan, learner: Learner) -> str:
    """Return what is played, on which data."""
    return f"{plan.task_name}, {describe_dataset(learner.task.data_name)}"


def begin(plan: Plan, learner: Learner) -> None:
    """Go on with what lies in the folder, take its place, or begin in an empty one."""
    if plan.goes_on:
        learner.go_on()
    elif plan.replaces and not is_finished(plan.folder):
        remove_run(plan.folder)
    else:
        check_folder(plan.folder)  # again, now that nobody else can write
    remove_leftovers(plan.folder)


def learn(run: Run, episodes: int, stop: GracefulStop) -> Validation:
    """Learn until the budget is spent or somebody stops it; return how it was validated."""
    plan, learner, scenes = run

    def count() -> int:
        return learner.episodes_done

    bar = ProgressBar(episodes, count, plan.task_name)
    every = episodes_per_validation(plan, episodes)
    validation = Validation(scenes["validation"], every, bar, count)
    # As it is measured, not as it is learned.
    record = TaskRecord.of(scenes["test"].task, plan.env_id)
    if isinstance(learner, RAMLearner):
        learner.model.task = record
    save = partial(learner.save_checkpoint, plan.folder)
    checkpoint = Checkpoint(save, plan.options.checkpoint_seconds)
    with log_of(plan, learner, episodes, validation, record), closing(bar):
        learner.learn(episodes, [bar, validation, checkpoint, stop])
    return validation


def measure(run: Run, validation: Validation, stopped_early: bool) -> tuple[Evaluation, str | None]:
    """Save the model, and its error on the test scenes; return that, and what to compare it to."""
    folder, learner, scenes = run.plan.folder, run.learner, run.scenes
    majority, compared = None, None
    seconds = seconds_trained(learner.model)
    learner.save(folder / MODEL)
    result, answer = scenes["test"].evaluate(learner.model), learner.task.usual_answer()
    if answer is not None:
        majority = Majority.of(answer, scenes["test"].labels)
        name = learner.task.class_names[majority.label]
        compared = f"{majority.error:.2f} % by always answering {name}"
    content = dataclasses.asdict(result) | {
        "majority_error": None if majority is None else majority.error,
        "validation_error": validation.latest.error if validation.latest else None,
        "episodes": learner.episodes_done,
        "training_seconds": round(seconds, 1),
        "stopped_early": stopped_early,
        **learner.describe_size(),
        "protocol": "one deterministic pass, last weights, frozen scenes",
    }
    write_json(folder / EVALUATION, content)
    return result, compared


def draw(run: Run, result: Evaluation) -> None:
    """Draw the run, last: whatever becomes of its pictures, it is finished."""
    folder, learner, scenes = run.plan.folder, run.learner, run.scenes["test"]
    title = title_of(run.plan, learner)
    title += f": {result.error:.2f} % error on {result.num_scenes:,} test scenes"
    try:
        draw_run(folder, scenes, learner.model, folder, title)
    except Exception as error:
        warnings.warn(
            f"its pictures could not be drawn ({error!r}): try `ram-env show {folder}`.",
            stacklevel=2,
        )


@contextmanager
def team(plan: Plan) -> Iterator[None]:
    """Learn together with other processes for a while, if the plan has several."""
    if launched() is not None:  # `make_run` has joined the others
        try:
            yield
        finally:
            dist.destroy_process_group()
        return
    assert plan.processes is not None  # dealt out
    with local_team(plan.processes, follow, plan):
        yield


def shared(plan: Plan) -> Plan:
    """Return the plan without what may differ between processes of several machines."""
    options = dataclasses.replace(
        plan.options, run_dir=None, resume=None, device="auto", threads=None, env_kwargs={}
    )
    kwargs = {key: value for key, value in plan.env_kwargs.items() if key != "data_dir"}
    return dataclasses.replace(
        plan, options=options, folder=Path(), device="", threads=0, env_kwargs=kwargs
    )


def follow(plan: Plan) -> None:
    """Be one of the processes that `local_team` has started to help."""
    torch.set_num_threads(plan.threads or 1)
    help_to_learn(plan, make_learner(plan))


def help_to_learn(plan: Plan, learner: Learner) -> None:
    """Learn beside the process that leads; write nothing."""
    leave_signals_to_leader()
    episodes = choose_budget(plan, learner)
    if plan.goes_on:
        learner.go_on()
    learner.model.set_logger(Logger(None, []))
    learner.learn(episodes, [])


def episodes_per_validation(plan: Plan, episodes: int) -> int:
    """Return after how many episodes each a run of so many is validated."""
    usual = max(episodes // NUM_VALIDATIONS, MIN_VALIDATION_EPISODES)
    return plan.options.validation_episodes or usual


def choose_budget(plan: Plan, learner: Learner, validation: FrozenScenes | None = None) -> int:
    """Return the number of episodes, in whole batches, that the budget buys.

    Minutes pay for the validations too, with at most half of them. Who helps another process has
    no validation scenes, and trains as many episodes as that one.
    """
    size = learner.episodes_per_batch
    if plan.episodes is None:
        seconds = 60.0 * plan.options.minutes
        speed = measure_speed(learner.model, learner.task.num_glimpses)
        if validation is not None:
            episodes = round(speed * seconds)
            number = 1 + episodes // episodes_per_validation(plan, episodes)
            seconds -= min(number * measure_validation(validation, learner.model), seconds / 2)
        batches = max(1, round(speed * seconds / size))
        learner.renew()
    else:
        batches = math.ceil(plan.episodes / size)
    return round(agree(batches)) * size


def measure_speed(model: BaseAlgorithm, num_glimpses: int, seconds: float = 3.0) -> float:
    """Train a model that is thrown away for a moment: episodes per second."""
    meter = SpeedMeter(seconds)
    model.set_logger(Logger(None, []))  # its own would leave an empty folder behind
    # A schedule far longer than the moment, so that it does not end first.
    model.learn(10**9, meter, log_interval=10**9)
    return agree(meter.steps_per_second) / num_glimpses


def measure_validation(scenes: FrozenScenes, model: BaseAlgorithm) -> float:
    """Return how many seconds a validation takes."""
    started = time.perf_counter()
    scenes.evaluate(model)
    return time.perf_counter() - started


def remove_run(folder: Path) -> None:
    """Remove the files of a run."""
    for name in ("checkpoint.zip", MODEL, "progress.csv", EVALUATION, CONFIG):
        (folder / name).unlink(missing_ok=True)
    for pattern in ("events.out.tfevents.*", "*.png", "*.gif"):
        for path in folder.glob(pattern):
            path.unlink()


@contextmanager
def log_of(
    plan: Plan,
    learner: Learner,
    episodes: int,
    validation: Validation,
    record: TaskRecord | None,
) -> Iterator[None]:
    """Begin, or go on with, the files that say what happens in the run."""
    folder, facts = plan.folder, learner.describe() | describe_source()
    if plan.goes_on:
        config, done = read_json(folder / CONFIG), learner.episodes_done
        config["resumed"] = [*config.get("resumed", []), {"episodes": done} | facts]
        keep = validation.rows_to_keep(done, episodes, learner.episodes_per_batch)
    else:
        facts |= describe_data(learner.task)
        if record is not None:
            facts["task"] = record.to_json()
        config, keep = plan.to_json() | {"episodes": episodes} | facts, None
    config["env_kwargs"] = learner.env_kwargs  # with where the images were found
    write_json(folder / CONFIG, config)
    progress = ProgressCSV(folder / "progress.csv", learner.columns, keep)
    learner.model.set_logger(Logger(str(folder), [progress, TensorBoardOutputFormat(str(folder))]))
    try:
        yield
    finally:
        learner.model.logger.close()
