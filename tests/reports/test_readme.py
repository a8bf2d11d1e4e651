"""Do README and docs keep their word? Their code runs, links lead to files, numbers are logged."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from gymnasium.error import DependencyNotInstalled
from helpers import needs_mnist

import ram_env
from ram_env import SHORT_NAMES, TASKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TABLES = ("paper", "agents", "speed", "study", "faults")
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "results/*/README.md")
    for path in ROOT.glob(pattern)
)
CODE_BLOCKS = [
    (path.relative_to(ROOT).as_posix(), code)
    for path in PAGES
    for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
]
RESULTS = sorted((ROOT / "results" / "runs").glob("*/evaluation.json"))


def read_rows(table: str) -> list[dict[str, Any]]:
    """Return the rows of a table of results."""
    content = json.loads((ROOT / "results" / table / "table.json").read_text())
    assert content["version"] == 1
    rows: list[dict[str, Any]] = content["rows"]
    return rows


def cells_of(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


# Of Gymnasium 1.2, where moviepy is missing.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <function RecordVideo")
@needs_mnist
@pytest.mark.parametrize("number", range(len(CODE_BLOCKS)))
def test_code_blocks_run(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example works as it stands."""
    monkeypatch.chdir(tmp_path)  # what they write
    name, code = CODE_BLOCKS[number]
    try:
        exec(compile(code, f"{name}, block {number}", "exec"), {})
    except DependencyNotInstalled as missing:
        pytest.skip(str(missing))


def test_there_are_examples_and_results() -> None:
    """The tests of this file have something to go over."""
    assert {name for name, _ in CODE_BLOCKS} >= {"README.md", "docs/agents.md"}
    assert len(RESULTS) >= 3 and len(PAGES) >= 10


@pytest.mark.parametrize(("name", "most"), [("README.md", 150), ("docs/results.md", 120)])
def test_pages_read_first_are_short(name: str, most: int) -> None:
    """A newcomer reads each of them in a few minutes."""
    assert len((ROOT / name).read_text().splitlines()) <= most


def anchors_of(page: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page of Markdown."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(page: Path) -> None:
    """Every link and picture that is no address names a file, and an anchor of it, that exist."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), target
        assert not anchor or anchor in anchors_of(path.read_text()), target


def test_pages_of_results_are_whole() -> None:
    """Each folder of results has its page, its table and its picture."""
    for table in TABLES:
        folder = ROOT / "results" / table
        assert {path.name for path in folder.iterdir()} >= {"README.md", "table.json"}
        assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
        assert read_rows(table)


@pytest.mark.parametrize("task", [name for name, it in SHORT_NAMES.items() if it in TASKS])
def test_rows_of_readme_are_those_of_the_papers_table(task: str) -> None:
    """The table of results gives each task's figures of paper, error, interval and minutes."""
    (row,) = (row for row in read_rows("paper") if row["name"] == task)
    section = README.split("## What was measured")[1].split("\n## ")[0]
    (line,) = (line for line in section.splitlines() if line.startswith(f"| `{task}` |"))
    name, paper, _, ours, minutes = cells_of(line)
    assert name == f"`{task}`"
    assert paper == ("" if row["paper"] is None else f"{row['paper']:.2f} %")
    assert ours == f"**{row['error']:.2f} %** ({row['low']:.2f} to {row['high']:.2f})"
    assert minutes == f"{row['minutes']:.1f}"


def test_the_version_is_told_alike_everywhere() -> None:
    """By the package, setup.cfg and CITATION.cff; the licence too."""
    for name, version, licence in (
        ("setup.cfg", f"version = {ram_env.__version__}", "license = MIT"),
        ("CITATION.cff", f"version: {ram_env.__version__}", "license: MIT"),
    ):
        assert {version, licence} <= set((ROOT / name).read_text().splitlines())
    assert (ROOT / "LICENSE").read_text().startswith("MIT License\n")


def test_published_rows_come_from_commits() -> None:
    """No row of the paper's table was trained with changes that no commit holds."""
    assert not [row["name"] for row in read_rows("paper") if row["commit"].endswith("-dirty")]


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.parent.name)
def test_logged_runs_are_those_of_the_docs(path: Path) -> None:
    """docs/results.md gives the command, error, interval, episodes and minutes of each run."""
    result = json.loads(path.read_text())
    config = json.loads(path.with_name("config.json").read_text())
    command = config["command"].split(" --run-dir")[0]
    page = (ROOT / "docs" / "results.md").read_text()
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{command}` |"))
    assert cells_of(row)[1:] == [
        f"**{result['error']:.2f} %** ({result['low']:.2f} to {result['high']:.2f})",
        f"{result['episodes']:,}",
        f"{result['training_seconds'] / 60:.1f}",
    ]
    assert (result["dataset"], result["num_scenes"]) == ("mnist", 10_000)
    assert not config["commit"].endswith("-dirty")


@pytest.mark.parametrize("env_id", TASKS)
def test_tasks_are_listed_as_registered(env_id: str) -> None:
    """The table of tasks gives the registered arguments and a small picture."""
    (row,) = (line for line in README.splitlines() if f"| `{env_id}` |" in line)
    task = TASKS[env_id]
    canvas, patch = task["canvas_size"], task["patch_size"]
    assert cells_of(row)[3:] == [
        f"{canvas}x{canvas}",
        str(task["num_distractors"]),
        f"{patch}x{patch}",
        str(task["num_scales"]),
        str(task["num_glimpses"]),
    ]
