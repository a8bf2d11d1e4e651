"""How are frames shown on the screen? In a window of pygame, imported when it first opens."""

import os
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled, Error
from PIL import Image, ImageDraw

from ram_env.drawing.rendering import BACKGROUND, INK, load_font

_UNSEEN = ("dummy", "offscreen")  # what SDL falls back on, without a word, where it finds no screen
_BAR_HEIGHT = 28  # pixels, below the frame: the keys
_SLOWEST, _FASTEST = 1 / 8, 64  # times the frames per second that the env asks for


def open_display() -> Any:
    """Return pygame with its display ready.

    Raises:
        DependencyNotInstalled: If pygame is missing.
        gymnasium.error.Error: If there is no screen.
    """
    try:
        import pygame
    except ImportError as error:
        raise DependencyNotInstalled(
            'A window, such as that of `render_mode="human"`, needs pygame: run '
            '`pip install "ram-env[human]"`, or choose `render_mode="rgb_array"`.'
        ) from error
    # Else SDL takes a request to end the process for a click on the window's button.
    os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")
    try:
        pygame.display.init()
        driver = pygame.display.get_driver()
    except pygame.error as error:
        raise _no_screen(str(error)) from error
    if driver in _UNSEEN and "SDL_VIDEODRIVER" not in os.environ:
        pygame.display.quit()
        raise _no_screen(f"only {driver!r}")
    return pygame


def put_on_screen(pygame: Any, picture: Image.Image) -> None:
    """Show an RGB image in the window, which takes its size."""
    screen = pygame.display.get_surface()
    if screen is None or screen.get_size() != picture.size:
        screen = pygame.display.set_mode(picture.size)
    screen.blit(pygame.image.frombuffer(picture.tobytes(), picture.size, "RGB"), (0, 0))
    pygame.display.flip()


def _no_screen(found: str) -> Error:
    return Error(
        'A window, such as that of `render_mode="human"`, needs a screen, and pygame found '
        f'{found}: run where there is one, or choose `render_mode="rgb_array"`. With '
        "SDL_VIDEODRIVER=dummy it is drawn where nobody sees it."
    )


class HumanWindow:
    """A window on the screen, opened with the first frame; needs pygame.

    Space pauses, the right arrow shows the next frame alone, the arrows up and down change the
    speed; a line below the frame says so. When it is shut, the env plays on without it.
    """

    def __init__(self) -> None:
        self._pygame: Any = None
        self._is_shut = self._is_paused = False
        self._speed = 1.0

    def __reduce__(self) -> tuple[type["HumanWindow"], tuple[()]]:
        """Copy, or pickle, as a window that is not open yet; the one on the screen stays."""
        return HumanWindow, ()

    def show(self, frame: np.ndarray, fps: float) -> None:
        """Show a frame, for as long as `fps` frames per second and the keys pressed ask for.

        Args:
            frame: uint8 (h, w, 3).
            fps: Frames per second, before the keys for speed.

        Raises:
            gymnasium.error.Error: If pygame is missing, or there is no screen.
        """
        if self._is_shut:
            return
        if self._pygame is None:
            self._pygame = open_display()
            self._pygame.display.set_caption("ram-env")
        self._draw(frame, fps)
        clock, began = self._pygame.time, self._pygame.time.get_ticks()
        while self._is_paused or clock.get_ticks() - began < 1000 / (fps * self._speed):
            clock.wait(1 if fps > 100 else 10)
            for event in self._pygame.event.get():
                if self._obey(event):
                    return
                self._draw(frame, fps)

    def close(self) -> None:
        """Close the window, if there is one; `show` opens a new one."""
        if self._pygame is not None:
            self._pygame.display.quit()
        self._pygame = None
        self._is_shut = self._is_paused = False

    def _obey(self, event: Any) -> bool:
        """Do what a key or the window's own button asks for; return whether this frame is over."""
        pygame = self._pygame
        if event.type == pygame.QUIT:
            self.close()
            self._is_shut = True
            return True
        key = event.key if event.type == pygame.KEYDOWN else None
        if key == pygame.K_SPACE:
            self._is_paused = not self._is_paused
        elif key == pygame.K_RIGHT:
            self._is_paused = True
            return True
        elif key == pygame.K_UP:
            self._speed = min(2 * self._speed, _FASTEST)
        elif key == pygame.K_DOWN:
            self._speed = max(self._speed / 2, _SLOWEST)
        return False

    def _draw(self, frame: np.ndarray, fps: float) -> None:
        """Draw a frame with the keys below it."""
        height, width, _ = frame.shape
        picture = Image.new("RGB", (width, height + _BAR_HEIGHT), BACKGROUND)
        picture.paste(Image.fromarray(frame), (0, 0))
        state = "paused; space: go on" if self._is_paused else "space: pause"
        keys = f"{state}    right: one glimpse    up, down: speed, {fps * self._speed:g} a second"
        draw = ImageDraw.Draw(picture)
        draw.text((_BAR_HEIGHT // 2, height + _BAR_HEIGHT // 2), keys, INK, load_font(14), "lm")
        put_on_screen(self._pygame, picture)
