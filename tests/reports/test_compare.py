"""The table of agents: what each row trains, and what is written of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents import compare
from agents.model.config import make_config
from agents.reports import agents
from agents.reports.agents import make_row
from agents.reports.table import VERSION, Row, Table
from agents.runs.options import parse_options

TINY = (
    make_row(
        "centered",
        "tiny",
        "RAM, tiny",
        options=("--batch-size", "64", "--num-glimpses", "2", "--processes", "1"),
        reads_labels=True,
        dataset="digits",
        budget=("--episodes", "128"),
    ),
    make_row("centered", "random", "random gaze and answer", "random", dataset="digits"),
)


def test_other_seeds_stand_beside_the_first() -> None:
    """The row of the first one has their errors, and they have no rows of their own."""
    entry = {"task": "centered", "agent": "ram", "what": "RAM", "reads_labels": True}
    entry |= {"low": 0.0, "high": 1.0, "env_steps": 1, "seconds": 1.0, "parameters": 1}
    entry |= {"command": "c", "machine": "m", "processes": 1, "precision": "float32"}
    entry |= {"commit": "0" * 12, "date": "2026-01-01", "gpu": None}
    names = {0: "centered-ram", 1: "centered-ram-seed1", 2: "centered-ram-seed2"}
    rows = [entry | {"name": name, "seed": it, "error": 1.0 + it} for it, name in names.items()]
    shown = [line for line in agents.write_page(rows).splitlines() if "%**" in line]
    assert len(shown) == 1
    assert "| **1.00 %** | 0.00 to 1.00 | 2.00 %, 3.00 % |" in shown[0]


@pytest.mark.parametrize("row", agents.ROWS, ids=lambda row: row.name)
def test_every_row_is_a_command_that_can_be_given(row: Row) -> None:
    """train.py understands it, for its minutes, and only cross-entropy counts as labels read."""
    facts = row.facts
    if facts["algo"] == "random":
        assert not facts["reads_labels"]
        return
    options = parse_options(row.command.split("train.py ")[1].split())
    wanted = facts["task"], facts["algo"], facts["seed"]
    assert (options.env, options.algo, options.seed) == wanted
    assert row.name.endswith(f"-seed{facts['seed']}") == (facts["seed"] > 0)
    agent, _, more = facts["agent"].rpartition("-")
    minutes = float(more) if agent and more.isdigit() else 5.0
    data = None if facts["task"] == "catch" else "mnist"
    assert (options.minutes, options.env_kwargs.get("dataset")) == (minutes, data)
    if facts["task"] == "catch":
        assert not facts["reads_labels"]
    elif facts["algo"] == "ram":
        config = make_config(options.preset or "default", **options.settings)
        assert facts["reads_labels"] == (config.learn_class_from == "labels")
    else:
        assert not facts["reads_labels"]


def test_both_tasks_have_every_agent_once() -> None:
    """And some more time, `catch` some, four of each two more seeds; each has its own name."""
    rows = 2 * len(agents.AGENTS) + len(agents.PATIENT) + len(agents.CATCHERS) + 2 * 2 * 4
    assert len(agents.TABLE.rows) == rows == 45


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two tiny rows were trained, one after the other."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        rows = {row.name: row for row in TINY}
        tiny = Table("agents", rows, agents.describe_run, agents.write_page, agents.draw)
        patch.setattr(compare, "TABLE", tiny)
        for row in reversed(TINY):
            arguments = ["--out", str(folder / "results"), "--runs", str(folder / "runs")]
            assert compare.main(["--rows", row.name, *arguments]) == 0
    return folder


def test_rows_are_what_their_runs_left(table: Path) -> None:
    """Errors, steps, seconds and size of each row are those of its run folder."""
    content = json.loads((table / "results" / "agents" / "table.json").read_text())
    assert content["version"] == VERSION
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in content["rows"]}
    assert list(rows) == ["centered-tiny", "centered-random"]
    for name, row in rows.items():
        assert {"task", "agent", "what", "algo", "memory", "seed"} <= set(row)
        result = json.loads((table / "runs" / name / "evaluation.json").read_text())
        for key in ("error", "low", "high", "parameters", "episodes"):
            assert row[key] == result[key]
        assert row["seconds"] == result["training_seconds"]
    assert rows["centered-tiny"]["env_steps"] == 128 * 2
    assert rows["centered-random"]["parameters"] == rows["centered-random"]["env_steps"] == 0
    assert rows["centered-random"]["low"] < 90.0 < rows["centered-random"]["high"]  # chance
    assert [row["reads_labels"] for row in rows.values()] == [True, False]


def test_the_page_lists_the_best_first_and_says_who_reads_labels(table: Path) -> None:
    """Each row tells error, interval, labels and command; the picture is one."""
    text = (table / "results" / "agents" / "README.md").read_text()
    rows = json.loads((table / "results" / "agents" / "table.json").read_text())["rows"]
    shown = [line for line in text.splitlines() if line.startswith("| ") and "%**" in line]
    errors = [float(line.split("**")[1].removesuffix(" %")) for line in shown]
    assert errors == sorted(errors)
    for row in rows:
        (line,) = (line for line in shown if f"(`{row['name']}`)" in line)
        assert f"| {row['low']:.2f} to {row['high']:.2f} |" in line
        assert ("| yes |" in line) == row["reads_labels"]
        assert row["command"] in text
    assert (table / "results" / "agents" / "picture.png").read_bytes().startswith(b"\x89PNG")
