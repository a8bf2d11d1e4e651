"""The rules of the game once more, slow and plain: Python numbers and loops over pixels.

Nothing here uses `ram_env`. Floating-point numbers are Python's, which are float64; a result is
rounded to float32 where the specification says that it is float32.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Pixels = list[list[int]]
Box = tuple[int, int, int, int]

_BITS = 2**64 - 1
_INCREMENT = 0x9E3779B97F4A7C15


def splitmix64(state: int) -> int:
    """Return the output of SplitMix64 for a state (Steele, Lea, Flood 2014, figure 16)."""
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _BITS
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _BITS
    return state ^ (state >> 31)


def draw(scene_seed: int, number: int, bound: int) -> int:
    """Return draw `number` = 1, 2, ... of a scene, uniform in 0..bound - 1."""
    stream = splitmix64(scene_seed + _INCREMENT & _BITS)
    high = splitmix64(stream + number * _INCREMENT & _BITS) >> 32
    return high * bound >> 32


@dataclass
class Scene:
    """What a scene seed decides."""

    index: int
    box: Box
    location: tuple[float, float]
    canvas: Pixels


def add(canvas: Pixels, patch: Pixels, top: int, left: int) -> None:
    """Add a patch pixel by pixel; white is the most there is."""
    for row, line in enumerate(patch):
        for column, value in enumerate(line):
            total = canvas[top + row][left + column] + value
            canvas[top + row][left + column] = 255 if total > 255 else total


def make_scene(
    images: np.ndarray,
    canvas_shape: tuple[int, int],
    num_distractors: int,
    size: int,
    scene_seed: int,
    index: int | None = None,
) -> Scene:
    """Paint a scene: first the distractors, then the image."""
    num_images, height, width = images.shape
    canvas_height, canvas_width = canvas_shape
    bounds = [num_images, canvas_height - height + 1, canvas_width - width + 1, 2**24, 2**24]
    for _ in range(num_distractors):
        bounds += [num_images, height - size + 1, width - size + 1]
        bounds += [canvas_height - size + 1, canvas_width - size + 1]
    draws = [draw(scene_seed, number, bound) for number, bound in enumerate(bounds, start=1)]
    chosen, top, left, x, y = draws[:5]
    if index is not None:
        chosen = index
    canvas = [[0] * canvas_width for _ in range(canvas_height)]
    for start in range(5, len(draws), 5):
        image, crop_top, crop_left, crop_row, crop_column = draws[start : start + 5]
        rows = images[image].tolist()[crop_top : crop_top + size]
        crop = [line[crop_left : crop_left + size] for line in rows]
        add(canvas, crop, crop_row, crop_column)
    add(canvas, images[chosen].tolist(), top, left)
    location = (x / 2**23 - 1, y / 2**23 - 1)
    return Scene(chosen, (top, left, height, width), location, canvas)


def pixel_under(location: tuple[float, float], canvas_shape: tuple[int, int]) -> tuple[int, int]:
    """Return (row, column) of the pixel under a location (x, y)."""
    x, y = (float(value) for value in location)
    height, width = canvas_shape
    row = math.floor((y + 1) / 2 * height)
    column = math.floor((x + 1) / 2 * width)
    return max(0, min(row, height - 1)), max(0, min(column, width - 1))


def pixel_edges(side: int) -> list[float]:
    """Return where pixels begin on [-1, 1], with the float32 next to it on either side."""
    edges = [np.float32(2 * pixel / side - 1) for pixel in range(side + 1)]
    nearby = [np.nextafter(edge, np.float32(to)) for edge in edges for to in (-2, 2)]
    return [float(value) for value in [*edges, *nearby] if -1 <= value <= 1]


def glimpse_sums(
    canvas: Pixels, pixel: tuple[int, int], patch_size: int, num_scales: int
) -> list[list[list[int]]]:
    """Return for each scale the sums of the g x g blocks of pixels, whole numbers."""
    scales = []
    for scale in range(num_scales):
        block = 2**scale
        side = patch_size * block
        top, left = pixel[0] - side // 2, pixel[1] - side // 2
        sums = [[0] * patch_size for _ in range(patch_size)]
        for row in range(side):
            for column in range(side):
                inside = 0 <= top + row < len(canvas) and 0 <= left + column < len(canvas[0])
                if inside:
                    sums[row // block][column // block] += canvas[top + row][left + column]
        scales.append(sums)
    return scales


def take_glimpse(
    canvas: Pixels, location: tuple[float, float], patch_size: int, num_scales: int
) -> np.ndarray:
    """Return the means of the blocks as parts of white, float32 (K, g, g)."""
    pixel = pixel_under(location, (len(canvas), len(canvas[0])))
    scales = glimpse_sums(canvas, pixel, patch_size, num_scales)
    # Whole numbers under 2**24 are exact in float32, so each value is rounded once.
    return np.array(
        [
            [[np.float32(value) / np.float32(255 * 4**scale) for value in line] for line in sums]
            for scale, sums in enumerate(scales)
        ],
        dtype=np.float32,
    )


def belief(scores: np.ndarray, score_scale: float) -> list[float]:
    """Return softmax(score_scale * scores)."""
    highest = max(scores.tolist())
    weights = [math.exp(score_scale * (score - highest)) for score in scores.tolist()]
    return [weight / math.fsum(weights) for weight in weights]


@dataclass
class ReferenceGame:
    """One episode after another, by the written rules."""

    images: np.ndarray
    labels: np.ndarray
    canvas_shape: tuple[int, int]
    num_distractors: int
    patch_size: int
    num_scales: int
    num_glimpses: int
    distractor_size: int = 8
    action_format: str = "box"
    location_grid: int = 7
    score_scale: float = 10.0
    reward: str = "final"
    initial_location: str = "random"
    scene: Scene = field(init=False)
    num_steps: int = field(init=False, default=0)
    observation: dict[str, np.ndarray] = field(init=False)
    info: dict[str, Any] = field(init=False)

    def reset(self, scene_seed: int, index: int | None = None) -> None:
        """Start an episode."""
        self.scene = make_scene(
            self.images,
            self.canvas_shape,
            self.num_distractors,
            self.distractor_size,
            scene_seed,
            index,
        )
        self.num_steps = 0
        self.info = {
            "label": int(self.labels[self.scene.index]),
            "index": self.scene.index,
            "scene_seed": scene_seed,
            "target_box": np.array(self.scene.box, dtype=np.int64),
        }
        self._look(self.scene.location if self.initial_location == "random" else (0.0, 0.0))

    def step(self, action: Any) -> tuple[float, bool]:
        """Move, or score at the last step; return the reward and whether the episode ended."""
        location, label = self._read(action)
        self.num_steps += 1
        terminated = self.num_steps == self.num_glimpses
        is_right = label == self.info["label"]
        if terminated:
            self.info |= {"prediction": label, "is_success": is_right}
        else:
            self._look(location)
        if self.reward == "log_likelihood":
            likelihood = belief(self._scores(action), self.score_scale)[self.info["label"]]
            return math.log(likelihood) / self.num_glimpses, terminated
        if self.reward == "every_step":
            return (1 / self.num_glimpses if is_right else 0.0), terminated
        return (1.0 if terminated and is_right else 0.0), terminated

    def _scores(self, action: np.ndarray) -> np.ndarray:
        return np.array([max(-1.0, min(1.0, float(score))) for score in action[2:]])

    def _read(self, action: Any) -> tuple[tuple[float, float], int]:
        if self.action_format == "box":
            scores = self._scores(action).tolist()
            return (action[0], action[1]), scores.index(max(scores))
        if self.action_format == "dict":
            return tuple(action["location"]), int(action["label"])
        x, y = ((2 * int(cell) + 1) / self.location_grid - 1 for cell in action[:2])
        return (x, y), int(action[2])

    def _look(self, location: tuple[float, float]) -> None:
        seen = np.array([max(-1.0, min(1.0, float(value))) for value in location], np.float32)
        glimpse = take_glimpse(
            self.scene.canvas, (seen[0], seen[1]), self.patch_size, self.num_scales
        )
        self.observation = {"glimpse": glimpse, "location": seen}
