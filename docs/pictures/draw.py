"""What does a scene of each task look like? Draws docs/pictures/*.png from the env's own canvases.

Run from the root of a checkout, with MNIST at hand: `python docs/pictures/draw.py`.
"""

from pathlib import Path

import gymnasium as gym
from PIL import Image

from ram_env import SHORT_NAMES, TASKS
from ram_env.drawing.rendering import fit
from ram_env.registration import PICTURE_TASKS

SIDE = 120  # pixels


def draw_scene(env_id: str) -> Image.Image:
    """Return the first test scene of a task."""
    images, first = ({"dataset": "mnist"}, {"index": 0}) if env_id in TASKS else ({}, {})
    env = gym.make(env_id, split="test", **images)
    env.reset(options={**first, "scene_seed": 0})
    scene = fit(env.unwrapped.view().canvas, SIDE).convert("L")
    env.close()
    return scene


if __name__ == "__main__":
    for name, env_id in SHORT_NAMES.items():
        if env_id in PICTURE_TASKS:
            continue  # nobody's own pictures
        draw_scene(env_id).save(Path(__file__).with_name(f"{name}.png"), optimize=True)
