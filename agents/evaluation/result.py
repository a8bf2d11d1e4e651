"""What is the result of an evaluation: an error with its interval, and how is it told?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Evaluation:
    """The result of one deterministic pass over frozen scenes; errors in percent."""

    env_id: str
    env_kwargs: dict[str, Any]
    dataset: str  # what was really used: "mnist", "digits", ...
    split: str
    num_scenes: int
    num_errors: int
    error: float
    low: float  # of the Wilson 95 % interval
    high: float
    error_per_glimpse: list[float]  # of the label answered after glimpse 1, 2, ..., T

    def describe(self) -> str:
        """Return one line for people."""
        return (
            f"{self.error:.2f} % error on {self.num_scenes:,} {self.split} scenes of "
            f"{describe_dataset(self.dataset)} (95 % interval {self.low:.2f} to {self.high:.2f} %)"
        )


def describe_dataset(name: str) -> str:
    """Return how to call a data set in front of people: what is not MNIST says so."""
    return {"mnist": "MNIST", "digits": "digits (scikit-learn's, NOT MNIST)"}.get(name, name)


def wilson_interval(num_errors: int, num_scenes: int) -> tuple[float, float]:
    """Return the Wilson 95 % interval of an error rate, as shares of 1.

    Source: Wilson 1927, Journal of the American Statistical Association 22.
    """
    z = 1.959963984540054  # the 97.5 % point of the normal distribution
    rate = num_errors / num_scenes
    scale = 1.0 + z**2 / num_scenes
    centre = (rate + z**2 / (2 * num_scenes)) / scale
    spread = rate * (1.0 - rate) / num_scenes + z**2 / (4 * num_scenes**2)
    half = z * math.sqrt(spread) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def make_evaluation(
    env_id: str,
    env_kwargs: dict[str, Any],
    dataset: str,
    split: str,
    num_scenes: int,
    num_errors: list[int],
) -> Evaluation:
    """Turn counts of errors, after each glimpse, into a result; see `Evaluation`."""
    low, high = wilson_interval(num_errors[-1], num_scenes)
    return Evaluation(
        *(env_id, env_kwargs, dataset, split, num_scenes, num_errors[-1]),
        error=100.0 * num_errors[-1] / num_scenes,
        low=100.0 * low,
        high=100.0 * high,
        error_per_glimpse=[100.0 * count / num_scenes for count in num_errors],
    )


def markdown_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table of Markdown; all columns but the first go to the right.

    Args:
        columns: By title, a cell as a format string over the keys of a row.
        rows: The rows.
    """
    lines = [list(columns), ["---", *["--:"] * (len(columns) - 1)]]
    lines += [[cell.format(**row) for cell in columns.values()] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]
