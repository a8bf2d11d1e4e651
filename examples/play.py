"""Play it yourself: `python examples/play.py [TASK]`. Click to look, press the digit at the end."""

import sys
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw

from ram_env import SHORT_NAMES, TASKS
from ram_env.drawing.rendering import draw_retina, draw_scene, load_font
from ram_env.drawing.window import open_display, put_on_screen
from ram_env.wrappers import SeenCanvas

SIDE, TOP, GAP = 600, 40, 10  # pixels
DIGITS = [name for name, task in SHORT_NAMES.items() if task in TASKS]  # keys are for digits


def draw(pygame: Any, text: str, *scenes: Image.Image) -> None:
    """Show one picture, or two side by side, under a line of text."""
    page = Image.new("RGB", (2 * SIDE + GAP, TOP + SIDE), "white")
    ImageDraw.Draw(page).text((10, 8), text, "black", load_font(20))
    for place, scene in enumerate(scenes):
        page.paste(scene, (place * (SIDE + GAP), TOP))
    put_on_screen(pygame, page)


def wait_for(pygame: Any, kind: int) -> Any:
    """Wait for a click or a key; closing the window ends the program."""
    while (event := pygame.event.wait()).type != kind:
        if event.type == pygame.QUIT:
            raise SystemExit
    return event


def play(env: Any, pygame: Any) -> dict[str, Any]:
    """Let a person play an episode; return its last info."""
    (observation, info), num_glimpses = env.reset(), env.unwrapped.num_glimpses
    for glimpse in range(1, num_glimpses + 1):
        wish = "press the digit" if glimpse == num_glimpses else "click on the left where to look"
        seen = np.where(observation["seen"] > 0, observation["canvas"] * 195 + 60, 0)
        view = replace(env.unwrapped.view(), canvas=seen.astype(np.uint8))  # no more than you saw
        text = f"glimpse {glimpse} of {num_glimpses}: {wish}"
        draw(pygame, text, draw_scene(view, SIDE), draw_retina(view, SIDE))
        location, key = (0.0, 0.0), ""
        while glimpse == num_glimpses and not key.isdecimal():
            key = wait_for(pygame, pygame.KEYDOWN).unicode
        if glimpse < num_glimpses:
            x, y = wait_for(pygame, pygame.MOUSEBUTTONDOWN).pos
            location = (2 * x / SIDE - 1, 2 * (y - TOP) / SIDE - 1)
        action = {"location": np.float32(np.clip(location, -1, 1)), "label": int(key or 0)}
        observation, _, _, _, info = env.step(action)
    return info


def main(task: str = "cluttered", num_episodes: int = sys.maxsize) -> list[bool]:
    """Play until the window is closed, or so many episodes; return which you got right."""
    if task not in DIGITS:
        raise SystemExit(f"TASK must be one of {', '.join(DIGITS)}, got {task!r}.")
    pygame, its, yours = open_display(), list[bool](), list[bool]()
    you: Any = SeenCanvas(gym.make(SHORT_NAMES[task], split="test", action_format="dict"))
    it: Any = gym.make(SHORT_NAMES[task], split="test")
    try:
        from agents import RAM

        agent = RAM.from_pretrained(task)
    except (ImportError, ValueError):  # no PyTorch, or no trained model of the task
        agent = None
    while len(yours) < num_episodes:
        info = play(you, pygame)
        yours.append(info["is_success"])
        text, score = f"It was {info['label']}. You: {info['prediction']}", f"you {sum(yours)}"
        scenes = [draw_scene(you.unwrapped.view(), SIDE)]
        if agent is not None:
            options, state = {key: info[key] for key in ("index", "scene_seed")}, None
            observation, info = it.reset(options=options)
            while "is_success" not in info:
                action, state = agent.predict(observation, state, deterministic=True)
                observation, _, _, _, info = it.step(action)
            its.append(info["is_success"])
            text, score = f"{text}. RAM: {info['prediction']}", f"{score}, RAM {sum(its)}"
            scenes.append(draw_scene(it.unwrapped.view(), SIDE))
        draw(pygame, f"{text}. Right so far: {score} of {len(yours)}. Press a key", *scenes)
        wait_for(pygame, pygame.KEYDOWN)
    return yours


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "cluttered")
    except gym.error.Error as error:  # no pygame, or no screen
        sys.exit(str(error))
