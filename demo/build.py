"""What does the page consist of? `python -m demo.build DIR` writes its files, all of them static.

They are the page itself, ONNX Runtime for browsers, the model as one graph, and test scenes.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled

from agents import RAM
from agents.base.pretrained import pretrained_rows
from ram_env.data.datasets import load_dataset
from ram_env.scenes.painted import ScenePainter
from ram_env.scenes.source import frozen_scenes

HERE = Path(__file__).parent
RUNTIME = HERE / "node_modules" / "onnxruntime-web" / "dist"
RUNTIME_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
NAME = "cluttered"  # the model that comes with the package
NUM_SCENES, MOST_CLUTTER = 100, 8


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo.build", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to write; replaced")
    folder = parser.parse_args().folder
    try:
        build(folder)
    except (OSError, ValueError, DependencyNotInstalled) as error:
        parser.error(str(error))
    print(f"{folder} can be served as it is: {size_of(folder) / 2**20:.1f} MiB.")


def build(folder: Path, dataset: str = "auto") -> None:
    """Write all files of the page.

    Args:
        folder: Where to; what is there is replaced once all is made.
        dataset: Of the scenes: see `load_dataset`.

    Raises:
        FileNotFoundError: If ONNX Runtime for browsers is not installed.
        DependencyNotInstalled: If ONNX is not.
        ValueError: If there are no such scenes.
        OSError: If the folder cannot be written.
    """
    if not RUNTIME.exists():
        raise FileNotFoundError(f"{RUNTIME} is not there: `make demo` installs it, by `npm ci`.")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FileExistsError(f"{folder} must be a folder, or nothing yet: it is replaced.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as made:
        page = Path(made) / "page"
        page.mkdir()
        write_page(page, dataset)
        if folder.exists():
            os.replace(folder, Path(made) / "before")
        os.replace(page, folder)


def write_page(folder: Path, dataset: str) -> None:
    """Write all files of the page into an empty folder."""
    for pattern in ("*.html", "*.css", "*.js"):
        for path in HERE.glob(pattern):
            shutil.copy(path, folder)
    for name in RUNTIME_FILES:
        shutil.copy(RUNTIME / name, folder)
    model = RAM.from_pretrained(NAME)
    trained = pretrained_rows()[NAME]
    model.export_onnx(folder / "model.onnx", whole_look=True, trained=trained)
    write_json(folder / "model.json", metadata_of(folder / "model.onnx"))
    assert model.task is not None
    write_json(folder / "scenes.json", scenes_of(model.task.arguments, dataset))


def size_of(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def metadata_of(path: Path) -> dict[str, Any]:
    """Return what a graph says of itself, which browsers cannot read from it."""
    import onnx  # an extra

    properties = onnx.load(path, load_external_data=False).metadata_props
    return {entry.key: json.loads(entry.value) for entry in properties}


def scenes_of(arguments: dict[str, Any], dataset: str) -> list[dict[str, Any]]:
    """Return the first frozen test scenes of a task, as the sprites that they add up from.

    Args:
        arguments: Of the env.
        dataset: Where its images come from.

    Returns:
        Label, digit and clutter of each, more clutter than the task has: a sprite is `row` and
        `column` of its top-left corner, `side`, and `pixels`, a list of side * side numbers.
    """
    data, size = load_dataset(dataset, "test"), arguments["canvas_size"]
    painter = ScenePainter(data.images, (size, size), MOST_CLUTTER, arguments["distractor_size"])
    frozen = frozen_scenes("test", np.arange(NUM_SCENES))
    placed = painter.sprites(painter.plan(frozen["scene_seed"], frozen["index"]))
    sides = painter.sprite_shapes[:, 0]
    ends = np.cumsum(sides**2)[:-1]
    scenes = []
    for index, pixels, corners in zip(frozen["index"], placed.pixels, placed.corners, strict=True):
        digit, *clutter = [
            {"row": int(row), "column": int(column), "side": int(side), "pixels": part.tolist()}
            for (row, column), side, part in zip(
                corners, sides, np.split(pixels, ends), strict=True
            )
        ]
        scenes.append({"label": int(data.labels[index]), "digit": digit, "clutter": clutter})
    return scenes


def write_json(path: Path, content: Any) -> None:
    """Write a file without spaces."""
    path.write_text(json.dumps(content, separators=(",", ":")))


if __name__ == "__main__":
    main()
