"""The table of agents: what each row trains, and what is written of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from agents.runs.train_arguments import (
    collect_env_kwargs,
    collect_settings,
    make_parser,
    with_defaults,
)

from agents.model.config import make_config
from agents.reports import agents as compare
from agents.reports.agents import ROWS, AgentRow, AgentTable

TINY = (
    AgentRow(
        "centered",
        "tiny",
        "RAM, tiny",
        options=("--batch-size", "64", "--num-glimpses", "2", "--processes", "1"),
        reads_labels=True,
        dataset="digits",
        budget=("--episodes", "128"),
    ),
    AgentRow(
        "centered",
        "random",
        "random gaze and answer",
        "random",
        dataset="digits",
        budget=("--episodes", "512"),
    ),
)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_row_is_a_command_that_can_be_given(row: AgentRow) -> None:
    """train.py understands it, five minutes each, and only cross-entropy counts as labels read."""
    program, *arguments = row.command(Path("folder"))
    options = make_parser().parse_args(arguments)
    assert program == "train.py"
    assert (options.env, options.algo, options.seed) == (row.task, row.algo, row.seed)
    assert (options.minutes, options.dataset, options.run_dir) == (5.0, "mnist", Path("folder"))
    with_defaults(options.algo, collect_env_kwargs(options))
    if row.algo == "ram":
        config = make_config(options.preset or "default", **collect_settings(options))
        assert row.reads_labels == (config.learn_class_from == "labels")
    else:
        assert not row.reads_labels


def test_both_tasks_have_every_agent_once() -> None:
    """Twenty rows with twenty names."""
    assert len(ROWS) == 2 * len(compare.AGENTS) == 20


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two tiny rows were trained, one after the other."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "ROWS", {row.name: row for row in TINY})
        for row in reversed(TINY):
            arguments = ["--out", str(folder / "results"), "--runs", str(folder / "runs")]
            assert compare.main(["--rows", row.name, *arguments]) == 0
    return folder


def test_rows_are_what_their_runs_left(table: Path) -> None:
    """Errors, steps, seconds and size of each row are those of its run folder."""
    content = json.loads((table / "results" / "agents.json").read_text())
    assert content["version"] == AgentTable.VERSION
    rows: dict[str, dict[str, Any]] = {row["name"]: row for row in content["rows"]}
    assert list(rows) == ["centered-tiny", "centered-random"]
    for name, row in rows.items():
        assert set(AgentTable.OF_ROW) <= set(row)
        result = json.loads((table / "runs" / name / "evaluation.json").read_text())
        for key in ("error", "low", "high", "parameters", "episodes"):
            assert row[key] == result[key]
        assert row["seconds"] == result["training_seconds"]
    assert rows["centered-tiny"]["env_steps"] == 128 * 2
    assert rows["centered-random"]["parameters"] == 0
    assert [row["reads_labels"] for row in rows.values()] == [True, False]


def test_the_page_lists_the_best_first_and_says_who_reads_labels(table: Path) -> None:
    """Each row tells error, interval, labels and command; the picture is one."""
    text = (table / "results" / "agents.md").read_text()
    rows = json.loads((table / "results" / "agents.json").read_text())["rows"]
    shown = [line for line in text.splitlines() if line.startswith("| ") and "%**" in line]
    errors = [float(line.split("**")[1].removesuffix(" %")) for line in shown]
    assert errors == sorted(errors)
    for row in rows:
        (line,) = (line for line in shown if f"(`{row['name']}`)" in line)
        assert f"| {row['low']:.2f} to {row['high']:.2f} |" in line
        assert ("| yes |" in line) == row["reads_labels"]
        assert row["command"] in text
    assert (table / "results" / "agents.png").read_bytes().startswith(b"\x89PNG")
