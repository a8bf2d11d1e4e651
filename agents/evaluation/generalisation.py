"""How does a trained model generalise, without being trained again?

It plays the test scenes with more glimpses, more clutter, larger canvases and other sizes of digits
than it was trained on; and, beside other models, on canvases of any size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from agents.base.figures import Figure
from agents.evaluation.curves import ERROR_TICKS, show_ticks
from agents.evaluation.frozen_scenes import FrozenScenes
from agents.evaluation.players import player_of_pretrained
from agents.evaluation.result import Evaluation, markdown_table, wilson_interval
from agents.looking.play import Predictor
from ram_env.data.images import ImageDataset
from ram_env.games.tasks import CanvasTask

NUM_GLIMPSES = 16
DISTRACTORS = (0, 1, 2, 4, 6, 8, 12, 16)
CANVASES = (60, 80, 100, 120, 160, 200)
SCALES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5)
COLOR = "#0072B2"
# Models that are measured on canvases of any size, and their colours: the last was trained on all.
SIDE_BY_SIDE = {"cluttered": "#868E96", "cluttered100": "#D55E00", "any": COLOR}
# Sides in pixels, and crops as clutter: none, four and eight as the tasks of these sides have them.
CLUTTER = ((28, 0), (60, 4), (60, 8), *((side, 8) for side in (100, 200, 400, 1000, 2000, 4000)))


@dataclass(frozen=True)
class Point:
    """Test error at one place of a sweep, with its 95 % interval, in percent."""

    x: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Sweep:
    """Test error as one thing changes."""

    name: str
    x_label: str
    trained_on: float  # where on the x axis the model was trained
    points: list[Point]


def measure_sweeps(
    model: Predictor, env_id: str, env_kwargs: dict[str, Any], num_scenes: int | None = None
) -> Iterator[Sweep]:
    """Measure a model on changed test scenes of its task, each sweep as it is asked for.

    They are the first `num_scenes`, all if None.
    """

    def measure(**changes: Any) -> Evaluation:
        scenes = FrozenScenes(env_id, env_kwargs | changes, "test", num_scenes)
        return scenes.evaluate(model)

    def measure_point(x: float, **changes: Any) -> Point:
        result = measure(**changes)
        return Point(x, result.error, result.low, result.high)

    task = FrozenScenes(env_id, env_kwargs, "test", num_scenes).task
    assert isinstance(task, CanvasTask)  # shipped models are of tasks on canvases
    points = _after_each_glimpse(measure(num_glimpses=NUM_GLIMPSES))
    yield Sweep("glimpses", "glimpses", task.num_glimpses, points)
    points = [measure_point(number, num_distractors=number) for number in DISTRACTORS]
    yield Sweep("distractors", "distractors", task.num_distractors, points)
    side = max(task.canvas_shape)
    sides = [size for size in CANVASES if size >= side] or [side]
    points = [measure_point(size, canvas_size=size) for size in sides]
    yield Sweep("canvas", "side of the canvas / pixels", side, points)
    points = []
    for scale in SCALES:  # all digits, those of the clutter too
        side = round(max(task.dataset.images.shape[1:]) * scale)
        if side <= min(task.canvas_shape):
            points.append(measure_point(scale, dataset=resized(task.dataset, side)))
    yield Sweep("size", "size of all digits, times MNIST's", 1.0, points)


def measure_sides(name: str, num_scenes: int | None = None, **data: Any) -> list[Evaluation]:
    """Measure a model of the package on the canvases of `CLUTTER`.

    Args:
        name: That of its task.
        num_scenes: The first so many of each; all if None.
        data: `dataset` and `data_dir`.
    """
    results = []
    for side, number in CLUTTER:
        changes = {"canvas_range": [side, side], "num_distractors": number, **data}
        results.append(player_of_pretrained(name, num_scenes=num_scenes, **changes).measure())
    return results


def _after_each_glimpse(result: Evaluation) -> list[Point]:
    points = []
    for number, error in enumerate(result.error_per_glimpse, start=1):
        num_errors = round(error / 100.0 * result.num_scenes)
        low, high = wilson_interval(num_errors, result.num_scenes)
        points.append(Point(number, error, 100.0 * low, 100.0 * high))
    return points


def resized(dataset: ImageDataset, side: int) -> ImageDataset:
    """Return a data set with its images made side x side pixels."""
    images = [
        np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
        for image in dataset.images
    ]
    return replace(dataset, images=np.stack(images))


def write_page(name: str, sweeps: list[Sweep], num_scenes: int, commit: str | None) -> str:
    """Return the sweeps of the model of a task as a page of Markdown: one table."""
    rows = [
        {"x_label": sweep.x_label, "mark": "trained on" * (point.x == sweep.trained_on)}
        | vars(point)
        for sweep in sweeps
        for point in sweep.points
    ]
    columns = {
        "what changes": "{x_label}",
        "to": "{x:g}",
        "test error": "**{error:.2f} %**",
        "interval": "{low:.2f} to {high:.2f}",
        "": "{mark}",
    }
    introduction = (
        f"# How the model of `{name}` generalises\n\nTest error of the model that comes with the "
        f"package, not trained again, on {num_scenes:,} test scenes, with its Wilson 95 % "
        f"interval. Written by `python -m agents.study --pretrained {name}` at {commit}.\n\n"
        "![Test error as one thing changes](picture.png)\n\n"
        "[The first scenes that it gets wrong](failures.png). [How many looks scenes take]"
        "(looks.md), [error against glimpses](frontier.md), and [canvases of any size](sides.md).\n"
    )
    return "\n".join([introduction, *markdown_table(columns, rows)]) + "\n"


def draw(sweeps: list[Sweep], title: str) -> Figure:
    """Draw a panel per sweep; a line marks what the model was trained on."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle(title)
    for axes, sweep in zip(figure.subplots(2, 2).flat, sweeps, strict=True):
        x, error, low, high = zip(*(vars(point).values() for point in sweep.points), strict=True)
        axes.plot(x, error, "o-", color=COLOR, markersize=4)
        axes.vlines(x, low, high, color=COLOR)
        axes.axvline(sweep.trained_on, color="#868E96", linestyle=":", label="trained on")
        axes.set_xlabel(sweep.x_label)
        axes.set_ylabel("test error / percent")
        axes.set_ylim(0, 1.2 * max(high))  # room for the legend
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def write_page_of_sides(results: Mapping[str, list[Evaluation]], commit: str | None) -> str:
    """Return the errors of models on canvases of any size as a page of Markdown: one table."""
    keys = [f"on{side}_{number}" for side, number in CLUTTER]
    rows = [
        {"model": name} | {key: it.error for key, it in zip(keys, of_model, strict=True)}
        for name, of_model in results.items()
    ]
    columns = {"model, side / crops": "`{model}`"} | {
        f"{side:,} / {number}": f"{{{key}:.2f}} %"
        for key, (side, number) in zip(keys, CLUTTER, strict=True)
    }
    (num_scenes,) = {it.num_scenes for of_model in results.values() for it in of_model}
    introduction = (
        "# Canvases of any size\n\nTest error of models that come with the package, not trained "
        f"again, on {num_scenes:,} test scenes of each side in pixels and number of crops as "
        "clutter: those of the registered tasks, and on 60 pixels, where `cluttered` has 4 crops, "
        f"twice as many too. Written by `python -m agents.study --sides` at {commit}.\n\n"
        "![Error against the side of the canvas](sides.png)\n"
    )
    return "\n".join([introduction, *markdown_table(columns, rows)]) + "\n"


def draw_sides(results: Mapping[str, list[Evaluation]], title: str) -> Figure:
    """Draw the error of each model against the side of the canvas, with its interval."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title)
    sides = [side for side, _ in CLUTTER]
    for name, of_model in results.items():
        color = SIDE_BY_SIDE[name]
        axes.plot(sides, [it.error for it in of_model], "o-", color=color, label=name)
        axes.vlines(sides, [it.low for it in of_model], [it.high for it in of_model], color=color)
    axes.set_xscale("log")
    show_ticks(axes.xaxis, sorted(set(sides)))
    axes.set_yscale("log")
    show_ticks(axes.yaxis, ERROR_TICKS)
    axes.set_xlabel("side of the canvas / pixels")
    axes.set_ylabel("test error / percent")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
