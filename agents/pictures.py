"""Pictures of a run: where the agent looked, as a grid and as an animation, and how it learned."""

import csv
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator, PercentFormatter
from PIL import Image, ImageDraw, ImageOps

from ram_env.rendering import (
    BACKGROUND,
    BAR,
    INK,
    MUTED,
    RIGHT,
    TRACK,
    WRONG,
    Color,
    EpisodeView,
    draw_retina,
    draw_scene,
    fit,
    load_font,
    render_episode,
)

LEGEND = (
    "The agent never sees the whole scene: it looks at one place after another, then answers.\n"
    "Gaze: the numbered places it looked at, with all windows of its retina at the last one.\n"
    "Glimpses: what its retina saw there, sharp in the middle and coarse around, framed in the "
    "colour of the number.\n"
    "Bars: its belief in each class so far, the true class in green; below, the class it would "
    "answer now, and how surely."
)
SCENE, CELL, ANSWER, GAP, MARGIN = 180, 96, 96, 10, 24  # pixels
BARS = 44  # pixels: the height of the belief under a glimpse
MAX_CELLS = 10  # glimpses shown per episode
TITLE_BAND = 36  # pixels, above each frame of the animation
FRAME_MS, LAST_FRAME_MS = 700, 2500
EPISODES = "time/episodes"
ERROR_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # percent
LOSSES = {"classification": "#0072B2", "policy": "#D55E00", "baseline": "#009E73"}


@dataclass(frozen=True, eq=False)
class EpisodeRecord:
    """One finished episode: what was there, where the agent looked, what it believed."""

    canvas: np.ndarray  # uint8 (H, W)
    locations: np.ndarray  # float32 (T, 2), (x, y) in [-1, 1]
    glimpses: np.ndarray  # float32 (T, K, g, g) in [0, 1], finest scale first
    beliefs: np.ndarray  # float32 (T, C), probabilities after each glimpse
    label: int  # the truth

    @property
    def prediction(self) -> int:
        """The class most believed in after the last glimpse."""
        return int(self.beliefs[-1].argmax())

    def view(self, num_seen: int) -> EpisodeView:
        """Return what can be drawn after `num_seen` glimpses, 1..T."""
        num_glimpses = len(self.locations)
        return EpisodeView(
            canvas=self.canvas,
            locations=self.locations[:num_seen],
            glimpses=self.glimpses[:num_seen],
            num_glimpses=num_glimpses,
            label=self.label,
            belief=self.beliefs[num_seen - 1],
            prediction=self.prediction if num_seen == num_glimpses else None,
        )


def save_gaze_grid(
    path: str | os.PathLike[str], episodes: Sequence[EpisodeRecord], title: str
) -> None:
    """Save a PNG with one row per episode: scene and path, each glimpse with the belief, answer.

    Of episodes with more than ten glimpses, ten spread evenly from first to last are shown.

    Args:
        path: The file to write.
        episodes: At least one, all of one task.
        title: Task, data set and error, in one line.

    Raises:
        ValueError: If there are no episodes.
    """
    _require_episodes(episodes)
    num_glimpses = len(episodes[0].locations)
    count = min(num_glimpses, MAX_CELLS)
    shown = [int(number) for number in np.linspace(1, num_glimpses, count).round()]
    texts = [_draw_text(title, 26, INK), _draw_text(LEGEND, 14, MUTED), _draw_heads(shown)]
    rows = [_draw_row(episode, shown) for episode in episodes]
    sheet = _stack([*texts, *rows], vertical=True)
    framed = ImageOps.expand(sheet, MARGIN, BACKGROUND)
    _write(path, lambda file: framed.save(file, "PNG"))


def _draw_text(text: str, size: int, color: Color) -> Image.Image:
    font = load_font(size)
    canvas = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    _, _, right, bottom = canvas.multiline_textbbox((0, 0), text, font, spacing=5)
    image = Image.new("RGB", (ceil(right), ceil(bottom)), BACKGROUND)
    ImageDraw.Draw(image).multiline_text((0, 0), text, color, font, spacing=5)
    return image


def _draw_heads(shown: Sequence[int]) -> Image.Image:
    widths = [SCENE, SCENE, *(CELL for _ in shown), ANSWER]
    texts = ["scene", "gaze", *(f"glimpse {number}" for number in shown), "answer"]
    heads = []
    for width, text in zip(widths, texts, strict=True):
        heads.append(Image.new("RGB", (width, 30), BACKGROUND))
        ImageDraw.Draw(heads[-1]).text((width / 2, 20), text, INK, load_font(14), anchor="mm")
    return _stack(heads)


def _draw_row(episode: EpisodeRecord, shown: Sequence[int]) -> Image.Image:
    scene = ImageOps.pad(fit(episode.canvas, SCENE), (SCENE, SCENE), color=BACKGROUND)
    gaze = draw_scene(episode.view(len(episode.locations)), SCENE)
    glimpses = [_draw_glimpse(episode.view(number)) for number in shown]
    return _stack([scene, gaze, *glimpses, _draw_answer(episode)])


def _draw_glimpse(view: EpisodeView) -> Image.Image:
    """Draw what the retina saw, bars of the belief after it, and the class believed in most."""
    cell = Image.new("RGB", (CELL, SCENE), BACKGROUND)
    cell.paste(draw_retina(view, CELL), (0, 0))
    draw = ImageDraw.Draw(cell)
    belief = np.asarray(view.belief)
    bottom = SCENE - 24
    edges = [round(edge) for edge in np.linspace(0, CELL, len(belief) + 1)]
    for label, (left, right) in enumerate(pairwise(edges)):
        top = bottom - round(float(belief[label]) * BARS)
        draw.rectangle((left, bottom - BARS, max(left, right - 2), bottom), TRACK)
        color = RIGHT if label == view.label else BAR
        draw.rectangle((left, top, max(left, right - 2), bottom), color)
    best = int(belief.argmax())
    text = f"{best}  ({belief[best]:.2f})"
    draw.text((CELL / 2, SCENE - 10), text, INK, load_font(14), anchor="mm")
    return cell


