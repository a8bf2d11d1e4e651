"""What does an episode look like? The scene, where the sensor looked, what it saw, the belief.

Everything is drawn with Pillow. One colour stands for one glimpse in every picture: blue for the
first, yellow for the last.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ram_env.geometry import lay_scales, location_to_pixel, window_side

Color = tuple[int, int, int]

BACKGROUND: Color = (255, 255, 255)
INK: Color = (33, 37, 41)
MUTED: Color = (98, 107, 116)
TRACK: Color = (233, 236, 239)
BAR: Color = (134, 142, 150)
# Green and vermilion after Okabe and Ito, which colour-blind readers can tell apart too.
RIGHT: Color = (0, 135, 98)
WRONG: Color = (213, 94, 0)

MAX_BARS = 10
MAX_NESTED = 4  # scales that are drawn over each other
MAX_NAME = 8  # characters of the name of a class
_RAMP = np.array([(76, 155, 255), (200, 115, 220), (255, 120, 85), (255, 210, 60)])
_MIN_HEIGHT = 240


@dataclass(frozen=True, eq=False)
class EpisodeView:
    """What one episode showed up to its t-th glimpse: enough to draw it."""

    canvas: np.ndarray  # uint8 (h, w), in colour (h, w, 3): the scene, or a smaller picture of it
    scene_shape: tuple[int, int]  # height and width of the scene in pixels
    locations: np.ndarray  # float32 (t, 2), (x, y) in [-1, 1], 1 <= t <= num_glimpses
    glimpses: np.ndarray  # float32 (t, K, [3,] g, g) in [0, 1], finest scale first
    num_glimpses: int  # T, of the whole episode
    class_names: tuple[str, ...]  # C
    label: int | None  # the truth; None if nobody knows it
    belief: np.ndarray | None  # float (C,), probabilities; None if there are no scores so far
    prediction: int | None  # the scored label; None before the end
    frames: np.ndarray | None = None  # uint8 (t, h, w): the scene at each glimpse, if it moves
    is_won: bool | None = None  # of a game without labels; None before the end

    @property
    def verdict(self) -> str | None:
        """What is said of the answer; None if there is none, or nobody knows."""
        if self.label is not None and self.prediction is not None:
            return "right" if self.prediction == self.label else "wrong"
        return None if self.is_won is None else ("won" if self.is_won else "lost")

    @property
    def verdict_color(self) -> Color:
        """The colour that the answer is shown in."""
        return INK if self.verdict is None else RIGHT if self.verdict in ("right", "won") else WRONG

    def after(self, seen: int) -> "EpisodeView":
        """Return the scene, and where it was looked at, as they were after so many glimpses."""
        canvas = self.canvas
        if self.frames is not None and seen < len(self.locations):
            canvas = self.frames[seen - 1]
        return replace(
            self,
            canvas=canvas,
            locations=self.locations[:seen],
            glimpses=self.glimpses[:seen],
        )

    def name_of(self, label: int) -> str:
        """Return the name of a class, as much of it as there is room for."""
        name = self.class_names[label]
        return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


@cache
def load_font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font that comes with Pillow, `size` pixels high."""
    return ImageFont.load_default(size=size)


def glimpse_color(index: int, num_glimpses: int) -> Color:
    """Return the colour of glimpse `index` (from 0) on a ramp from blue over red to yellow."""
    position = index / max(1, num_glimpses - 1) * (len(_RAMP) - 1)
    red, green, blue = (np.interp(position, range(len(_RAMP)), channel) for channel in _RAMP.T)
    return round(red), round(green), round(blue)


def foveate(glimpse: np.ndarray) -> np.ndarray:
    """Put the scales of one glimpse in place over each other, the finest on top.

    Args:
        glimpse: float32 (K, g, g), in colour (K, 3, g, g), in [0, 1], finest scale first.

    Returns:
        uint8 (w, w) or (w, w, 3) with w = g * 2**(K-1), the canvas pixels under the coarsest
        window: exact in the finest window, in blocks of 2**k x 2**k pixels where only scale k
        reaches.
    """
    values = np.rint(glimpse * 255).astype(np.uint8)
    if values.ndim == 3:
        return lay_scales(values)
    return np.moveaxis(lay_scales(np.moveaxis(values, 1, 0)), 0, -1)


def fit(picture: np.ndarray, side: int) -> Image.Image:
    """Scale a picture to a longer side of `side` pixels: enlarge without smoothing.

    Args:
        picture: uint8 (H, W) or (H, W, 3).
        side: In pixels.

    Returns:
        An RGB image in the proportions of the picture.
    """
    grows = side >= max(picture.shape[:2])
    method = Image.Resampling.NEAREST if grows else Image.Resampling.BOX
    return ImageOps.contain(Image.fromarray(picture), (side, side), method).convert("RGB")


