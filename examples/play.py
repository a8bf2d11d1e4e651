"""Play it yourself: `python examples/play.py [TASK]`. Click to look, press the digit at the end."""

import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pygame
from PIL import Image, ImageOps

from agents import RAM
from ram_env import SHORT_NAMES
from ram_env.wrappers import SeenCanvas

SIDE, TOP = 720, 40  # pixels


def draw(screen: pygame.Surface, picture: np.ndarray, text: str) -> None:
    """Show a picture under a line of text."""
    rgb, box = Image.fromarray(picture).convert("RGB"), Image.Resampling.BOX
    image = ImageOps.pad(rgb, (SIDE, SIDE), box, "white")
    screen.fill("white")
    screen.blit(pygame.image.frombuffer(image.tobytes(), image.size, "RGB"), (0, TOP))
    screen.blit(pygame.font.Font(None, 28).render(text, True, "black"), (10, 10))
    pygame.display.flip()


def wait_for(kind: int) -> pygame.event.Event:
    """Wait for a click or a key; closing the window ends the program."""
    while (event := pygame.event.wait()).type != kind:
        if event.type == pygame.QUIT:
            raise SystemExit
    return event


def play(env: Any, screen: pygame.Surface) -> dict[str, Any]:
    """Let a person play an episode; return its last info."""
    observation, info = env.reset()
    num_glimpses = env.unwrapped.task.num_glimpses
    for glimpse in range(1, num_glimpses + 1):
        wish = "press the digit" if glimpse == num_glimpses else "click where to look next"
        shown = np.where(observation["seen"] > 0, observation["canvas"] * 195 + 60, 0)
        draw(screen, shown.astype(np.uint8), f"glimpse {glimpse} of {num_glimpses}: {wish}")
        location, key = (0.0, 0.0), ""
        while glimpse == num_glimpses and not key.isdecimal():
            key = wait_for(pygame.KEYDOWN).unicode
        if glimpse < num_glimpses:
            x, y = wait_for(pygame.MOUSEBUTTONDOWN).pos
            location = (2 * x / SIDE - 1, 2 * (y - TOP) / SIDE - 1)
        action = {"location": np.float32(np.clip(location, -1, 1)), "label": int(key or 0)}
        observation, _, _, _, info = env.step(action)
    return info


def main(task: str = "cluttered", num_episodes: int | None = None) -> list[bool]:
    """Play until the window is closed, or so many episodes; return which you got right."""
    if task not in SHORT_NAMES:
        raise SystemExit(f"TASK must be one of {', '.join(SHORT_NAMES)}, got {task!r}.")
    pygame.init()
    screen = pygame.display.set_mode((SIDE, TOP + SIDE))
    you = SeenCanvas(gym.make(SHORT_NAMES[task], split="test", action_format="dict"))
    it: Any = gym.make(SHORT_NAMES[task], split="test", render_mode="rgb_array")
    agent, yours, its = RAM.from_pretrained(task), list[bool](), list[bool]()
    while len(yours) != num_episodes:
        info = play(you, screen)
        yours.append(info["is_success"])
        options, state = {key: info[key] for key in ("index", "scene_seed")}, None
        observation, info = it.reset(options=options)
        while "is_success" not in info:
            action, state = agent.predict(observation, state, deterministic=True)
            observation, _, _, _, info = it.step(action)
        its.append(info["is_success"])
        draw(screen, it.render(), f"you {sum(yours)}, agent {sum(its)} of {len(its)} (press a key)")
        wait_for(pygame.KEYDOWN)
    return yours


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cluttered")
