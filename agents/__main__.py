"""Which commands are there? `ram-env COMMAND ...`, or `python -m agents COMMAND ...`."""

import importlib
import sys

import ram_env
from agents.base.errors import plain_output

# Name -> the module whose `main(arguments, prog)` it calls, and what it does.
COMMANDS = {
    "train": ("agents.runs.launch", "train an agent; leave its model, error and pictures"),
    "evaluate": ("agents.evaluate", "measure a run, a shipped model or a policy of your own"),
    "classify": ("agents.classify", "tell what is on pictures of yours"),
    "export": ("agents.export", "write a model to an ONNX file, to use it without PyTorch"),
    "show": ("agents.evaluation.show", "draw where a shipped model or a run looks"),
    "reproduce": ("agents.reproduce", "train the rows of the paper's table"),
    "compare": ("agents.compare", "train every agent for the same time"),
    "study": ("agents.study", "measure how a shipped model generalises"),
}


@plain_output()
def main(arguments: list[str] | None = None) -> int:
    """Run a command; return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    name, rest = (words[0], words[1:]) if words else ("--help", [])
    if name in COMMANDS:
        module = importlib.import_module(COMMANDS[name][0])
        code: int = module.main(rest, f"ram-env {name}")
        return code
    if name in ("-h", "--help"):
        print("usage: ram-env COMMAND [options]\n\ncommands (each has a --help of its own):")
        for command, (_, what) in COMMANDS.items():
            print(f"  {command:<12}{what}")
        return 0
    if name == "--version":
        print(f"ram-env {ram_env.__version__}")
        return 0
    print(f"ram-env: error: no command {name!r}: choose {', '.join(COMMANDS)}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
