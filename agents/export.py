"""How does a model leave Python? `ram-env export --pretrained cluttered --out cluttered.onnx`.

`--run DIR` takes the model of a run, whatever trained it. Models of RAM take in a glimpse, or with
`--whole-look` the canvas, and tell what they see and where to look next; others act. docs/deploy.md
shows how to use the file without PyTorch.
"""

import argparse
import sys
from typing import Any

import gymnasium as gym

from agents.base.commands import add_models, speak_of_options
from agents.base.errors import plain_output
from agents.base.files import make_folder, path_of
from agents.base.pretrained import pretrained_rows
from agents.evaluation.players import load_run, read_task
from agents.exporting.onnx_file import HIGHEST_OPSET, LOWEST_OPSET, OPSET
from agents.exporting.policies import export_policy
from agents.model.ram import RAM

TOLD = ("command", "commit", "date", "machine")  # of a training, beside what the model tells


@plain_output()
def main(arguments: list[str] | None = None, prog: str = "python -m agents.export") -> int:
    """Run the command line; return the exit code."""
    parser = make_parser(prog)
    options = parser.parse_args(arguments)
    try:
        if options.out.is_dir():
            raise ValueError(f"`out` must be a file to write, got the folder {options.out}.")
        make_folder(options.out.parent)
        if options.run is not None:
            facts, model = load_run(options.run)
        else:
            model = RAM.from_pretrained(options.pretrained, device="cpu")
            facts = pretrained_rows()[options.pretrained]
        export_model(model, facts, options)
    except OSError as error:
        parser.error(f"`--out` cannot be written ({error}).")
    except (ValueError, gym.error.Error) as error:
        parser.error(speak_of_options(str(error), vars(options)))
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def export_model(model: Any, facts: dict[str, Any], options: argparse.Namespace) -> None:
    """Write a model, RAM or a policy of another algorithm, to the file that the options name.

    Raises:
        ValueError: If it cannot be exported as they say.
    """
    trained = {name: facts[name] for name in TOLD if name in facts}
    if isinstance(model, RAM):
        model.export_onnx(options.out, options.whole_look, opset=options.opset, trained=trained)
        return
    if options.whole_look:
        raise ValueError(
            f"`whole_look` is for models of ram, got one of {facts['algo']}: leave it out."
        )
    task = read_task(options.run, facts) if facts.get("task") else None
    trained |= {"algo": facts["algo"]}
    memory = facts.get("memory", "none")
    export_policy(options.out, model, task, trained, memory, options.opset)


def make_parser(prog: str) -> argparse.ArgumentParser:
    """Declare the options."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    add = parser.add_argument
    add_models(parser.add_mutually_exclusive_group(required=True))
    add("--out", type=path_of, required=True, metavar="FILE", help="the ONNX file to write")
    add("--whole-look", action="store_true", help="take in canvases: the retina is in the graph")
    add(
        "--opset",
        type=int,
        default=OPSET,
        metavar="N",
        help=f"set of operators, {LOWEST_OPSET} to {HIGHEST_OPSET} (default: {OPSET})",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
