"""Where does a model look in the scenes that it is measured on, and how many looks do they take?

What a run folder shows of it; and what the scenes have in common that take few looks, or many.
"""

import pathlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.frozen_scenes import FrozenScenes, Playback
from agents.evaluation.result import markdown_table
from agents.looking.gazes import save_gaze_animation, save_gaze_grid, save_scene_rows
from agents.looking.play import Predictor
from ram_env.games.tasks import CanvasTask
from ram_env.geometry import location_to_pixel

NUM_RIGHT, NUM_WRONG = 8, 4  # scenes in gaze.png
NUM_ANIMATED = 8  # scenes in gaze.gif
NUM_EASY = NUM_HARD = 8  # scenes in looks.png
CONFIDENCE = 0.99  # that ends a scene there
PART = 100  # canvases that are drawn at once


@dataclass(frozen=True)
class Group:
    """Some scenes, and what holds for them on average."""

    kind: str  # "all"; "after" so many looks; of a "class"; a single "easiest" or "hardest" one
    value: int | str  # the number of looks, the name of the class, the number of the scene
    num_scenes: int
    looks: float  # until the answer
    error: float  # in percent
    distance: float  # of the first look from the centre of the image, in pixels
    clutter: float  # that lies in the box of the image, in white pixels
    looks_alone: float  # where the same image lies on the same canvas without any clutter
    error_alone: float


def draw_gazes(
    scenes: FrozenScenes,
    model: Predictor,
    folder: pathlib.Path,
    title: str,
    confidence: float | None = None,
) -> list[pathlib.Path]:
    """Draw how a model plays its first scenes, some right and some wrong; return the files.

    They are gaze.png and gaze.gif in a folder that must exist, with a title of one line. With a
    confidence each scene ends as `FrozenScenes.evaluate` has it.
    """
    episodes = scenes.record(model, NUM_RIGHT, NUM_WRONG, confidence)
    grid, animation = folder / "gaze.png", folder / "gaze.gif"
    save_gaze_grid(grid, episodes, title)
    save_gaze_animation(animation, episodes[:NUM_ANIMATED], title)
    return [grid, animation]


def draw_run(
    run: pathlib.Path | None,
    scenes: FrozenScenes,
    model: Predictor,
    folder: pathlib.Path,
    title: str,
) -> list[pathlib.Path]:
    """Draw how the model of a run plays, as `draw_gazes` does; return the files.

    If there is a run folder and its log is there, curves.png shows how it has learned.
    """
    files = draw_gazes(scenes, model, folder, title)
    if run is not None and (run / "progress.csv").exists():
        from agents.evaluation.curves import save_curves  # matplotlib takes a while to load

        files.append(folder / "curves.png")
        save_curves(files[-1], run / "progress.csv", title)
    return files


def measure_looks(
    model: Predictor, scenes: FrozenScenes, confidence: float = CONFIDENCE
) -> list[Group]:
    """Measure how many looks scenes on a canvas take, and what may have made them hard.

    Args:
        model: What plays.
        scenes: Of a task whose canvases have one size.
        confidence: A scene ends once the belief in a class reaches this.

    Returns:
        All scenes; those of each number of looks, and of each class; the easiest, which took the
        fewest looks, the surest first; the hardest, which took the most, the least sure first.
    """
    played = Playback.of(scenes.playbacks(model, confidence))
    without = scenes.env_kwargs | {"num_distractors": 0}
    alone = FrozenScenes(scenes.env_id, without, scenes.split, scenes.num_scenes)
    played_alone = Playback.of(alone.playbacks(model, confidence))
    facts = {
        "looks": played.num_glimpses,
        "error": 100.0 * played.held(played.is_wrong)[-1],
        **_measure_scenes(scenes, alone),
        "looks_alone": played_alone.num_glimpses,
        "error_alone": 100.0 * played_alone.held(played_alone.is_wrong)[-1],
    }
    looks, labels, numbers = played.num_glimpses, scenes.labels, np.arange(scenes.num_scenes)
    order = np.lexsort((-played.held(played.beliefs.max(axis=2))[-1], looks)).tolist()
    members: dict[tuple[str, int | str], np.ndarray] = {("all", "scenes"): numbers >= 0}
    members |= {("after", number): looks == number for number in np.unique(looks).tolist()}
    names = scenes.task.class_names
    members |= {("class", names[it]): labels == it for it in np.unique(labels).tolist()}
    members |= {("easiest", number): numbers == number for number in order[:NUM_EASY]}
    members |= {("hardest", number): numbers == number for number in order[::-1][:NUM_HARD]}
    groups = []
    for (kind, value), rows in members.items():
        means: dict[str, Any] = {name: float(it[rows].mean()) for name, it in facts.items()}
        groups.append(Group(kind, value, int(rows.sum()), **means))
    return groups


