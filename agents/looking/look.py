"""What does a model make of a picture? It looks at it as at one of its own task."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from gymnasium.vector import AutoresetMode

from agents.base.files import Path as AnyPath
from agents.looking.gazes import draw_gaze_grid, save_gaze_animation, save_gaze_grid
from agents.looking.play import (
    Predictor,
    Step,
    check_confidence,
    glimpses_until,
    play,
    views_of,
)
from agents.sb3.envs import add_memory, as_shown, task_of
from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import ActionFormat
from ram_env.games.record import TaskRecord
from ram_env.vector_env import GlimpseVectorEnv


@dataclass(frozen=True, eq=False, repr=False)
class Look:
    """What a model has answered after looking at a picture.

    Attributes:
        label: The name of the class.
        index: Its number.
        beliefs: In each class after each glimpse, float32 (num_glimpses, C); None if the model's
            actions have no scores.
        locations: Where it looked, (x, y) in [-1, 1], float32 (num_glimpses, 2).
        views: What there is to draw after each glimpse.
    """

    label: str
    index: int
    beliefs: np.ndarray | None
    locations: np.ndarray
    views: Sequence[EpisodeView]

    @property
    def belief(self) -> np.ndarray | None:
        """The last of the beliefs, float32 (C,)."""
        return None if self.beliefs is None else self.beliefs[-1]

    @property
    def num_glimpses(self) -> int:
        """How many glimpses were taken."""
        return len(self.locations)

    def describe(self) -> str:
        """Return one line for people."""
        share = "" if self.belief is None else f" ({100 * self.belief[self.index]:.1f} %)"
        plural = "" if self.num_glimpses == 1 else "s"
        return f"{self.label}{share} after {self.num_glimpses} glimpse{plural}"

    def __repr__(self) -> str:
        return f"<Look: {self.describe()}>"

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows: where the model looked."""
        file = BytesIO()
        draw_gaze_grid([self.views], self.describe()).save(file, "PNG")
        return file.getvalue()

    def save(self, path: AnyPath, title: str | None = None) -> None:
        """Draw where the model looked.

        Args:
            path: A file that ends in .png, or in .gif for an animation; its folder must exist.
            title: In one line; what was answered if None.

        Raises:
            ValueError: If it ends in something else.
        """
        drawn_by = {".png": save_gaze_grid, ".gif": save_gaze_animation}
        draw = drawn_by.get(Path(path).suffix.lower())
        if draw is None:
            raise ValueError(f"`path` must end in .png or .gif, got {path}.")
        draw(path, [self.views], title or self.describe())


def look_at(
    model: Predictor,
    task: TaskRecord,
    pictures: Sequence[np.ndarray],
    confidence: float | None = None,
    memory: str = "none",
) -> list[Look]:
    """Let a model look at pictures, all at once, each from its middle on.

    Args:
        model: What looks.
        task: What it has learned.
        pictures: At least one, as `task.pixels_of` returns them.
        confidence: Looking at a picture ends once the belief in a class reaches this; None: after
            all glimpses of the task.
        memory: What the model remembers of what was seen: see `agents.make_vec_env`.

    Raises:
        ValueError: If the confidence is out of range, or the model has no beliefs.
    """
    arguments = as_shown(task.arguments_on(pictures))
    games = GlimpseVectorEnv(len(pictures), AutoresetMode.DISABLED, **arguments)
    tells_belief = games.task.action_format == ActionFormat.BOX
    check_confidence(confidence, task_of(games))
    env, index = add_memory(games, memory), np.arange(len(pictures))
    steps: list[Step] = []
    is_over: list[np.ndarray] = []
    for step in play(env, model, {"index": index, "scene_seed": index}):
        steps.append(step)
        is_over.append(step.is_over(confidence))
        if np.any(is_over, axis=0).all():
            break
    looks = []
    for row, seen in enumerate(glimpses_until(np.stack(is_over)).tolist()):
        answer = int(steps[seen - 1].labels[row])
        beliefs = np.stack([step.beliefs[row] for step in steps[:seen]])
        views = views_of(env, row, beliefs, label=None, prediction=answer)
        told = beliefs if tells_belief else None
        looks.append(Look(task.class_names[answer], answer, told, views[-1].locations, views))
    return looks
