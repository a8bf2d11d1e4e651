"""What is on these pictures? Their classes, by a model that was trained on others like them.

`python -m agents.classify --run runs/NAME new/*.jpg` asks the model of a run, `--pretrained TASK`
one that comes with the package; a folder means all pictures in it. With `--pictures DIR` each gaze
is drawn.
"""

import argparse
import csv
import glob
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from tqdm import tqdm

from agents.base.commands import add_models, speak_of_options
from agents.base.errors import DivergenceError, plain_output
from agents.base.files import make_folder, path_of
from agents.evaluation.players import Expert, expert_of_pretrained, expert_of_run
from agents.looking.look import Look, look_at
from ram_env.arguments import shown
from ram_env.games.record import TaskRecord
from ram_env.pictures.folder import pictures_in

MAX_PICTURES, MAX_NUMBERS = 128, 2**26  # of a batch: numbers are pixels times colours
MAX_NAME = 150  # bytes; 255 have room in the name of a file
IMPOSSIBLE = 2  # the exit code if a file cannot be read or drawn
COLUMNS = ["path", "label", "belief", "num_glimpses"]


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.classify") -> int:
    """Run the command line; return the exit code."""
    parser = make_parser(prog)
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    try:
        paths = find_pictures(options.files)
        if options.run is not None:
            expert = expert_of_run(options.run)
        else:
            expert = expert_of_pretrained(options.pretrained)
        expert.task.check_shows_pictures()
        if options.pictures is not None:
            make_folder(options.pictures)
        found = classify(expert, paths, options.confidence)
        for path, look in tqdm(found, "looking", len(paths), disable=None, leave=False):
            if isinstance(look, ValueError):
                reason = str(look).removeprefix("`picture` ")
                problems.append(reason if path in reason else f"{path} {reason}")
                continue
            if options.pictures is not None:
                name = f"{len(rows):04}-{shortened(Path(path).stem)}.png"
                try:
                    look.save(options.pictures / name, f"{path}: {look.describe()}")
                except OSError as error:
                    problems.append(f"{path} cannot be drawn ({error})")
            rows.append(as_row(path, look, expert.task.class_names))
    except (ValueError, DivergenceError, gym.error.Error) as error:
        message = str(error).replace("`files`", "FILES")
        parser.error(speak_of_options(message, vars(options)))
    print_as = print_json if options.json else print_csv if options.csv else print_table
    print_as(rows)
    for problem in problems:
        print(problem, file=sys.stderr)
    return IMPOSSIBLE if problems else 0


def shortened(name: str) -> str:
    """Return as much of a name as the name of another file has room for, in bytes."""
    return os.fsencode(name)[:MAX_NAME].decode(errors="ignore")


def make_parser(prog: str) -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILES", help="pictures, folders of them, or globs")
    add_models(parser.add_mutually_exclusive_group(required=True))
    add(
        "--confidence",
        type=float,
        metavar="X",
        help="end looking once the belief in a class reaches this, such as 0.99 (default: look as "
        "often as in training)",
    )
    add("--pictures", type=path_of, metavar="DIR", help="where to draw gazes (default: nowhere)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print a list of dicts, not a table")
    how.add_argument("--csv", action="store_true", help="print comma-separated values")
    return parser


def find_pictures(files: Sequence[str]) -> list[str]:
    """Return the paths of pictures: those named, and all that a folder or a glob stands for.

    Raises:
        ValueError: If there are none.
    """
    paths = []
    for file in files:
        named = os.path.expanduser(file)
        matching = [named] if os.path.exists(named) else sorted(glob.glob(named, recursive=True))
        for path in matching or [named]:  # what is not there is told of as what cannot be read
            if os.path.isdir(path):
                paths += [os.path.join(path, name) for name in pictures_in(Path(path))]
            else:
                paths.append(path)
    if not paths:
        raise ValueError(
            f"`files` must be pictures or folders of some, got none in {shown(files)}."
        )
    return paths


def classify(
    expert: Expert, paths: Sequence[str], confidence: float | None = None
) -> Iterator[tuple[str, Look | ValueError]]:
    """Yield each path with what the model makes of it, or why it cannot.

    Args:
        expert: Whom to ask.
        paths: Of pictures.
        confidence: See `look_at`.
    """
    for batch in batches(expert.task, paths):
        pictures = [picture for _, picture in batch if isinstance(picture, np.ndarray)]
        looks = iter(
            look_at(expert.model, expert.task, pictures, confidence, expert.memory)
            if pictures
            else []
        )
        for path, picture in batch:
            yield path, next(looks) if isinstance(picture, np.ndarray) else picture


def batches(
    task: TaskRecord, paths: Sequence[str]
) -> Iterator[list[tuple[str, np.ndarray | ValueError]]]:
    """Yield paths with the pixels of each, or why it has none, as many as memory is to hold."""
    batch: list[tuple[str, np.ndarray | ValueError]] = []
    num_numbers, on_canvas = 0, task.image_shape is not None
    for path in paths:
        try:
            picture: np.ndarray | ValueError = task.pixels_of(path)
        except ValueError as error:
            picture = error
        shape = picture.shape if isinstance(picture, np.ndarray) else (0,)
        size = math.prod(shape)
        is_full = len(batch) == MAX_PICTURES or num_numbers + size > MAX_NUMBERS
        if batch and (is_full or (on_canvas and getattr(batch[-1][1], "shape", shape) != shape)):
            yield batch
            batch, num_numbers = [], 0
        batch.append((path, picture))
        num_numbers += size
    yield batch


def as_row(path: str, look: Look, class_names: Sequence[str]) -> dict[str, Any]:
    """Return what is printed of a look; `belief` is None if the model tells none."""
    belief = None
    if look.belief is not None:
        belief = dict(zip(class_names, map(float, look.belief), strict=True))
    return {
        "path": path,
        "label": look.label,
        "belief": belief,
        "num_glimpses": look.num_glimpses,
    }


def print_json(rows: Sequence[dict[str, Any]]) -> None:
    """Print a list of dicts; `belief` holds that in each class, by its name."""
    print(json.dumps(rows, indent=2))


def print_csv(rows: Sequence[dict[str, Any]]) -> None:
    """Print a line for each picture; `belief` is that in its label."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(in_label(row) for row in rows)


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Print aligned columns for people; what would move their cursor is written out."""
    cells = [COLUMNS, *([printable(cell) for cell in in_label(row)] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(map(str.ljust, line, widths)).rstrip())


def in_label(row: dict[str, Any]) -> list[str]:
    """Return the cells of a row, with the belief in the label alone."""
    belief = "" if row["belief"] is None else f"{row['belief'][row['label']]:.4f}"
    return [row["path"], row["label"], belief, str(row["num_glimpses"])]


def printable(text: str) -> str:
    """Return a text without letters that a terminal would obey."""
    return "".join(it if it.isprintable() else it.encode("unicode_escape").decode() for it in text)


if __name__ == "__main__":
    sys.exit(main())
