"""The counts of `python -m benchmarks.house`, on a small made-up tree."""

from pathlib import Path

import pytest

from benchmarks import house


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return the folder of two packages that import one way."""
    files = {
        "agents/__init__.py": "",
        "agents/base/files.py": "import json\n",
        "agents/model/ram.py": "from agents.base.files import read\n",
        "agents/model/losses.py": "import torch\n",
        "agents/model/config.py": "x = 1\n\ny = 2\n",
        "agents/runs/run.py": "from agents.model import ram\n",
        "ram_env/retina.py": "",
        "ram_env/env.py": "from ram_env.retina import look\n",
        "train.py": "from agents.runs import run\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_tidy_tree_is_counted(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Modules of the largest folders and lines; a file that is not there has none."""
    assert house.main([str(tree)]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| modules in the largest folder of agents, ram_env | 3, 2 |",
        "| packages with a circle of imports | 0 |",
        "| imports that run back | 0 |",
        "| lines of agents/ | 7 |",
        "| lines of ram_env/ | 1 |",
        "| lines of train.py | 1 |",
        "| lines of README.md | 0 |",
    ]


def test_imports_that_run_back_are_named(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lower room that knows an upper one, inside a function too, and the circle that it makes."""
    (tree / "agents/model/config.py").write_text("def f():\n    from agents.runs import run\n")
    assert house.arrows_back(tree, "agents") == ["agents/model/config.py imports agents.runs.run"]
    assert house.find_circle(tree, "agents") == []
    (tree / "agents/model/ram.py").write_text("import agents.runs.run\n")
    circle = house.find_circle(tree, "agents")
    assert set(circle) == {"agents.model.ram", "agents.runs.run"}
    assert house.main([str(tree)]) == 1
    assert "circle: " in capsys.readouterr().err
