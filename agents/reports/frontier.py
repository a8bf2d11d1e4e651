"""How much does looking less often cost? Error against glimpses, for all models that ship."""

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agents.base.figures import Figure, save_figure
from agents.base.files import write_atomically, write_json
from agents.base.pretrained import env_of_task, pretrained_rows
from agents.evaluation.curves import ERROR_TICKS, show_ticks
from agents.evaluation.frozen_scenes import FrozenScenes, Playback
from agents.evaluation.players import Player, player_of_pretrained, player_of_run
from agents.evaluation.provenance import describe_source
from agents.evaluation.result import markdown_table
from agents.looking.play import Predictor, glimpses_until
from agents.reports.guests import FREE
from ram_env.registration import CATCH_TASKS

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
COLORS = {"fixed": "#868E96", "belief": "#0072B2", "learned": "#D55E00"}
COMMAND = "python -m agents.evaluate --frontier"
# Of a task's arguments, those that a model which learned to stop may have of its own.
OWN = FREE | {"stop", "glimpse_cost", "num_glimpses", "observe_reach"}
OWN |= {"distortion", "elastic_distortion"}  # of training alone


class Point(NamedTuple):
    """What a rule for when to answer comes to."""

    # "fixed": after so many glimpses; "belief": once the belief reaches `value`; "learned": as the
    # model decides that has learned it where a glimpse costs so much.
    rule: str
    value: float
    mean_glimpses: float
    error: float  # in percent


def measure_frontier(scenes: FrozenScenes, model: Predictor) -> list[Point]:
    """Let a model play every scene once, and return what each rule for when to answer comes to."""
    played = Playback.of(scenes.playbacks(model))
    wrong, belief = played.is_wrong, played.beliefs.max(axis=2)  # (T, N)
    every = range(1, len(wrong) + 1)
    rules: list[tuple[str, float, np.ndarray]]
    rules = [("fixed", number, np.full(wrong.shape[1], number)) for number in every]
    rules += [("belief", value, glimpses_until(belief >= value)) for value in CONFIDENCES]
    points = []
    for rule, value, taken in rules:
        error = 100.0 * np.take_along_axis(wrong, taken[None] - 1, axis=0).mean()
        points.append(Point(rule, value, float(taken.mean()), float(error)))
    return points


def learned_point(player: Player) -> Point:
    """Return what a model comes to that decides itself when to answer."""
    task, result = player.scenes.task, player.measure()
    assert result.mean_glimpses is not None
    return Point("learned", task.glimpse_cost, result.mean_glimpses, result.error)


def task_key(player: Player) -> tuple[str, dict[str, Any]]:
    """Return what tells its task from others: the id of its env, and the arguments that matter."""
    task = player.scenes.task
    names = set(inspect.signature(type(task)).parameters) - OWN
    return player.scenes.env_id, {name: getattr(task, name) for name in names}


def check_stopping(learned: Mapping[Path, Player], shipped: Iterable[Player]) -> None:
    """Refuse runs that do not stop, or are of no task of a model that ships.

    Raises:
        ValueError: If there are any.
    """
    keys = [task_key(player) for player in shipped]
    for run, player in learned.items():
        if not player.scenes.task.stop:
            raise ValueError(
                f"`stopping` must name runs of an env with stop=True, got {run} of "
                f"{player.scenes.env_id} with stop=False."
            )
        if task_key(player) not in keys:
            raise ValueError(
                "`stopping` must name runs of tasks that a model of the package is of, got "
                f"{run} of {player.scenes.env_id} with {player.scenes.env_kwargs}."
            )


def write_frontier(
    folder: Path, split: str = "test", stopping: Iterable[Path] = (), **data: Any
) -> list[Path]:
    """Measure all models that ship and classify; write frontier.json, frontier.md and frontier.png.

    Args:
        folder: It must exist.
        split: `"validation"` or `"test"`.
        stopping: Run folders of models that have learned when to answer, at the same tasks.
        data: `dataset`, MNIST if not given, and `data_dir`.

    Returns:
        The files.

    Raises:
        ValueError: If there is no such data set, or a run does not stop or is of another task.
    """
    learned = {run: player_of_run(run, split, changes=data) for run in stopping}
    shipped = {
        name: player_of_pretrained(name, split, **data)
        for name in pretrained_rows()
        if env_of_task(name)[0] not in CATCH_TASKS
    }
    check_stopping(learned, shipped.values())
    frontier = {}
    for name, player in shipped.items():
        same_task = [it for it in learned.values() if task_key(it) == task_key(player)]
        frontier[name] = measure_frontier(player.scenes, player.model)
        frontier[name] += [learned_point(it) for it in same_task]
    files = [folder / f"frontier.{end}" for end in ("json", "md", "png")]
    rows = {name: [it._asdict() for it in points] for name, points in frontier.items()}
    write_json(files[0], rows)
    page = write_page(rows, f"{player.scenes.num_scenes:,} {split} scenes", describe_source())
    write_atomically(files[1], lambda file: file.write(page.encode()))
    save_figure(files[2], lambda: draw_frontier(frontier))
    return files


def write_page(rows: dict[str, list[dict[str, Any]]], scenes: str, source: dict[str, Any]) -> str:
    """Return the points of all models as a page of Markdown: one table."""
    columns = {
        "task": "{task}",
        "answers": "{when}",
        "glimpses on average": "{mean_glimpses:.2f}",
        "error": "{error:.2f} %",
    }
    when = {
        "fixed": "after {value}",
        "belief": "once it is {value:.4g} sure",
        "learned": "when it decides to, a glimpse costing {value:.4g}",
    }
    told = [
        {"task": f"`{name}`", "when": when[it["rule"]].format(**it), **it}
        for name, points in rows.items()
        for it in points
    ]
    introduction = (
        f"# Error against glimpses\n\nOf the models that come with the package, on {scenes} each: "
        "when the answer after a fixed number of glimpses counts, and when the first one counts "
        f"that the model believes in firmly enough. Written by `{COMMAND}` at {source['commit']} "
        f"on {source['machine']}.\n\n![Error against glimpses](frontier.png)\n"
    )
    return "\n".join([introduction, *markdown_table(columns, told)]) + "\n"


def draw_frontier(frontier: dict[str, list[Point]]) -> Figure:
    """Draw a panel per model: a line of points for each rule."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle("Error against glimpses: answering after a fixed number, or once sure")
    panels = figure.subplots(-(-len(frontier) // 2), 2, squeeze=False).flat
    for left_over in panels[len(frontier) :]:
        left_over.set_axis_off()
    for axes, (name, points) in zip(panels, frontier.items(), strict=False):
        for rule, color in COLORS.items():
            line = np.array(sorted(it[2:] for it in points if it.rule == rule))  # glimpses, error
            if not len(line):
                continue
            axes.plot(*line.T, "o-", color=color, markersize=4, label=rule)
        axes.set_title(name)
        axes.set_xlabel("glimpses on average")
        axes.set_ylabel("error / percent")
        axes.set_yscale("log")
        show_ticks(axes.yaxis, ERROR_TICKS)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure
