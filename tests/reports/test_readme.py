"""README and docs keep their word: their code runs, their numbers are those of logged runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from helpers import needs_mnist

from ram_env import TASKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE_BLOCKS = [
    (path.name, code)
    for path in PAGES
    for code in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)
]
RESULTS = sorted((ROOT / "results" / "runs").glob("*/evaluation.json"))


@needs_mnist
@pytest.mark.parametrize("number", range(len(CODE_BLOCKS)))
def test_code_blocks_run(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each example works as it stands."""
    name, code = CODE_BLOCKS[number]
    exec(compile(code, f"{name}, block {number}", "exec"), {})


def test_there_are_examples_and_results() -> None:
    """The tests of this file have something to go over."""
    assert {name for name, _ in CODE_BLOCKS} >= {"README.md", "agents.md"}
    assert len(RESULTS) >= 3


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.parent.name)
def test_numbers_are_those_of_logged_runs(path: Path) -> None:
    """The row of each run gives its command, error, interval, episodes and minutes."""
    result = json.loads(path.read_text())
    config = json.loads(path.with_name("config.json").read_text())
    command = config["command"].split(" --run-dir")[0]
    (row,) = (line for line in README.splitlines() if line.startswith(f"| `{command}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1] == (
        f"**{result['error']:.2f} %** ({result['low']:.2f} to {result['high']:.2f})"
    )
    assert cells[3] == f"{result['episodes']:,}"
    assert cells[4] == f"{result['training_seconds'] / 60:.1f}"
    assert (result["dataset"], result["num_scenes"]) == ("mnist", 10_000)
    assert not config["commit"].endswith("-dirty")


PAPER = json.loads((ROOT / "results" / "paper.json").read_text())["rows"]


@pytest.mark.parametrize("result", PAPER, ids=lambda row: row["name"])
def test_rows_of_the_papers_table_are_those_of_the_results(result: dict[str, Any]) -> None:
    """A row that the README shows gives error, interval, episodes and minutes of paper.json."""
    error = f"**{result['error']:.2f} %** ({result['low']:.2f} to {result['high']:.2f})"
    for line in README.splitlines():
        if line.startswith(f"| `{result['name']}` |") and "**" in line:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert [cells[2], *cells[5:]] == [
                error,
                f"{result['episodes']:,}",
                f"{result['minutes']:.1f}",
            ]
    assert not result["commit"].endswith("-dirty")


def test_the_agents_are_those_of_the_results() -> None:
    """Each agent's row gives its errors on both tasks as agents.json has them."""
    results = json.loads((ROOT / "results" / "agents.json").read_text())["rows"]
    agents = {row["agent"]: row["what"] for row in results}
    assert len(agents) == 10
    for agent, what in agents.items():
        (line,) = (line for line in README.splitlines() if line.startswith(f"| {what} |"))
        errors = {row["task"]: row["error"] for row in results if row["agent"] == agent}
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2:] == [f"{errors[task]:.2f} %" for task in ("centered", "cluttered")]


@pytest.mark.parametrize("env_id", TASKS)
def test_tasks_are_listed_as_registered(env_id: str) -> None:
    """The table of tasks gives the registered arguments."""
    (row,) = (line for line in README.splitlines() if f"| `{env_id}` |" in line)
    task = TASKS[env_id]
    canvas, patch = task["canvas_size"], task["patch_size"]
    assert [cell.strip() for cell in row.strip("|").split("|")][2:] == [
        f"{canvas}x{canvas}",
        str(task["num_distractors"]),
        f"{patch}x{patch}",
        str(task["num_scales"]),
        str(task["num_glimpses"]),
    ]
