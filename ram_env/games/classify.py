"""How is the game of classifying played? Each rule once, for one env and for many."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import make_format
from ram_env.games.game import SEED_LIMITS, Episodes, Game, Outcome
from ram_env.games.settings import RewardRule, Settings
from ram_env.geometry import Rows
from ram_env.scenes.source import ScenePlans


class Dataset(Protocol):
    """What a task must know of the data that it classifies."""

    @property
    def labels(self) -> np.ndarray:
        """The class of each image or picture, int64 (N,)."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class, the same for each split."""

    @property
    def name(self) -> str:
        """What was loaded, which loads it again."""

    @property
    def sha256(self) -> str:
        """What tells other data, in hexadecimal."""


class GlimpseTask(Settings, Game):
    """The `Game` of classifying: checked arguments, and rules for a batch of episodes.

    What the scenes are is up to a subclass.

    Attributes:
        dataset: What is classified, of the split.
        size_limits: What else of a scene a reset may choose, and between which numbers.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others.
    """

    dataset: Dataset  # at first what the argument names
    size_limits: dict[str, tuple[int, int]] = {}  # noqa: RUF012
    facts: Mapping[str, tuple[int, ...]] = {
        "label": (),
        "index": (),
        "scene_seed": (),
        "target_box": (4,),
    }

    def load(self, split: str) -> Dataset:
        """Load a split of the data that the arguments name."""
        raise NotImplementedError

    def draw_scenes(
        self, scene_seeds: np.ndarray, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw whole scenes, all of one shape: for pictures, and networks that see all at once.

        Args:
            scene_seeds: int64 (M,), not negative.
            indices: Which images to show instead of those that the seeds choose, int64 (M,); None
                where there are several in a scene.

        Returns:
            Scenes, uint8 (M, H, W), in colour (M, H, W, 3), and labels, int64 (M,).
        """
        raise NotImplementedError

    @property
    def data_name(self) -> str:  # type: ignore[override]
        """What is classified."""
        return self.dataset.name

    @property
    def data_arguments(self) -> dict[str, Any]:
        """Return the arguments of an env that name the images."""
        return {"dataset": self.dataset.name}

    def digest(self, split: str) -> str:
        """Return what tells the images of a split from others."""
        return (self.dataset if split == self.split else self.load(split)).sha256

    def frozen_labels(self) -> np.ndarray:
        """Return the right answer to each frozen scene of the split, int64 (`num_frozen`,)."""
        return self.dataset.labels

    def usual_answer(self) -> int:
        """Return the class of most images of the split."""
        return int(np.bincount(self.dataset.labels).argmax())

    def is_wrong(self, answers: np.ndarray, infos: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return which answers are wrong, bool (T, B): see `Game.is_wrong`."""
        return answers != infos["label"]

    def complete(self) -> None:
        """Make the spaces; from here on nothing of the task changes."""
        self.class_names = self.dataset.class_names
        num_classes, num_images = len(self.class_names), len(self.dataset.labels)
        # Where a scene has several images, none of them can be chosen.
        images = {} if self.facts["index"] else {"index": (0, num_images - 1)}
        self.option_limits = {**images, **SEED_LIMITS, **self.size_limits}
        grid, score_scale = self.location_grid, self.score_scale
        self.make_spaces(make_format(self.action_format, num_classes, grid, score_scale, self.stop))

    def describe_size(self) -> str:
        """Return the arguments that the size of an episode depends on, in words."""
        return f"`num_glimpses` {self.num_glimpses} and `patch_size` {self.patch_size}"

    def facts_of(self, plans: ScenePlans) -> dict[str, np.ndarray]:
        """Return what the info tells of planned scenes beside their seeds, int64 (..., ...)."""
        label = self.dataset.labels[plans.index]
        return {"label": label, "index": plans.index, "target_box": plans.box}

    def step(self, episodes: Episodes, rows: Rows, actions: Any) -> Outcome:
        """Move the sensor, or at step T or one that says stop score the label: see `Game.step`."""
        answers = self.read(episodes, rows, actions)
        terminated = episodes.num_taken[rows] == self.num_glimpses
        if answers.stops is not None:
            terminated = terminated | answers.stops
        is_success = answers.labels == episodes.facts["label"][rows]
        self.go_on(episodes, rows, answers, terminated)
        rewards = self._rewards(episodes, rows, terminated, is_success)
        if self.glimpse_cost:
            rewards = rewards - self.glimpse_cost * ~terminated  # a step that goes on looks again
        verdict = {"prediction": answers.labels, "is_success": is_success}
        return Outcome(rewards, terminated, verdict)

    def view(self, episodes: Episodes, row: int) -> EpisodeView:
        """Return what there is to draw of one episode: see `Game.view`."""
        locations = self.locations_seen(episodes, row)
        rows = np.full(len(locations), row)
        pixels = episodes.scenes.pixels_at(rows, locations)
        prediction = int(episodes.prediction[row])
        return EpisodeView(
            canvas=episodes.scenes.picture(row),
            scene_shape=tuple(episodes.scenes.shapes_of(row).tolist()),
            locations=locations,
            glimpses=self.retina.glimpse(episodes.scenes, rows, pixels),
            num_glimpses=self.num_glimpses,
            class_names=self.class_names,
            label=int(episodes.facts["label"][row]),
            belief=self.belief_of(episodes, row),
            prediction=None if prediction < 0 else prediction,
        )

    def _rewards(
        self, episodes: Episodes, rows: Rows, terminated: np.ndarray, is_success: np.ndarray
    ) -> np.ndarray:
        """Apply the reward rule: float64 (...)."""
        if self.reward == RewardRule.FINAL:
            return (is_success & terminated).astype(np.float64)
        if self.reward == RewardRule.EVERY_STEP:
            return is_success / self.num_glimpses
        label = episodes.facts["label"][rows][..., None]
        of_label = np.take_along_axis(self.log_belief(episodes.scores[rows]), label, axis=-1)
        return of_label[..., 0] / self.num_glimpses