def _draw_answer(episode: EpisodeRecord) -> Image.Image:
    image = Image.new("RGB", (ANSWER, SCENE), BACKGROUND)
    draw = ImageDraw.Draw(image)
    right = episode.prediction == episode.label
    color = RIGHT if right else WRONG
    verdict = "right" if right else f"wrong, it is {episode.label}"
    draw.text((ANSWER / 2, 56), str(episode.prediction), color, load_font(56), anchor="mm")
    draw.text((ANSWER / 2, 100), verdict, color, load_font(14), anchor="mm")
    return image


def _stack(images: Sequence[Image.Image], vertical: bool = False) -> Image.Image:
    """Put images side by side, or below each other, `GAP` pixels apart."""
    axis = 1 if vertical else 0
    size = [max(image.size[i] for image in images) for i in (0, 1)]
    size[axis] = sum(image.size[axis] + GAP for image in images) - GAP
    sheet = Image.new("RGB", (size[0], size[1]), BACKGROUND)
    corner = [0, 0]
    for image in images:
        sheet.paste(image, (corner[0], corner[1]))
        corner[axis] += image.size[axis] + GAP
    return sheet


def save_gaze_animation(
    path: str | os.PathLike[str], episodes: Sequence[EpisodeRecord], title: str
) -> None:
    """Save a GIF that plays the episodes glimpse by glimpse, for ever.

    Args:
        path: The file to write.
        episodes: At least one.
        title: Task, data set and error, in one line, shown above every frame.

    Raises:
        ValueError: If there are no episodes.
    """
    _require_episodes(episodes)
    frames, durations = [], []
    for episode in episodes:
        num_glimpses = len(episode.locations)
        frames += [_draw_frame(episode.view(seen + 1), title) for seen in range(num_glimpses)]
        durations += [FRAME_MS] * (num_glimpses - 1) + [LAST_FRAME_MS]
    options: dict[str, Any] = {"append_images": frames[1:], "duration": durations, "loop": 0}
    _write(path, lambda file: frames[0].save(file, "GIF", save_all=True, **options))


def _draw_frame(view: EpisodeView, title: str) -> Image.Image:
    """Draw a frame of the animation, in at most 256 colours of its own, without dithering."""
    picture = Image.fromarray(render_episode(view))
    frame = Image.new("RGB", (picture.width, picture.height + TITLE_BAND), BACKGROUND)
    frame.paste(picture, (0, TITLE_BAND))
    ImageDraw.Draw(frame).text((12, TITLE_BAND / 2), title, INK, load_font(17), anchor="lm")
    return frame.quantize(256, dither=Image.Dither.NONE)


def save_curves(path: str | os.PathLike[str], progress_csv: str | os.PathLike, title: str) -> None:
    """Save a PNG with the errors and the losses of a run over its episodes.

    Args:
        path: The file to write.
        progress_csv: Written by the run's logger; columns and cells may be missing.
        title: Task, data set and budget, in one line.
    """
    columns = _read_columns(progress_csv)
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    figure.suptitle(title)
    error_axes, loss_axes = figure.subplots(1, 2)
    _plot_errors(error_axes, columns)
    for name, color in LOSSES.items():
        _plot(loss_axes, columns, f"train/{name}_loss", color=color, label=name)
    loss_axes.set_title("losses")
    for axes in (error_axes, loss_axes):
        axes.set_xlabel("episodes")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    _write(path, lambda file: figure.savefig(file, format="png", dpi=120))


def _read_columns(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the columns of a CSV file as float64; what is empty or torn is NaN."""
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        names = reader.fieldnames or ()
        rows = list(reader)
    return {name: np.array([_to_float(row[name]) for row in rows]) for name in names}


def _to_float(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return float("nan")


def _plot(axes: Axes, columns: dict[str, np.ndarray], name: str, **style: Any) -> None:
    """Plot a column over the episodes where it has values; a single value as a point."""
    if not {name, EPISODES} <= columns.keys():
        return
    known = np.isfinite(columns[name])
    marker = "." if known.sum() == 1 else ""
    if known.any():
        axes.plot(columns[EPISODES][known], columns[name][known], **{"marker": marker, **style})


def _plot_errors(axes: Axes, columns: dict[str, np.ndarray]) -> None:
    """Plot the training error as a line, the validation error as points with their intervals."""
    _plot(axes, columns, "rollout/error", color="#868E96", label="training, running mean")
    style = {"color": "#0072B2", "marker": "o", "ms": 4, "label": "validation, 95 % interval"}
    _plot(axes, columns, "validation/error", **style)
    low, high = "validation/error_low", "validation/error_high"
    if {EPISODES, low, high} <= columns.keys():
        axes.vlines(columns[EPISODES], columns[low], columns[high], color="#0072B2")
    axes.set_title("error")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator(ERROR_TICKS))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(PercentFormatter(symbol=" %"))


def _require_episodes(episodes: Sequence[EpisodeRecord]) -> None:
    if not episodes:
        raise ValueError("`episodes` must hold at least one episode to draw, got none.")


def _write(path: str | os.PathLike[str], save: Callable[[BinaryIO], object]) -> None:
    """Let `save` write a file; a reader meets the old or the new content, never a part of it."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with temporary.open("wb") as file:
            save(file)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
