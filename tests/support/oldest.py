"""Print the oldest versions that setup.cfg allows, as constraints for pip.

They follow from the lower bounds there. What is bound by constraints.txt alone (the tools), and
torch, of which pip might otherwise take a build of several gigabytes, stay at the tested version.
"""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINNED = ("torch",)


def oldest_constraints(setup: str, pins: str) -> list[str]:
    """Return lines `name==version`.

    Args:
        setup: The text of setup.cfg.
        pins: The text of constraints.txt.
    """
    parser = configparser.ConfigParser()
    parser.read_string(setup)
    bounds = re.findall(r"^([\w-]+)>=([\w.]+)", parser["options"]["install_requires"], re.MULTILINE)
    lowest = {name: version for name, version in bounds if name not in PINNED}
    tested = dict(re.findall(r"^([\w-]+)==([\w.]+)", pins, re.MULTILINE))
    needed = {*PINNED, *_extras(parser, "test")}
    return [
        f"{name}=={version}"
        for name, version in sorted((lowest | {name: tested[name] for name in needed}).items())
    ]


def _extras(parser: configparser.ConfigParser, extra: str) -> list[str]:
    """Return the names of the packages of an extra."""
    return re.findall(r"^([\w-]+)", parser["options.extras_require"][extra], re.MULTILINE)


if __name__ == "__main__":
    texts = [(ROOT / name).read_text() for name in ("setup.cfg", "constraints.txt")]
    print(*oldest_constraints(*texts), sep="\n")