def draw_scene(view: EpisodeView, side: int) -> Image.Image:
    """Draw the canvas with the windows of the glimpses and the numbered path between them.

    The latest glimpse shows all its nested windows, earlier ones only their finest, faintly: more
    would hide the scene.

    Args:
        view: The episode.
        side: The side of the square picture in pixels; the canvas is centred in it.

    Returns:
        An RGB image of `side` x `side`.
    """
    scene = fit(view.canvas, side)
    draw = ImageDraw.Draw(scene, "RGBA")
    zoom = side / max(view.scene_shape)
    pixels = location_to_pixel(view.locations, view.scene_shape)  # (t, 2), (row, column)
    num_scales, patch_size = view.glimpses.shape[1], view.glimpses.shape[-1]
    latest = len(pixels) - 1
    for index, pixel in enumerate(pixels):
        color = glimpse_color(index, view.num_glimpses)
        if index < latest:
            draw.rectangle(_window_box(pixel, patch_size, zoom), outline=(*color, 150))
            continue
        for scale in reversed(range(num_scales)):
            window = _window_box(pixel, window_side(patch_size, scale), zoom)
            draw.rectangle(window, outline=color, width=max(1, side // 150))
    _draw_path(draw, pixels, zoom, max(6, side // 42), view.num_glimpses)
    return ImageOps.pad(scene, (side, side), color=BACKGROUND)


def draw_retina(view: EpisodeView, side: int) -> Image.Image:
    """Draw what the retina saw at the latest glimpse, the border of every scale marked.

    The scales lie over each other as they were taken; more of them than `MAX_NESTED` would hide in
    the middle, so those stand side by side, the finest first, each in grey as bright as can be.

    Args:
        view: The episode.
        side: The side of the square picture in pixels.

    Returns:
        An RGB image of `side` x `side`.
    """
    num_scales, patch_size = view.glimpses.shape[1], view.glimpses.shape[-1]
    color = glimpse_color(len(view.locations) - 1, view.num_glimpses)
    width = max(1, side // 150)
    if num_scales > MAX_NESTED:
        return _draw_side_by_side(view.glimpses[-1], side, color, width)
    image = fit(foveate(view.glimpses[-1]), side)
    draw = ImageDraw.Draw(image)
    widest = window_side(patch_size, num_scales - 1)
    centre = np.full(2, widest // 2)
    for scale in reversed(range(num_scales)):
        window = _window_box(centre, window_side(patch_size, scale), side / widest)
        draw.rectangle(window, outline=color, width=width)
    return image


def _draw_side_by_side(glimpse: np.ndarray, side: int, color: Color, width: int) -> Image.Image:
    """Draw the scales of one glimpse, float32 (K, [3,] g, g), in rows, each with a border."""
    image = Image.new("RGB", (side, side), BACKGROUND)
    draw = ImageDraw.Draw(image)
    across = math.ceil(math.sqrt(len(glimpse)))
    edges = [round(edge) for edge in np.linspace(0, side, across + 1)]
    for scale, seen in enumerate(glimpse):
        top, left = edges[scale // across], edges[scale % across]
        size = side // across - 2 * width
        brightest = 1.0 if seen.ndim > 2 else seen.max() or 1.0
        image.paste(fit(foveate(seen[None] / brightest), size), (left + width, top + width))
        frame = (left, top, left + size + 2 * width - 1, top + size + 2 * width - 1)
        draw.rectangle(frame, outline=color, width=width)
    return image


def render_episode(view: EpisodeView, height: int = 360) -> np.ndarray:
    """Draw one frame: the scene, what the retina sees now, and the belief, under a headline.

    Args:
        view: The episode.
        height: The height of the frame in pixels, at least 240; rounded down to a multiple of 30.

    Returns:
        uint8 (h, w, 3), h and w even. They follow from `height` alone, so that the frames of any
        episodes can be stacked to a video.

    Raises:
        ValueError: If `height` is too small for the text.
    """
    if height < _MIN_HEIGHT:
        raise ValueError(f"`height` must be at least {_MIN_HEIGHT} pixels, got {height}.")
    unit = height // 30
    top, side, bars_left = 4 * unit, 25 * unit, 54 * unit
    frame = Image.new("RGB", (74 * unit, 30 * unit), BACKGROUND)
    draw = ImageDraw.Draw(frame)
    _draw_headline(draw, view, unit)
    heads = {unit: "whole scene, hidden from the agent", 27 * unit: "what the retina sees now"}
    for left, head in (heads | {bars_left: _belief_head(view)}).items():
        draw.text((left, round(2.4 * unit)), head, MUTED, load_font(unit))
    frame.paste(draw_scene(view, side), (unit, top))
    frame.paste(draw_retina(view, side), (27 * unit, top))
    _draw_belief(draw, view, (bars_left, top), unit)
    return np.array(frame)


def _draw_headline(draw: ImageDraw.ImageDraw, view: EpisodeView, unit: int) -> None:
    texts = [(f"glimpse {len(view.locations)} of {view.num_glimpses}", INK)]
    if view.prediction is not None:
        verdict = "" if view.verdict is None else f": {view.verdict}"
        texts.append((f"answer {view.name_of(view.prediction)}{verdict}", view.verdict_color))
    elif view.belief is not None:
        best = int(view.belief.argmax())
        texts.append((f"guess {view.name_of(best)} ({view.belief[best]:.2f})", INK))
    if view.label is not None:
        texts.append((f"truth {view.name_of(view.label)}", RIGHT))
    left, font = float(unit), load_font(round(1.4 * unit))
    for text, color in texts:
        draw.text((left, unit // 2), text, color, font)
        left += draw.textlength(text, font) + 1.4 * unit


def _belief_head(view: EpisodeView) -> str:
    if view.belief is None:
        return "belief: no scores so far"
    if len(view.belief) <= MAX_BARS:
        return "belief in each class"
    return f"belief, {MAX_BARS} of {len(view.belief)} classes"


def _draw_belief(
    draw: ImageDraw.ImageDraw, view: EpisodeView, corner: tuple[int, int], unit: int
) -> None:
    """Draw one bar per class; of more than ten classes, the most believed and the truth."""
    if view.belief is None:
        return
    left, top = corner
    font = load_font(round(1.2 * unit))
    bar_left, bar_width = left + 5 * unit, 11 * unit
    for row, label in enumerate(_shown_labels(view.belief, view.label)):
        y = top + round((row + 0.5) * 2.5 * unit)
        name, color = view.name_of(label), INK
        if label == view.label:
            name, color = f"truth {name}" if len(name) <= 2 else name, RIGHT  # as there is room
        draw.text((bar_left - unit // 2, y), name, color, font, anchor="rm")
        edges = (y - round(0.8 * unit), y + round(0.8 * unit))
        draw.rectangle((bar_left, edges[0], bar_left + bar_width, edges[1]), TRACK)
        filled = round(float(view.belief[label]) * bar_width)
        color = BAR
        if label == view.prediction:
            color = view.verdict_color
        draw.rectangle((bar_left, edges[0], bar_left + filled, edges[1]), color)
        probability = f"{view.belief[label]:.2f}"
        draw.text((bar_left + bar_width + unit // 2, y), probability, INK, font, anchor="lm")


def _shown_labels(belief: np.ndarray, label: int | None) -> list[int]:
    """Return all classes in order, or the ten most believed ones, and among them the truth."""
    if len(belief) <= MAX_BARS:
        return list(range(len(belief)))
    ranked = [int(index) for index in np.argsort(-belief, kind="stable")]
    shown = ranked[:MAX_BARS]
    return shown if label is None or label in shown else [*shown[:-1], label]


def _window_box(pixel: np.ndarray, width: int, zoom: float) -> tuple[int, int, int, int]:
    """Return the first and last enlarged pixel (x0, y0, x1, y1) of the window around `pixel`."""
    top, left = (int(coordinate) - width // 2 for coordinate in pixel)
    x0, x1 = round(left * zoom), round((left + width) * zoom) - 1
    y0, y1 = round(top * zoom), round((top + width) * zoom) - 1
    return x0, y0, max(x0, x1), max(y0, y1)  # a window on a huge canvas may be less than a pixel


def _draw_path(
    draw: ImageDraw.ImageDraw, pixels: np.ndarray, zoom: float, radius: int, num_glimpses: int
) -> None:
    """Draw lines between the centres of the glimpses, then a numbered dot on each."""
    centres = [((column + 0.5) * zoom, (row + 0.5) * zoom) for row, column in pixels]
    for index in range(1, len(centres)):
        color = glimpse_color(index, num_glimpses)
        draw.line((*centres[index - 1], *centres[index]), (*color, 200), max(1, radius // 3))
    for index, (x, y) in enumerate(centres):
        color = glimpse_color(index, num_glimpses)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), color, outline=INK)
        font = load_font(round(1.6 * radius))
        draw.text((x, y), str(index + 1), INK, font, anchor="mm")
