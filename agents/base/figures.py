"""How is a diagram drawn alike everywhere, whatever the user's matplotlib is set to?

All code here imports matplotlib from this module alone.
"""

import os
import warnings
from collections.abc import Callable

from agents.base.files import Path, write_atomically

# A name that matplotlib does not know ends its import, such as a notebook's of another environment.
_backend = os.environ.pop("MPLBACKEND", None)
try:
    from matplotlib import style, ticker
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
finally:
    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend

__all__ = ["Axes", "Figure", "save_figure", "ticker"]


def save_figure(path: Path, draw: Callable[[], Figure], dpi: int = 120) -> None:
    """Draw a figure, whatever matplotlib is set to, and save it as a PNG of `dpi` pixels per inch.

    Every text is shown as it stands, none read as a formula.
    """
    with warnings.catch_warnings(), style.context(["default", {"text.parse_math": False}]):
        warnings.simplefilter("ignore")  # a letter that the font lacks is shown as a box
        figure = draw()
        write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=dpi))
