"""Which room may import which: one way, and never back; and no room is crowded."""

import ast
from pathlib import Path

import pytest

from benchmarks.house import LAYERS, arrows_back, find_circle, imported, largest_folder, modules

ROOT = Path(__file__).parents[2]
MODULES_PER_ROOM = 8


@pytest.mark.parametrize("package", LAYERS)
def test_rooms_import_one_way(package: str) -> None:
    """A room knows those below it; commands, at the top of `agents`, know all."""
    assert arrows_back(ROOT, package) == []


@pytest.mark.parametrize("package", LAYERS)
def test_modules_import_in_no_circle(package: str) -> None:
    """Within a room too."""
    assert find_circle(ROOT, package) == []


def test_ram_env_knows_nothing_of_learning() -> None:
    """It can be installed and read without torch, Stable-Baselines3 and the agents."""
    for path in modules(ROOT, "ram_env"):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & {"agents", "torch", "stable_baselines3", "sb3_contrib"}, path


@pytest.mark.parametrize("package", LAYERS)
def test_no_room_is_crowded(package: str) -> None:
    """A folder holds at most eight modules, and each says what it is for."""
    for path in modules(ROOT, package):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} says nothing of itself"
    assert largest_folder(ROOT, package) <= MODULES_PER_ROOM
