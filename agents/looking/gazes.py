"""How is it drawn where an agent looked? As grids of episodes, and as an animation."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from agents.base.files import Path, write_atomically
from ram_env.drawing.rendering import (
    BACKGROUND,
    BAR,
    INK,
    MUTED,
    RIGHT,
    TRACK,
    Color,
    EpisodeView,
    draw_retina,
    draw_scene,
    fit,
    load_font,
    render_episode,
)

GAZE_LEGEND = (
    "Gaze: the numbered places it looked at, with all windows of its retina at the last one."
)
LEGEND = (
    "The agent never sees the whole scene: it looks at one place after another, then answers.\n"
    f"{GAZE_LEGEND}\n"
    "Glimpses: what its retina saw there, sharp in the middle and coarse around, framed in the "
    "colour of the number.\n"
    "Bars: its belief in each class so far{truth}; below, the class it would answer now, and how "
    "surely."
)
SCENE, CELL, ANSWER, GAP, MARGIN = 180, 96, 96, 10, 24  # pixels
BARS = 44  # pixels: the height of the belief under a glimpse
MAX_CELLS = 10  # glimpses shown per episode
TITLE_BAND = 36  # pixels, above each frame of the animation
TITLE_SIZE = 17  # pixels, less if the title is longer than a frame is wide
FRAME_MS, LAST_FRAME_MS = 700, 2500


Episode = Sequence[EpisodeView]  # what there is to draw after each of its glimpses


def save_gaze_grid(path: Path, episodes: Sequence[Episode], title: str) -> None:
    """Save `draw_gaze_grid` as a PNG.

    Args:
        path: The file to write.
        episodes: At least one, all of one task.
        title: Task, data set and error, in one line.

    Raises:
        ValueError: If there are no episodes.
    """
    grid = draw_gaze_grid(episodes, title)
    write_atomically(path, lambda file: grid.save(file, "PNG"))


def draw_gaze_grid(episodes: Sequence[Episode], title: str) -> Image.Image:
    """Draw one row per episode: scene and path, each glimpse with the belief, answer.

    Of episodes with more than ten glimpses, ten spread evenly from first to last are shown. The
    longest says which; where another had ended before, its place stays empty.

    Args:
        episodes: At least one, all of one task, such as `FrozenScenes.record` returns.
        title: Task, data set and error, in one line.

    Returns:
        An RGB picture, which a notebook shows.

    Raises:
        ValueError: If there are no episodes.
    """
    _require_episodes(episodes)
    num_glimpses = max(map(len, episodes))
    count = min(num_glimpses, MAX_CELLS)
    shown = [int(number) for number in np.linspace(1, num_glimpses, count).round()]
    is_known = any(episode[-1].label is not None for episode in episodes)
    legend = LEGEND.format(truth=", the true class in green" if is_known else "")
    texts = [_draw_text(title, 26, INK), _draw_text(legend, 14, MUTED), _draw_heads(shown)]
    rows = [_draw_row(episode, shown) for episode in episodes]
    sheet = _stack([*texts, *rows], vertical=True)
    return ImageOps.expand(sheet, MARGIN, BACKGROUND)


def save_scene_rows(path: Path, rows: Mapping[str, Sequence[Episode]], title: str) -> None:
    """Save a PNG with the scenes of some kinds, where each was looked at, and the answer.

    Args:
        path: The file to write.
        rows: By what is said above them, the episodes that stand side by side; at least one in all.
        title: In one line.

    Raises:
        ValueError: If there are no episodes.
    """
    _require_episodes([episode for episodes in rows.values() for episode in episodes])
    legend = f"The scene, and below it where it was looked at.\n{GAZE_LEGEND}"
    parts = [_draw_text(title, 26, INK), _draw_text(legend, 14, MUTED)]
    for head, episodes in rows.items():
        parts.append(_draw_text(head, 18, INK))
        parts.append(_stack([_draw_column(episode) for episode in episodes]))
    sheet = ImageOps.expand(_stack(parts, vertical=True), MARGIN, BACKGROUND)
    write_atomically(path, lambda file: sheet.save(file, "PNG"))


def _draw_column(episode: Episode) -> Image.Image:
    """Draw a scene, below it the gaze, then the answer and how surely it was given."""
    last = episode[-1]
    name = "?" if last.prediction is None else last.name_of(last.prediction)
    belief = "" if last.belief is None else f" ({last.belief.max():.2f})"
    looks = "1 look" if len(episode) == 1 else f"{len(episode)} looks"
    answer = _draw_text(f"{looks}: {name}{belief}\n{_say_verdict(last)}", 14, last.verdict_color)
    return _stack([_draw_canvas(last), draw_scene(last, SCENE), answer], vertical=True)


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


def _draw_row(episode: Episode, shown: Sequence[int]) -> Image.Image:
    last = episode[-1]
    glimpses = [_draw_glimpse(episode[number - 1]) for number in shown if number <= len(episode)]
    empty = Image.new("RGB", (CELL, SCENE), BACKGROUND)
    glimpses += [empty] * (len(shown) - len(glimpses))
    return _stack([_draw_canvas(last), draw_scene(last, SCENE), *glimpses, _draw_answer(last)])


def _draw_canvas(view: EpisodeView) -> Image.Image:
    return ImageOps.pad(fit(view.canvas, SCENE), (SCENE, SCENE), color=BACKGROUND)


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
    name, font = view.name_of(best), load_font(14)
    text = f"{name}  ({belief[best]:.2f})"
    fits = draw.textlength(text, font) <= CELL  # else the bars must do
    draw.text((CELL / 2, SCENE - 10), text if fits else name, INK, font, anchor="mm")
    return cell


def _draw_answer(last: EpisodeView) -> Image.Image:
    image = Image.new("RGB", (ANSWER, SCENE), BACKGROUND)
    draw = ImageDraw.Draw(image)
    color = last.verdict_color
    name = "?" if last.prediction is None else last.name_of(last.prediction)
    size = round(56 / max(1, len(name) / 2))
    draw.text((ANSWER / 2, 56), name, color, load_font(size), anchor="mm")
    draw.text((ANSWER / 2, 100), _say_verdict(last), color, load_font(14), anchor="mm")
    return image


def _say_verdict(last: EpisodeView) -> str:
    if last.label is None or last.verdict != "wrong":
        return last.verdict or ""
    truth = last.name_of(last.label)
    between = " " if len(truth) <= 2 else "\n"  # as there is room
    return f"wrong, it is{between}{truth}"


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


def save_gaze_animation(path: Path, episodes: Sequence[Episode], title: str) -> None:
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
        frames += [_draw_frame(view, title) for view in episode]
        durations += [FRAME_MS] * (len(episode) - 1) + [LAST_FRAME_MS]
    options: dict[str, Any] = {"append_images": frames[1:], "duration": durations, "loop": 0}
    write_atomically(path, lambda file: frames[0].save(file, "GIF", save_all=True, **options))


def _draw_frame(view: EpisodeView, title: str) -> Image.Image:
    """Draw a frame of the animation, in at most 256 colours of its own, without dithering."""
    picture = Image.fromarray(render_episode(view))
    frame = Image.new("RGB", (picture.width, picture.height + TITLE_BAND), BACKGROUND)
    frame.paste(picture, (0, TITLE_BAND))
    font, room = load_font(TITLE_SIZE), frame.width - 24
    if (length := font.getlength(title)) > room:
        font = load_font(max(1, int(TITLE_SIZE * room / length)))
    ImageDraw.Draw(frame).text((12, TITLE_BAND / 2), title, INK, font, anchor="lm")
    return frame.quantize(256, dither=Image.Dither.NONE)


def _require_episodes(episodes: Sequence[Episode]) -> None:
    if not episodes:
        raise ValueError("`episodes` must hold at least one episode to draw, got none.")
