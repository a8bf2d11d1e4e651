"""What do several commands share? Options of models and data, and how errors name options."""

import argparse
import re
from collections.abc import Container
from typing import Any

from agents.base.files import path_of

DATA = ("dataset", "data_dir")


def add_models(group: Any) -> None:
    """Declare the options that name a trained model, in a group of which one is to be given."""
    group.add_argument("--run", type=path_of, metavar="DIR", help="run folder of train.py")
    group.add_argument("--pretrained", metavar="TASK", help="model that comes with the package")


def add_data(parser: Any) -> None:
    """Declare the options that say where the images of a trained model are."""
    add = parser.add_argument
    add("--dataset", metavar="NAME", help="where the images are now (default: as before)")
    add("--data-dir", metavar="DIR", help="folder of the IDX files now (default: as before)")


def data_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of an env that say where the images are, those that were given."""
    given = {name: getattr(options, name) for name in DATA}
    return {name: value for name, value in given.items() if value is not None}


def as_option(name: str) -> str:
    """Return the option of an argument: `num_envs` -> `--num-envs`."""
    return "--" + name.replace("_", "-")


def speak_of_options(message: str, names: Container[str]) -> str:
    """Return an error message with options in the place of the arguments that it names.

    Args:
        message: Of the library, which speaks of arguments.
        names: Of arguments that have an option.
    """

    def as_user_knows_it(found: re.Match[str]) -> str:
        name = "env" if found[1] == "env_id" else found[1]
        return f"`{as_option(name)}{found[2]}" if name in names else found[0]

    return re.sub(r"`([a-z_]+)([ `=])", as_user_knows_it, message)
