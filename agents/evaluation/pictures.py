"""Where does a model look in the scenes that it is measured on? What a run folder shows of it."""

import pathlib

from agents.evaluation.frozen_scenes import FrozenScenes
from agents.looking.gazes import save_gaze_animation, save_gaze_grid
from agents.looking.play import Predictor

NUM_RIGHT, NUM_WRONG = 8, 4  # scenes in gaze.png
NUM_ANIMATED = 8  # scenes in gaze.gif


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
