"""Which game do the arguments of an env mean?"""

import inspect
from typing import Any

from ram_env.arguments import did_you_mean
from ram_env.games.classify import GlimpseTask


def make_game(arguments: dict[str, Any]) -> GlimpseTask:
    """Make the game of the arguments that an env was given; so far there is one game.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If one is out of its range or does not fit the others.
    """
    known = list(inspect.signature(GlimpseTask).parameters)
    for name in arguments:
        if name not in known:
            # In Python's own words: TorchRL looks for them, to try without the argument.
            raise TypeError(
                f"got an unexpected keyword argument {name!r}: the arguments are "
                f"{', '.join(known)}.{did_you_mean(name, known)}"
            )
    return GlimpseTask(**arguments)
