"""How does a command line say no? With exit code 2, in one line, and nothing on the output."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest


def refusal(
    main: Callable[[list[str]], Any], words: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> str:
    """Call the `main` of a command with what it cannot do; return the line that says why."""
    capsys.readouterr()  # of what ran before
    try:
        code = main([*words])
    except SystemExit as stop:  # argparse's way
        code = stop.code
    assert code == 2
    output, errors = capsys.readouterr()
    assert output == "" and "Traceback" not in errors
    (line,) = (line for line in errors.splitlines() if "error: " in line)
    return line
