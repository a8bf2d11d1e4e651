"""Which room may import which: one way, and never back; and no room is crowded."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES_PER_ROOM = 8
# From the bottom to the top: a room, or module, imports from itself and from those before it.
LAYERS = {
    "agents": ("files", "errors", "sb3", "model", "evaluation", "runs", "reports"),
    "ram_env": (
        *("hashing", "arguments", "geometry", "retina", "drawing", "data", "scenes", "games"),
        *("registration", "env", "vector_env", "wrappers"),
    ),
}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules that a module imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def modules(package: str) -> list[Path]:
    """Return the modules of a package."""
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", LAYERS)
def test_rooms_import_one_way(package: str) -> None:
    """A room knows those below it; commands, at the top of `agents`, know all."""
    order = {room: number for number, room in enumerate(LAYERS[package])}
    for path in modules(package):
        room = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == package and len(parts) > 1 and parts[1] in order:
                highest = order.get(room, len(order))
                assert order[parts[1]] <= highest, f"{path} imports {name} of a room above it"


@pytest.mark.parametrize("package", LAYERS)
def test_modules_import_in_no_circle(package: str) -> None:
    """Within a room too."""
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules(package)
    }
    arrows = {
        name: {
            found
            for wanted in imported(path)
            for found in (wanted, wanted.rpartition(".")[0])
            if found in names and found != name
        }
        for name, path in names.items()
    }
    while arrows:
        free = {name for name, targets in arrows.items() if not targets & arrows.keys()}
        assert free, f"a circle among {sorted(arrows)}"
        arrows = {name: targets for name, targets in arrows.items() if name not in free}


def test_ram_env_knows_nothing_of_learning() -> None:
    """It can be installed and read without torch, Stable-Baselines3 and the agents."""
    for path in modules("ram_env"):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & {"agents", "torch", "stable_baselines3", "sb3_contrib"}, path


@pytest.mark.parametrize("package", LAYERS)
def test_no_room_is_crowded(package: str) -> None:
    """A folder holds at most eight modules, and each says what it is for."""
    for path in modules(package):
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} says nothing of itself"
        beside = [other for other in path.parent.glob("*.py") if other.name != "__init__.py"]
        assert len(beside) <= MODULES_PER_ROOM, f"{path.parent} holds {len(beside)} modules"
