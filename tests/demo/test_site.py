"""The documentation as it is built: no warning, nothing from elsewhere, readable by everybody."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from browsing import DESK, PHONE, assert_accessible, chromium, needs_browser, served
from PIL import Image

from ram_env import SHORT_NAMES

ROOT = Path(__file__).parents[2]
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


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_everybody_can_read_the_site(scheme: str, viewport: dict[str, int], folder: Path) -> None:
    """axe-core finds nothing serious, and nothing is wider than the screen."""
    with served(folder) as address, chromium() as browser:
        for path in READ:
            page = browser.new_page(viewport=viewport, color_scheme=scheme)
            page.goto(address + path, wait_until="load")
            page.wait_for_timeout(500)  # the theme wraps tables when the page is there
            assert_accessible(page)
