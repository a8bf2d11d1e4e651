"""Folders of pictures for tests: drawn shapes that stand for what a user photographs."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

# Name, shape and colour: colour alone tells the first two apart.
SHAPES = {
    "green_circle": ("ellipse", (40, 170, 70)),
    "red_circle": ("ellipse", (200, 50, 40)),
    "square": ("rectangle", (70, 90, 200)),
    "triangle": ("polygon", (70, 90, 200)),
}


def draw_shape(name: str, seed: int, shortest: int = 300, longest: int = 2000) -> Image.Image:
    """Draw a shape of a class somewhere on a noisy background, in colour, of any size."""
    rng = np.random.default_rng((seed, sorted(SHAPES).index(name)))
    height, width = (int(side) for side in rng.integers(shortest, longest + 1, 2))
    small = rng.integers(60, 200, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BILINEAR)
    kind, color = SHAPES[name]
    side = min(height, width) * rng.uniform(0.25, 0.5)
    left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
    shade = tuple(int(np.clip(value + rng.integers(-25, 26), 0, 255)) for value in color)
    draw = ImageDraw.Draw(image)
    if kind == "polygon":
        corners = [(left, top + side), (left + side, top + side), (left + side / 2, top)]
        draw.polygon(corners, fill=shade)
    else:
        getattr(draw, kind)((left, top, left + side, top + side), fill=shade)
    return image


def make_photos(
    folder: Path, num_per_class: int, shortest: int = 300, longest: int = 2000, first: int = 0
) -> Path:
    """Save pictures of all classes as JPEG files, in a folder per class; return the folder."""
    for name in SHAPES:
        (folder / name).mkdir(parents=True)
        for number in range(first, first + num_per_class):
            image = draw_shape(name, number, shortest, longest)
            image.save(folder / name / f"{number:04}.jpg", quality=90)
    return folder
