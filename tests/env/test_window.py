"""The window on the screen: what it shows, the keys it obeys, and where there is none."""

import copy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled
from helpers import assert_identical

from ram_env.drawing.window import HumanWindow, open_display
from ram_env.env import GlimpseEnv

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # pygame imports pkg_resources
FAST = 1000  # frames per second
FRAME = np.random.default_rng(3).integers(256, size=(40, 600, 3), dtype=np.uint8)


@pytest.fixture
def pygame(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A display that nobody sees."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    module = pytest.importorskip("pygame")
    yield module
    module.display.quit()


def on_screen(pygame: Any) -> np.ndarray:
    """Return what the window shows, uint8 (height, width, 3)."""
    return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)


def press(pygame: Any, *names: str) -> None:
    """Press keys, which the window finds at its next frame."""
    for name in names:
        key = getattr(pygame, f"K_{name}")
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))


def make_env() -> GlimpseEnv:
    """Make an env with a window that waits for nobody."""
    env = GlimpseEnv(dataset="digits", render_mode="human")
    env.metadata = {**env.metadata, "render_fps": FAST}
    return env


def test_window_shows_the_frame(pygame: Any) -> None:
    """It holds the pixels of the latest frame above a line of keys, and can be reopened."""
    window = HumanWindow()
    for frame in (FRAME, FRAME[:30, :500]):
        height, width, _ = frame.shape
        window.show(frame, fps=FAST)
        shown = on_screen(pygame)
        assert shown.shape == (height + 28, width, 3)
        np.testing.assert_array_equal(shown[:height], frame)
        assert shown[height:].min() < 100 < shown[height:].max()
        window.close()
    window.close()
    assert not pygame.display.get_init()


def test_pause_and_single_steps(pygame: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paused, it waits for the key of a step, and then at the next frame again."""
    window, waits = HumanWindow(), list[int]()
    window.show(FRAME, fps=FAST)
    playing = on_screen(pygame)
    scripts = [("SPACE", 5), ("RIGHT", 9), ("RIGHT", 12), ("SPACE", 15)]

    def wait(milliseconds: int) -> None:
        waits.append(milliseconds)
        if scripts and len(waits) >= scripts[0][1]:
            press(pygame, scripts.pop(0)[0])

    monkeypatch.setattr(pygame.time, "wait", wait)
    window.show(FRAME, fps=0.01)  # paused, then one step
    assert len(waits) == 9
    window.show(FRAME, fps=FAST)  # still paused
    assert len(waits) == 12
    assert (on_screen(pygame) != playing).any()  # and it says so
    window.show(FRAME, fps=FAST)  # goes on
    assert len(waits) >= 15
    np.testing.assert_array_equal(on_screen(pygame), playing)


@pytest.mark.parametrize(("key", "milliseconds"), [("UP", 63), ("DOWN", 1000)])
def test_speed_can_be_changed(
    key: str, milliseconds: int, pygame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each press doubles or halves how many frames there are per second; the line says so."""
    now = [0]
    monkeypatch.setattr(pygame.time, "get_ticks", lambda: now[0])
    monkeypatch.setattr(pygame.time, "wait", lambda _: now.__setitem__(0, now[0] + 1))
    window = HumanWindow()
    window.show(FRAME, fps=4)
    assert now == [250]
    before = on_screen(pygame)
    press(pygame, key, key)
    window.show(FRAME, fps=4)
    now[0] = 0
    window.show(FRAME, fps=4)
    assert now == [milliseconds]
    assert (on_screen(pygame) != before).any()


@pytest.mark.parametrize("paused", [True, False])
def test_a_window_that_is_shut_lets_the_env_play_on(paused: bool, pygame: Any) -> None:
    """Without a window, and as an env without one does; a new one opens after `close`."""
    env, plain = make_env(), GlimpseEnv(dataset="digits")
    assert_identical(env.reset(seed=0), plain.reset(seed=0))
    press(pygame, *["SPACE"] * paused)
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    env.metadata = {**env.metadata, "render_fps": 0.01}
    for _ in range(3):
        action = np.zeros(12, np.float32)
        assert_identical(env.step(action), plain.step(action))
        assert not pygame.display.get_init()
    env.close()
    env.metadata = {**env.metadata, "render_fps": FAST}
    env.reset()
    assert pygame.display.get_init()
    env.close()


def test_an_env_with_an_open_window_can_be_copied(pygame: Any) -> None:
    """The copy plays on as an env without a window does, and opens one of its own."""
    env = make_env()
    env.reset(seed=0)
    twin, plain = copy.deepcopy(env), GlimpseEnv(dataset="digits")
    env.close()
    assert not pygame.display.get_init()
    plain.reset(seed=0)
    for _ in range(7):
        action = np.zeros(12, np.float32)
        assert_identical(twin.step(action), plain.step(action))
    assert pygame.display.get_init()
    twin.close()


def test_the_render_mode_can_be_changed(pygame: Any) -> None:
    """The window opens with the next glimpse."""
    env = make_env()
    env.render_mode = None
    env.reset(seed=0)
    assert not pygame.display.get_init()
    env.render_mode = "human"
    env.reset(seed=0)
    assert pygame.display.get_init()
    env.close()


def test_without_pygame_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pygame is an extra: the error names the command that installs it; closing is harmless."""
    monkeypatch.setitem(sys.modules, "pygame", None)
    window = HumanWindow()
    with pytest.raises(DependencyNotInstalled, match=r'pip install "ram-env\[human\]"'):
        window.show(FRAME, fps=FAST)
    window.close()


@pytest.mark.parametrize("driver", ["offscreen", "dummy"])
def test_what_nobody_sees_is_an_error(
    driver: str, pygame: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SDL draws into nowhere where it finds no screen; that must have been asked for."""
    open_display()
    monkeypatch.delenv("SDL_VIDEODRIVER")
    monkeypatch.setattr(pygame.display, "get_driver", lambda: driver)
    with pytest.raises(gym.error.Error, match=f"needs a screen, and pygame found only '{driver}'"):
        open_display()
    assert not pygame.display.get_init()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_a_request_to_end_the_process_ends_it() -> None:
    """SDL would make an event of the signal, and the process would live on."""
    pytest.importorskip("pygame")
    program = (
        "import os, signal, time\n"
        "from ram_env.drawing.window import open_display\n"
        "open_display()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "time.sleep(1)\n"
        "print('alive')"
    )
    environment = {"SDL_VIDEODRIVER": "dummy", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == -signal.SIGTERM
    assert "alive" not in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have a screen")
@pytest.mark.parametrize("driver", [None, "x11"])
def test_without_a_screen_the_first_reset_says_so(driver: str | None) -> None:
    """In one line, whether SDL falls back on another driver or has none."""
    pytest.importorskip("pygame")
    program = (
        "import gymnasium\n"
        "env = gymnasium.make('ram_env:GlimpseMNIST-v0', dataset='digits', render_mode='human')\n"
        "env.reset(seed=0)"
    )
    environment = {"PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
    if driver is not None:
        environment["SDL_VIDEODRIVER"] = driver
    command = [sys.executable, "-W", "ignore", "-c", program]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    line = result.stderr.splitlines()[-1]
    assert line.startswith("gymnasium.error.Error: A window, such as that of `render_mode=")
    assert "needs a screen" in line
