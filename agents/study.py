"""How does a trained model generalise? `python -m agents.study --pretrained cluttered`.

With `--looks`: how many looks do scenes take until it is sure, and which are the hardest?
With `--sides`: how does one model for canvases of any size do beside two that were made for one?
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym

from agents.base.errors import plain_output
from agents.base.figures import save_figure
from agents.base.files import make_folder, path_of, write_atomically, write_json
from agents.base.pretrained import env_of_task, pretrained_path
from agents.evaluation.generalisation import (
    CLUTTER,
    SIDE_BY_SIDE,
    draw,
    draw_sides,
    measure_sides,
    measure_sweeps,
    write_page,
    write_page_of_sides,
)
from agents.evaluation.pictures import CONFIDENCE, draw_looks, measure_looks, write_page_of_looks
from agents.evaluation.players import Player, player_of_pretrained
from agents.evaluation.provenance import describe_source
from agents.looking.gazes import save_gaze_grid
from ram_env import TASKS

NUM_FAILURES = 12


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.study") -> int:
    """Run the command line; return the exit code."""
    description = "Measure how a model that comes with the package generalises."
    parser = argparse.ArgumentParser(prog=prog, description=description)
    add = parser.add_argument
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--pretrained", metavar="TASK", help="(default: cluttered)")
    sides_help = "measure models on canvases of 28 to 4,000 pixels, instead"
    one.add_argument("--sides", action="store_true", help=sides_help)
    add("--looks", action="store_true", help="measure how many looks scenes take, instead")
    add("--out", type=path_of, default=Path("results"), metavar="DIR", help="(default: results)")
    options = parser.parse_args(arguments)
    folder, name = options.out / "study", options.pretrained or "cluttered"
    if options.sides and options.looks:
        parser.error("`--looks` and `--sides` are two studies: give one of them.")
    try:
        if options.sides:
            make_folder(folder)
            study_sides(folder)
            return 0
        pretrained_path(name)  # is there such a model?
        if env_of_task(name)[0] not in TASKS:
            raise ValueError(
                f"`--pretrained` must be of a task with an image on a canvas, got {name!r}."
            )
        make_folder(folder)  # first: to measure takes long
        measure = study_looks if options.looks else study
        measure(name, player_of_pretrained(name), folder)
    except (ValueError, gym.error.Error) as error:
        parser.error(str(error))
    return 0


def study(name: str, player: Player, folder: Path) -> None:
    """Measure a model; write table.json, README.md, picture.png and failures.png."""
    model, scenes = player
    sweeps = []
    for sweep in measure_sweeps(model, scenes.env_id, scenes.env_kwargs, scenes.num_scenes):
        sweeps.append(sweep)
        shown = ", ".join(f"{point.x:g}: {point.error:.2f} %" for point in sweep.points)
        print(f"{sweep.x_label}: {shown}", flush=True)
    source = describe_source()
    rows = [asdict(sweep) for sweep in sweeps]
    write_json(folder / "table.json", {"version": 1, "model": name, **source, "rows": rows})
    page = write_page(name, sweeps, scenes.num_scenes, source["commit"]).encode()
    write_atomically(folder / "README.md", lambda file: file.write(page))
    title = f"{name}: not trained again, {scenes.num_scenes:,} test scenes"
    save_figure(folder / "picture.png", lambda: draw(sweeps, title), dpi=110)
    failures = scenes.record(model, 0, NUM_FAILURES)
    save_gaze_grid(folder / "failures.png", failures, f"{name}: the first scenes it gets wrong")


def study_looks(name: str, player: Player, folder: Path) -> None:
    """Measure how many looks scenes take; write looks.json, looks.md and looks.png."""
    model, scenes = player
    groups = measure_looks(model, scenes)
    after = [it for it in groups if it.kind == "after"]
    shown = ", ".join(f"{it.value}: {it.num_scenes:,} scenes, {it.error:.2f} %" for it in after)
    print(f"looks until it is sure: {shown}", flush=True)
    source = describe_source()
    rows = [asdict(group) for group in groups]
    content = {"version": 1, "model": name, "confidence": CONFIDENCE, **source, "rows": rows}
    write_json(folder / "looks.json", content)
    page = write_page_of_looks(name, groups, scenes, source["commit"]).encode()
    write_atomically(folder / "looks.md", lambda file: file.write(page))
    title = f"{name}: looks until it is {CONFIDENCE:g} sure, {scenes.num_scenes:,} test scenes"
    draw_looks(folder / "looks.png", model, scenes, groups, title)


def study_sides(folder: Path, **options: Any) -> None:
    """Measure models on canvases of any size; write sides.json, sides.md and sides.png.

    The options are those of `measure_sides`.
    """
    results = {}
    for name in SIDE_BY_SIDE:
        results[name] = measure_sides(name, **options)
        shown = [f"{it.error:.2f} %" for it in results[name]]
        print(f"{name}:", ", ".join(shown), flush=True)
    source = describe_source()
    rows = [
        {"model": name, "canvas_size": side, "num_distractors": number, **asdict(it)}
        for name, of_model in results.items()
        for (side, number), it in zip(CLUTTER, of_model, strict=True)
    ]
    write_json(folder / "sides.json", {"version": 1, **source, "rows": rows})
    page = write_page_of_sides(results, source["commit"]).encode()
    write_atomically(folder / "sides.md", lambda file: file.write(page))
    title = "Each model as it ships, on canvases of any size"
    save_figure(folder / "sides.png", lambda: draw_sides(results, title), dpi=110)


if __name__ == "__main__":
    sys.exit(main())
