"""How are frames shown on the screen? In a window of pygame, imported when it first opens."""

from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled


class HumanWindow:
    """A window on the screen, opened with the first frame; needs pygame."""

    def __init__(self) -> None:
        self._pygame: Any = None
        self._clock: Any = None

    def __reduce__(self) -> tuple[type["HumanWindow"], tuple[()]]:
        """Copy, or pickle, as a window that is not open yet; the one on the screen stays."""
        return HumanWindow, ()

    def show(self, frame: np.ndarray, fps: int) -> None:
        """Show a frame, and wait as long as `fps` frames per second ask for.

        Args:
            frame: uint8 (h, w, 3).
            fps: Frames per second, at most.

        Raises:
            DependencyNotInstalled: If pygame is missing.
        """
        if self._pygame is None:
            self._open()
        height, width, _ = frame.shape
        screen = self._pygame.display.get_surface()
        if screen is None or screen.get_size() != (width, height):
            screen = self._pygame.display.set_mode((width, height))
        picture = self._pygame.image.frombuffer(frame.tobytes(), (width, height), "RGB")
        screen.blit(picture, (0, 0))
        self._pygame.event.pump()
        self._pygame.display.flip()
        self._clock.tick(fps)

    def close(self) -> None:
        """Close the window, if there is one; `show` opens a new one."""
        if self._pygame is not None:
            self._pygame.display.quit()
            self._pygame = None

    def _open(self) -> None:
        try:
            import pygame
        except ImportError as error:
            raise DependencyNotInstalled(
                '`render_mode="human"` needs pygame: run `pip install "ram-env[human]"`.'
            ) from error
        pygame.display.init()
        pygame.display.set_caption("ram-env")
        self._pygame, self._clock = pygame, pygame.time.Clock()
