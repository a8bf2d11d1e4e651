"""The documentation as it is built: no warning, nothing from elsewhere, readable by everybody."""

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ram_env import SHORT_NAMES

ROOT = Path(__file__).parents[2]
AXE = ROOT / "demo" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium")
READ = ("", "environments/cluttered/", "reference/agents/", "docs/running/")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it; a warning is an error."""
    pytest.importorskip("mkdocs", reason="needs the extra docs: pip install '.[docs]'")
    path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    command += ["--config-file", "website/mkdocs.yml", "--site-dir", str(path)]
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    return path


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_every_page_of_an_env_shows_its_own_picture(name: str, folder: Path) -> None:
    """It moves."""
    assert f'src="../{name}.gif"' in (folder / f"environments/{name}/index.html").read_text()
    with Image.open(folder / f"environments/{name}.gif") as picture:
        assert getattr(picture, "n_frames", 1) > 5


def test_names_are_documented_by_their_docstrings(folder: Path) -> None:
    """Shapes and all; the options of a training too."""
    page = (folder / "reference/agents/index.html").read_text()
    assert 'id="agents.model.ram.RAM.look_at"' in page
    assert 'id="agents.runs.launch.train"' in page and "checkpoint_seconds" in page


def test_nothing_is_loaded_from_elsewhere(folder: Path) -> None:
    """No font, script, style or picture."""
    for page in folder.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text())
        assert not [tag for tag in loaded if re.search(r"(?:src|href)=\"?(?:https?:)?//", tag)]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of the site."""
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.skipif(not CHROMIUM, reason="the browser test needs Chromium: install `chromium`")
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is installed with what demo/ needs")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_everybody_can_read_the_site(scheme: Any, width: int, address: str) -> None:
    """axe-core finds nothing serious, and nothing is wider than the screen."""
    reason = "the browser test needs playwright"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    viewport = {"width": width, "height": 900}
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path in READ:
            page = browser.new_page(viewport=viewport, color_scheme=scheme)
            page.goto(address + path, wait_until="load")
            page.wait_for_timeout(500)  # the theme wraps tables when the page is there
            page.add_script_tag(path=AXE)
            found = page.evaluate("axe.run()")["violations"]
            serious = [it for it in found if it["impact"] in ("serious", "critical")]
            assert [(it["help"], node["html"]) for it in serious for node in it["nodes"]] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        browser.close()
