"""Which pages has the site? Those of the repository, at their own places, and what they link to.

So the links between them hold here as on a code host. A file that is neither a page nor a picture
becomes a page that shows it, a folder one that lists it. The pages of the environments and of the
library's names are written whenever the site is built. MkDocs calls the functions `on_...`.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from website.environments import environment_pages, environment_pictures
from website.reference import reference_pages

ROOT = Path(__file__).parents[1]
DEMO, ABOUT_DEMO = ROOT / "build" / "demo", "docs/demo.md"  # what `make demo` leaves
START = ["README.md", "examples/tour.ipynb.md"]
FIRST_GUIDES = ["docs/agents.md", "docs/own_images.md", "docs/running.md"]
PICTURES = (".gif", ".jpg", ".png")
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")


def on_config(config: MkDocsConfig) -> None:
    """Put all pages in order."""
    config.nav = navigation()


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add all pages and pictures to the files of the site."""
    for place, content in contents():
        if isinstance(content, Path):
            files.append(File.generated(config, place, abs_src_path=str(content)))
        else:
            files.append(File.generated(config, place, content=content))


def on_post_page(output: str, **_: Any) -> str:
    """Name the theme's search for those who do not see it."""
    return output.replace('class="md-search"', 'class="md-search" aria-label="Search"')


def contents() -> Iterator[tuple[str, str | bytes | Path]]:
    """Yield all that is in the site, by its place there; the page with the demo if it is built."""
    texts, pictures = gather(environment_pages() | reference_pages())
    if DEMO.is_dir():
        title, _, text = texts[ABOUT_DEMO].partition("\n")
        texts[ABOUT_DEMO] = f"{title}\n\n[Open the page](../demo/index.html).\n{text}"
        for path in sorted(it for it in DEMO.rglob("*") if it.is_file()):
            yield f"demo/{path.relative_to(DEMO).as_posix()}", path
    yield from texts.items()
    yield from ((path, ROOT / path) for path in pictures)
    yield from environment_pictures()


def navigation() -> list[dict[str, Any]]:
    """Return the headings of the site, with the pages below each."""
    docs = paths_of("docs/*.md")
    others = [path for path in docs if path not in (*FIRST_GUIDES, "docs/results.md")]
    return [
        {"Start": START},
        {"Environments": list(environment_pages())},
        {"Guides": [*FIRST_GUIDES, *others]},
        {"Results": ["docs/results.md", *paths_of("results/*/README.md")]},
        {"Trials": ["docs/notebook/README.md", *paths_of("docs/notebook/[!R]*.md")]},
        {"API": list(reference_pages())},
        {"Project": ["CONTRIBUTING.md", "CHANGELOG.md"]},
    ]


def paths_of(pattern: str) -> list[str]:
    """Return the files of the repository that fit a pattern, in order of their names."""
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def pages_of(part: Any) -> Iterator[str]:
    """Yield the pages of a part of the navigation."""
    if isinstance(part, str):
        yield part
    else:
        for below in part.values() if isinstance(part, dict) else part:
            yield from pages_of(below)


def gather(written: dict[str, str]) -> tuple[dict[str, str], set[str]]:
    """Follow all links from the pages of the navigation on.

    Args:
        written: The pages that are no files of the repository, by their path in the site.

    Returns:
        The text of each page by its path in the site, and the pictures.
    """
    texts: dict[str, str] = {}
    pictures: set[str] = set()
    waiting = list(pages_of(navigation()))
    while waiting:
        page = waiting.pop()
        if page in texts:
            continue
        text = written[page] if page in written else text_of(page)

        def lead(found: re.Match[str], page: str = page) -> str:
            """Return where a link leads in the site, and remember to take that along."""
            target, mark, anchor = found[0].partition("#")
            if ":" in target or not target:
                return found[0]
            here = posixpath.dirname(page)
            path = posixpath.normpath(posixpath.join(here, target))
            if path.endswith(PICTURES):
                if (ROOT / path).exists():
                    pictures.add(path)
                return found[0]
            there = path if path in written else place_of(path)
            waiting.append(there)
            return posixpath.relpath(there, here or ".") + mark + anchor

        texts[page] = LINK.sub(lead, text)
    return texts, pictures


def place_of(path: str) -> str:
    """Return the page of a file or folder of the repository, by its path in the site."""
    if (ROOT / path).is_dir():
        path += "/README.md"
    return path if path.endswith(".md") else f"{path}.md"


def text_of(page: str) -> str:
    """Return the text of a page by its path in the site: `place_of` backwards.

    Raises:
        FileNotFoundError: If there is no such file or folder.
    """
    path = ROOT / page
    if path.exists():
        return path.read_text()
    if path.name == "README.md":
        names = [below.name for below in sorted(path.parent.iterdir()) if below.name[0] not in "._"]
        return "\n".join([f"# {path.parent.name}/\n", *(f"- [{name}]({name})" for name in names)])
    source = path.with_suffix("")
    if source.suffix == ".ipynb":
        cells = json.loads(source.read_text())["cells"]
        return "\n\n".join(
            text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
            for cell, text in ((cell, "".join(cell["source"])) for cell in cells)
        )
    kind = source.suffix.removeprefix(".") or "text"
    return f"# {source.name}\n\n``````{kind}\n{source.read_text()}\n``````\n"
