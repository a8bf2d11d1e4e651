"""How large are the rooms of the code, and which way do they import? `python -m benchmarks.house`.

Prints a table in Markdown, and writes nothing.
"""

import argparse
import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# From the bottom to the top: a room, or module, imports from itself and from those before it.
LAYERS = {
    "agents": (
        *("base", "sb3", "looking", "exporting", "model", "policies", "evaluation", "runs"),
        "reports",
    ),
    "ram_env": (
        *("hashing", "arguments", "geometry", "retina", "drawing", "data", "pictures", "scenes"),
        *("games", "registration", "sub_envs", "env", "vector_env", "wrappers"),
    ),
}


def modules(root: Path, package: str) -> list[Path]:
    """Return the modules of a package in the folder `root`, in order of their paths."""
    return sorted((root / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield the modules, and the names in them, that a module imports, wherever that stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def largest_folder(root: Path, package: str) -> int:
    """Return the number of modules in the folder that has most, `__init__` not counted."""
    paths = [path for path in modules(root, package) if path.name != "__init__.py"]
    folders = [path.parent for path in paths]
    return max(map(folders.count, folders), default=0)


def arrows_back(root: Path, package: str) -> list[str]:
    """Return the imports from a room of one above it, as `path imports name`."""
    order = {room: number for number, room in enumerate(LAYERS[package])}
    back = []
    for path in modules(root, package):
        room = path.relative_to(root / package).parts[0].removesuffix(".py")
        for name in imported(path):
            top, _, rest = name.partition(".")
            number = order.get(rest.partition(".")[0], -1) if top == package else -1
            if number > order.get(room, len(order)):
                back.append(f"{path.relative_to(root)} imports {name}")
    return back


def find_circle(root: Path, package: str) -> list[str]:
    """Return the names of modules that import each other in a circle; empty if none do."""
    paths = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in modules(root, package)
    }
    arrows = {
        name: {
            found
            for wanted in imported(path)
            for found in (wanted, wanted.rpartition(".")[0])
            if found in paths and found != name
        }
        for name, path in paths.items()
    }
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def count_lines(paths: list[Path]) -> int:
    """Return the number of lines in all files together; one that is not there has none."""
    return sum(len(path.read_text().splitlines()) for path in paths if path.exists())


def measure(root: Path) -> dict[str, str]:
    """Return what is counted, and for both packages the two numbers, as text."""
    rows: dict[str, str] = {}
    largest = [str(largest_folder(root, package)) for package in LAYERS]
    rows[f"modules in the largest folder of {', '.join(LAYERS)}"] = ", ".join(largest)
    circles = sum(bool(find_circle(root, package)) for package in LAYERS)
    rows["packages with a circle of imports"] = str(circles)
    rows["imports that run back"] = str(sum(len(arrows_back(root, package)) for package in LAYERS))
    for package in LAYERS:
        rows[f"lines of {package}/"] = f"{count_lines(modules(root, package)):,}"
    for name in ("train.py", "README.md"):
        rows[f"lines of {name}"] = f"{count_lines([root / name]):,}"
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 0, or 1 if modules import in a circle or back."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("root", type=Path, nargs="?", default=Path(), help="(default: here)")
    root = parser.parse_args(arguments).root
    print("| measure | count |\n|---|--:|")
    for name, count in measure(root).items():
        print(f"| {name} | {count} |")
    faults = [fault for package in LAYERS for fault in arrows_back(root, package)]
    circles = [find_circle(root, package) for package in LAYERS]
    faults += [f"circle: {' -> '.join(circle)}" for circle in circles if circle]
    print("\n".join(faults), file=sys.stderr, end="\n" * bool(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
