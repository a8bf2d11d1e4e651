"""The report on faults: what it counts, what it keeps, and how it draws memory."""

from pathlib import Path
from typing import Any

import pytest
from command_lines import refusal

from benchmarks import faults as report

FACTS = {"form": "long", "commit": "0123456789ab", "date": "2026-01-01", "machine": "a machine"}


def fault(name: str, survived: bool = True, skipped: bool = False) -> dict[str, Any]:
    """Return how one fault ended."""
    return {"name": name, "survived": survived, "skipped": skipped, "seconds": 1.25}


def test_faults_are_counted_by_kind() -> None:
    """What was skipped was not tried; what was not survived is lost."""
    faults = [fault("kill"), fault("kill", False), fault("disk"), fault("disk", False, True)]
    kill, disk = report.count(faults, FACTS)
    assert (kill["name"], kill["tried"], kill["survived"], kill["lost"]) == ("kill", 2, 1, 1)
    assert (disk["tried"], disk["lost"], disk["seconds"]) == (1, 0, 1.2)
    page = report.describe_rows([kill, disk])
    assert "| kill | 2 | 1 | 1 | 2.5 | long | 0123456789ab | 2026-01-01 | a machine |" in page


def test_faults_tried_again_replace_their_row_alone() -> None:
    """The others keep their place, their commit and their day; new kinds come last."""
    old = report.count([fault("kill", False), fault("disk")], FACTS)
    new = report.count([fault("flood"), fault("kill")], {**FACTS, "commit": "later"})
    merged = report.merge(new, old)
    assert [(row["name"], row["lost"], row["commit"]) for row in merged] == [
        ("kill", 0, "later"),
        ("disk", 0, FACTS["commit"]),
        ("flood", 0, "later"),
    ]


@pytest.mark.parametrize("damage", ["{", "{}"])
def test_a_damaged_report_is_told_before_an_hour_of_faults(
    damage: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Rows of some faults join it, so it is read first."""
    (tmp_path / "table.json").write_text(damage)
    line = refusal(report.main, ["--out", str(tmp_path), "-k", "kill"], capsys)
    assert "table.json` is damaged" in line


def test_memory_is_drawn_within_its_axes() -> None:
    """A flat line is neither on the edge nor blown up: the axis begins at 0 and ends above."""
    (axes,) = report.draw_memory([(0.0, 100.0), (60.0, 101.0)]).axes
    bottom, top = axes.get_ylim()
    assert bottom == 0 and 105.0 < top < 130.0
