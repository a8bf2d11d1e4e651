"""What is the result of an evaluation: an error with its interval, and how is it told?"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


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
    # Of the label answered after glimpse 1, 2, ..., T; a single one if the end alone tells.
    error_per_glimpse: list[float]
    error_per_class: dict[str, float]  # of the classes that occur
    confusion: dict[str, dict[str, int]]  # by true class, by class answered; what occurs, if any
    mean_glimpses: float | None = None  # before the answer; None: all was seen at once

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Evaluation":
        """Return the result that evaluation.json of a run holds among other facts."""
        names = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in names})

    def describe(self) -> str:
        """Return one line for people."""
        after = ""
        if self.mean_glimpses is not None and self.mean_glimpses < len(self.error_per_glimpse):
            after = f" after {self.mean_glimpses:.2f} glimpses on average"
        return (
            f"{self.error:.2f} % error{after} on {self.num_scenes:,} {self.split} scenes of "
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
    confusion: dict[str, dict[str, int]],
    mean_glimpses: float | None = None,
) -> Evaluation:
    """Turn counts of errors, after each glimpse, into a result; see `Evaluation`."""
    right = {name: row.get(name, 0) / sum(row.values()) for name, row in confusion.items()}
    low, high = wilson_interval(num_errors[-1], num_scenes)
    return Evaluation(
        *(env_id, env_kwargs, dataset, split, num_scenes, num_errors[-1]),
        error=100.0 * num_errors[-1] / num_scenes,
        low=100.0 * low,
        high=100.0 * high,
        error_per_glimpse=[100.0 * count / num_scenes for count in num_errors],
        error_per_class={name: 100.0 * (1.0 - share) for name, share in right.items()},
        confusion=confusion,
        mean_glimpses=mean_glimpses,
    )


def count_confusion(
    labels: np.ndarray, answers: np.ndarray, class_names: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Count how often a class was answered where a class was true.

    Args:
        labels: The truth, int64 (N,); -1 where there is none.
        answers: int64 (N,).
        class_names: The name of each class.

    Returns:
        By true class, by class answered, in the order of the classes; what does not occur is left
        out, as of thousands of classes most would be.
    """
    confusion: dict[str, dict[str, int]] = {}
    both = np.stack([labels, answers])[:, labels >= 0]
    pairs, counts = np.unique(both, axis=1, return_counts=True)
    for label, answer, count in zip(*pairs.tolist(), counts.tolist(), strict=True):
        confusion.setdefault(class_names[label], {})[class_names[answer]] = count
    return confusion


class Majority(NamedTuple):
    """What always answering the largest class of the training images comes to."""

    label: int
    error: float  # in percent

    @classmethod
    def of(cls, label: int, labels: np.ndarray) -> "Majority":
        """Return it for that class and the labels of test scenes, int64 (N,)."""
        return cls(label, 100.0 * float((labels != label).mean()))


def markdown_table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table of Markdown; all columns but the first go to the right.

    Args:
        columns: By title, a cell as a format string over the keys of a row.
        rows: The rows.
    """
    lines = [list(columns), ["---", *["--:"] * (len(columns) - 1)]]
    lines += [[_in_cell(cell.format(**row)) for cell in columns.values()] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _in_cell(text: str) -> str:
    """Return a text as a cell of a table of Markdown can hold it."""
    return " ".join(text.split()).replace("|", "\\|")
