"""How do tests use a site as a visitor does? In the Chromium of the system."""

import functools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from demo import build

AXE = build.HERE / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or not AXE.exists(),
    reason="needs Chromium, and what `make test-demo` installs for the page",
)
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
# Strokes of (x, y) in pixels.
FOUR: list[list[tuple[float, float]]] = [[(20, 8), (16, 28), (40, 28)], [(34, 10), (32, 52)]]
# What the page itself plays with: an imported module is there once.
ASK = """async () => {
    const { game } = await import("/game.js");
    const { label, target, clutter } = game.scene;
    const looks = game.episode.looks.map((look) => ({ ...look, glimpse: [...look.glimpse] }));
    return { canvas: [...game.episode.canvas], looks, label, target, clutter };
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; yield the address."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright: `make test-demo`")
    with sync_api.sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser:
            yield browser


def assert_accessible(page: Any) -> None:
    """axe-core finds nothing serious, and nothing is wider than the screen."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run()")["violations"]
    serious = [it for it in found if it["impact"] in ("serious", "critical")]
    assert [(it["help"], node["html"]) for it in serious for node in it["nodes"]] == []
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def wait_for(page: Any, selector: str, text: str) -> None:
    """Wait until an element has some text."""
    page.locator(selector).filter(has_text=text).wait_for(timeout=20_000)


def point(page: Any, x: float, y: float) -> tuple[float, float]:
    """Return where a pixel of the scene is on the screen."""
    box = page.locator("#scene").bounding_box()
    return box["x"] + x / 60 * box["width"], box["y"] + y / 60 * box["height"]


def drag(page: Any, places: list[tuple[float, float]]) -> None:
    """Draw a line through pixels of the scene."""
    page.mouse.move(*point(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*point(page, *place), steps=5)
    page.mouse.up()


def draw_four(page: Any) -> None:
    """Draw a digit in the place of the one that is there."""
    page.click("#own")
    for stroke in FOUR:
        drag(page, stroke)


def play(page: Any) -> dict[str, Any]:
    """Let the model look as often as it wants; return what the page has then."""
    page.select_option("#speed", "200")
    page.click("#play")
    wait_for(page, "#said", "Its answer")
    seen: dict[str, Any] = page.evaluate(ASK)
    return seen