def _measure_scenes(scenes: FrozenScenes, alone: FrozenScenes) -> dict[str, np.ndarray]:
    """Return distance and clutter of each scene, float64 (N,): see `Group`."""
    task, task_alone = scenes.task, alone.task
    assert isinstance(task, CanvasTask) and isinstance(task_alone, CanvasTask)
    frozen = task.frozen_scenes(np.arange(scenes.num_scenes))
    plans = task.make_scenes(1).plan(frozen["scene_seed"], frozen["index"])
    centres = plans.box[:, :2] + plans.box[:, 2:] // 2
    first = location_to_pixel(plans.location, task.canvas_shape)
    return {
        "distance": np.linalg.norm(first - centres, axis=1),
        "clutter": _ink(task, plans.box) - _ink(task_alone, plans.box),
    }


def _ink(task: CanvasTask, boxes: np.ndarray) -> np.ndarray:
    """Return how much there is in a box of each frozen scene, in white pixels, float64 (N,)."""
    ink: list[float] = []
    for start in range(0, len(boxes), PART):
        part = boxes[start : start + PART]
        frozen = task.frozen_scenes(np.arange(start, start + len(part)))
        canvases, _ = task.draw_scenes(frozen["scene_seed"], frozen["index"])
        for canvas, (row, column, height, width) in zip(canvases, part, strict=True):
            ink.append(canvas[row : row + height, column : column + width].sum() / 255.0)
    return np.array(ink)


def draw_looks(
    path: pathlib.Path,
    model: Predictor,
    scenes: FrozenScenes,
    groups: list[Group],
    title: str,
    confidence: float = CONFIDENCE,
) -> None:
    """Draw the easiest scenes and the hardest, as `measure_looks` has found them with a model."""
    heads = {
        "easiest": "The easiest: the fewest looks, of those the surest",
        "hardest": "The hardest: the most looks, of those the least sure",
    }
    rows = {}
    for kind, head in heads.items():
        numbers = np.array([it.value for it in groups if it.kind == kind])
        rows[head] = scenes.replay(model, numbers, confidence)
    save_scene_rows(path, rows, title)


def write_page_of_looks(
    name: str, groups: list[Group], scenes: FrozenScenes, source: str | None
) -> str:
    """Return how many looks the scenes of a task took as a page of Markdown: one table."""
    columns = {
        "answered": "{kind} {value}",
        "scenes": "{num_scenes:,}",
        "error": "**{error:.2f} %**",
        "looks": "{looks:.2f}",
        "first look away": "{distance:.1f}",
        "clutter": "{clutter:.1f}",
        "looks, alone": "{looks_alone:.2f}",
        "error, alone": "{error_alone:.2f} %",
    }
    introduction = (
        f"# How many looks scenes take\n\nThe model of `{name}` that comes with the package looks "
        f"at {scenes.num_scenes:,} {scenes.split} scenes until it believes in a class with "
        f"{CONFIDENCE:g} or more, at most {scenes.task.num_glimpses} times. Written by `python -m "
        f"agents.study --pretrained {name} --looks` at {source}.\n\n"
        "![The easiest scenes and the hardest](looks.png)\n\n"
        "On average: how far the first look, at a random place, is away from the centre of the "
        "digit, in pixels; how much clutter lies on or beside the digit within its box, in white "
        "pixels; and what the same digits at the same places take without any clutter. Below, the "
        "scenes of the picture, by their numbers.\n"
    )
    return "\n".join([introduction, *markdown_table(columns, [vars(it) for it in groups])]) + "\n"
