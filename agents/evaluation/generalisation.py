"""How a trained model generalises, without being trained again.

    python -m agents.evaluation.generalisation --pretrained cluttered

plays the test scenes with more glimpses, more clutter, larger canvases and other sizes of digits
than the model was trained on, and leaves study.json, study.png and failures.png.
"""

import argparse
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from agents.evaluation.frozen_scenes import FrozenScenes, Predictor
from agents.evaluation.pictures import save_gaze_grid
from agents.evaluation.provenance import describe_source
from agents.evaluation.result import wilson_interval
from agents.files import make_folder, write_atomically, write_json
from agents.model.ram import RAM
from ram_env import SHORT_NAMES
from ram_env.data.datasets import ImageDataset
from ram_env.data.idx import IDX_FILES, TEST_IMAGES, TRAIN_IMAGES

NUM_GLIMPSES = 16
DISTRACTORS = (0, 1, 2, 4, 6, 8, 12, 16)
CANVASES = (60, 80, 100, 120, 160, 200)
SCALES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5)
NUM_FAILURES = 12
COLOR = "#0072B2"


@dataclass(frozen=True)
class Point:
    """Test error at one place of a curve, with its 95 % interval, in percent."""

    x: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """Test error as one thing changes."""

    name: str
    x_label: str
    trained_on: float  # where on the x axis the model was trained
    points: list[Point]


class Study:
    """Measures the curves of one model.

    Args:
        model: Trained on the task.
        env_id: A registered id, the task.
        env_kwargs: Arguments of it.
        num_scenes: The first so many test scenes; all if None.
    """

    def __init__(
        self,
        model: Predictor,
        env_id: str,
        env_kwargs: dict[str, Any],
        num_scenes: int | None = None,
    ) -> None:
        """Make the scenes as the model knows them."""
        self._model, self._env_id, self._env_kwargs = model, env_id, env_kwargs
        self._num_scenes = num_scenes
        self.scenes = self._make_scenes()
        self._task = self.scenes.task

    def curves(self) -> Iterator[Curve]:
        """Measure the curves, each as it is asked for."""
        yield self._glimpses()
        points = [self._point(number, num_distractors=number) for number in DISTRACTORS]
        yield Curve("distractors", "distractors", self._task.num_distractors, points)
        side = max(self._task.canvas_shape)
        points = [self._point(size, canvas_size=size) for size in CANVASES if size >= side]
        yield Curve("canvas", "side of the canvas / pixels", side, points)
        yield Curve("size", "size of all digits, times MNIST's", 1.0, list(self._sizes()))

    def _make_scenes(self, **changes: Any) -> FrozenScenes:
        env_kwargs = self._env_kwargs | changes
        return FrozenScenes(self._env_id, env_kwargs, "test", self._num_scenes)

    def _point(self, x: float, **changes: Any) -> Point:
        """Measure with some arguments of the env changed."""
        result = self._make_scenes(**changes).evaluate(self._model)
        return Point(x, result.error, result.low, result.high)

    def _glimpses(self) -> Curve:
        """Measure the error after each glimpse of long episodes."""
        result = self._make_scenes(num_glimpses=NUM_GLIMPSES).evaluate(self._model)
        points = []
        for number, error in enumerate(result.error_per_glimpse, start=1):
            num_errors = round(error / 100.0 * result.num_scenes)
            low, high = wilson_interval(num_errors, result.num_scenes)
            points.append(Point(number, error, 100.0 * low, 100.0 * high))
        return Curve("glimpses", "glimpses", self._task.num_glimpses, points)

    def _sizes(self) -> Iterator[Point]:
        """Measure with all digits, those of the clutter too, made smaller and larger."""
        for scale in SCALES:
            side = round(max(self._task.dataset.images.shape[1:]) * scale)
            if side <= min(self._task.canvas_shape):
                with resized_set(self._task.dataset, side) as folder:
                    yield self._point(scale, dataset="idx", data_dir=folder)


@contextmanager
def resized_set(dataset: ImageDataset, side: int) -> Iterator[str]:
    """Write a data set with its images resized into IDX files; return their folder for a while."""
    images = np.stack(
        [
            np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
            for image in dataset.images
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in IDX_FILES:  # a set is whole with its training files, which nobody reads here
            is_images = name in (TEST_IMAGES, TRAIN_IMAGES)
            array = images if is_images else dataset.labels.astype(np.uint8)
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            Path(folder, name).write_bytes(header + array.tobytes())
        yield folder


def draw(curves: list[Curve], title: str) -> Figure:
    """Draw a panel per curve; a line marks what the model was trained on."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle(title)
    for axes, curve in zip(figure.subplots(2, 2).flat, curves, strict=True):
        x = [point.x for point in curve.points]
        axes.plot(x, [point.error for point in curve.points], "o-", color=COLOR, markersize=4)
        axes.vlines(
            x,
            [point.low for point in curve.points],
            [point.high for point in curve.points],
            color=COLOR,
        )
        axes.axvline(curve.trained_on, color="#868E96", linestyle=":", label="trained on")
        axes.set_xlabel(curve.x_label)
        axes.set_ylabel("test error / percent")
        axes.set_ylim(0, 1.2 * max(point.high for point in curve.points))  # room for the legend
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def save(name: str, model: RAM, env_id: str, folder: Path, num_scenes: int | None = None) -> None:
    """Measure a model of a task on MNIST; write study.json, study.png and failures.png.

    Args:
        name: Of the model, for titles.
        model: To study.
        env_id: A registered id.
        folder: Where to write; it must exist.
        num_scenes: The first so many test scenes; all if None.
    """
    study = Study(model, env_id, {"dataset": "mnist"}, num_scenes)
    curves = []
    for curve in study.curves():
        curves.append(curve)
        shown = ", ".join(f"{point.x:g}: {point.error:.2f} %" for point in curve.points)
        print(f"{curve.x_label}: {shown}", flush=True)
    title = f"{name}: not trained again, {study.scenes.num_scenes:,} test scenes"
    figure = draw(curves, title)
    write_json(
        folder / "study.json",
        {"model": name, **describe_source(), "curves": [asdict(curve) for curve in curves]},
    )
    write_atomically(folder / "study.png", lambda file: figure.savefig(file, format="png", dpi=110))
    failures = study.scenes.record(model, 0, NUM_FAILURES)
    save_gaze_grid(folder / "failures.png", failures, f"{name}: the first scenes it gets wrong")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m agents.evaluation.generalisation",
        description="Measure how a model that comes with the package generalises.",
    )
    add = parser.add_argument
    add("--pretrained", metavar="TASK", default="cluttered", help="(default: cluttered)")
    add("--out", type=Path, default=Path("results"), metavar="DIR", help="(default: results)")
    options = parser.parse_args(arguments)
    try:
        model = RAM.from_pretrained(options.pretrained, device="cpu")
        make_folder(options.out, "--out")  # first: to measure takes long
        save(options.pretrained, model, SHORT_NAMES[options.pretrained], options.out)
    except (ValueError, gym.error.Error) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
