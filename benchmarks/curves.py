"""How cost grows: `python -m benchmarks.curves` writes curves.json and curves.png."""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from agents.base.files import make_folder, path_of
from benchmarks.timing import Settings, pin

NAME = "curves"


def make_parser() -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.curves",
        description="Measure how the cost of a glimpse, of a reset and of classifying an image "
        "grow, and the speed of training; write curves.json and curves.png.",
    )
    add = parser.add_argument
    out: dict[str, Any] = {"type": path_of, "default": Path("results/speed"), "metavar": "DIR"}
    add("--out", **out, help="folder of both files (default: results/speed)")
    add("--quick", action="store_true", help="short repetitions, to try it out")
    add("--dataset", choices=("mnist", "digits"), help="images (default: MNIST if it can be had)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    from benchmarks.machine import find_dataset  # loads torch

    try:
        make_folder(options.out)
        dataset = find_dataset(options.dataset)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    try:
        pin(1)
        save(options.out, measure(options, dataset), options.quick)
    except KeyboardInterrupt:
        parser.exit(130, f"{parser.prog}: interrupted.\n")
    print(f"Curves: {options.out / f'{NAME}.png'}")
    return 0


def measure(options: argparse.Namespace, dataset: str) -> dict[str, Any]:
    """Measure all curves; return what the JSON file holds."""
    import torch

    from benchmarks.env_curves import env_curves
    from benchmarks.image_curves import image_curves
    from benchmarks.machine import describe
    from benchmarks.training_curves import training_curves

    torch.set_num_threads(1)
    settings = Settings(repeats=1, quick=options.quick, dataset=dataset)
    machine = {**describe(dataset, options.out), "quick": options.quick}
    curves = []
    for part in (env_curves, image_curves, training_curves):
        for curve in part(settings):
            print(f"{curve.title}: {curve.x_label} {curve.x}", flush=True)
            for name, values in curve.lines.items():
                print(f"  {name}: {', '.join(f'{value:,.4g}' for value in values)}", flush=True)
            curves.append(dataclasses.asdict(curve))
    return {"machine": machine, "curves": curves}


def save(folder: Path, content: dict[str, Any], quick: bool) -> None:
    """Write the JSON file and the picture."""
    from agents.base.figures import save_figure
    from agents.base.files import write_json
    from benchmarks.curve import Curve, draw_curves
    from benchmarks.report import headline

    write_json(folder / f"{NAME}.json", content)
    title = headline(content["machine"], quick)
    curves = [Curve(**curve) for curve in content["curves"]]
    save_figure(folder / f"{NAME}.png", lambda: draw_curves(curves, title))


if __name__ == "__main__":
    sys.exit(main())
