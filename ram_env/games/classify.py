"""The rules of the game, each once: what the env of one and the env of many both call."""

import dataclasses
import difflib
import inspect
import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from ram_env.arguments import (
    MAX_INT64,
    canvas_shape_of,
    check_image_sizes,
    check_memory,
    check_scales,
    number_between,
    one_of,
    options_of,
    positive_number,
    scene_option,
    whole_number,
)
from ram_env.data.datasets import load_dataset
from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import ActionFormat, Answers, make_decoder
from ram_env.games.episodes import Episodes, Outcome, any_of
from ram_env.retina import (
    Rows,
    extract_glimpses,
    location_to_pixel,
    padded_shape,
)
from ram_env.scenes.padding import PaddedImages
from ram_env.scenes.painted import DRAWS_PER_DISTRACTOR, ScenePainter, ScenePlans

MAX_SCENE_SEED = MAX_INT64
HIGHEST_DISTORTION = 0.45  # from 0.5 on a map may fold an image over
HIGHEST_ELASTIC_DISTORTION = 0.25  # hardly a digit can be read beyond
HIGHEST_SCORE_SCALE = 1e9  # two scores that differ at all in float32 are then worlds apart
MAX_SCALES = 13  # a window 4,096 times as wide as its patch: what the retina can add up exactly
_BYTES_PER_NUMBER = 18  # float32 as it is, as it is returned, low and high; two flags


class RewardRule(StrEnum):
    """What an episode of T steps pays."""

    FINAL = "final"  # 1 at the last step if its label is right
    EVERY_STEP = "every_step"  # 1 / T at each step with the right label
    LOG_LIKELIHOOD = "log_likelihood"  # log belief[label] / T at each step


class InitialLocation(StrEnum):
    """Where the first glimpse of an episode is taken."""

    RANDOM = "random"
    CENTER = "center"


class GlimpseTask:
    """One task: its validated arguments, its spaces, and its rules for a batch of episodes.

    The arguments are those of `GlimpseEnv`, whose docstring explains them. All methods work on
    `rows`, the episodes meant: int64 (M,), all different, or one number. What they take and return
    has a leading axis of M, or none for a single episode: that is several times as fast.

    Attributes:
        observation_space: Of one env.
        action_space: Of one env.
        dataset: The images in use, an `ImageDataset`.
        num_classes: C.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others.
    """

    def __init__(
        self,
        *,
        dataset: str | os.PathLike[str] = "auto",
        data_dir: str | os.PathLike[str] | None = None,
        split: str = "train",
        canvas_size: int | tuple[int, int] = 28,
        num_distractors: int = 0,
        distractor_size: int = 8,
        distortion: float = 0.0,
        elastic_distortion: float = 0.0,
        patch_size: int = 8,
        num_scales: int = 1,
        num_glimpses: int = 7,
        action_format: str | ActionFormat = ActionFormat.BOX,
        location_grid: int = 7,
        score_scale: float = 10.0,
        reward: str | RewardRule = RewardRule.FINAL,
        initial_location: str | InitialLocation = InitialLocation.RANDOM,
    ) -> None:
        """Check the arguments, load the images and make the spaces."""
        self.canvas_shape = canvas_shape_of(canvas_size)
        self.num_distractors = whole_number("num_distractors", num_distractors, 0)
        self.distractor_size = whole_number("distractor_size", distractor_size, 1)
        self.distortion = number_between("distortion", distortion, 0.0, HIGHEST_DISTORTION)
        self.elastic_distortion = number_between(
            "elastic_distortion", elastic_distortion, 0.0, HIGHEST_ELASTIC_DISTORTION
        )
        self.patch_size = whole_number("patch_size", patch_size, 1, max(self.canvas_shape))
        self.num_scales = whole_number("num_scales", num_scales, 1, MAX_SCALES)
        self.num_glimpses = whole_number("num_glimpses", num_glimpses, 1)
        self.action_format = one_of("action_format", action_format, ActionFormat)
        self.location_grid = whole_number("location_grid", location_grid, 1)
        self.score_scale = positive_number("score_scale", score_scale, HIGHEST_SCORE_SCALE)
        self.reward = one_of("reward", reward, RewardRule)
        self.initial_location = one_of("initial_location", initial_location, InitialLocation)
        if self.reward == RewardRule.LOG_LIKELIHOOD and self.action_format != ActionFormat.BOX:
            raise ValueError(
                "`reward='log_likelihood'` needs the class scores of `action_format='box'`, got "
                f"{self.action_format.value!r}: choose that format or another reward."
            )
        check_scales(self.patch_size, self.num_scales, self.canvas_shape)
        self.num_classes = 0  # until the images tell
        self.check_memory(num_episodes=1)
        self.dataset = load_dataset(dataset, split, data_dir)
        image_shape = self.dataset.images.shape[1:]
        check_image_sizes(
            image_shape, self.canvas_shape, self.num_distractors, self.distractor_size
        )
        self.num_classes = self.dataset.num_classes
        self._painter = ScenePainter(
            self.dataset.images,
            self.canvas_shape,
            self.num_distractors,
            self.distractor_size,
            # What results are measured on stays as it was written.
            self.distortion if split == "train" else 0.0,
            self.elastic_distortion if split == "train" else 0.0,
        )
        self._decoder = make_decoder(self.action_format, self.num_classes, self.location_grid)
        self.action_space = self._decoder.space
        glimpse_shape = (self.num_scales, self.patch_size, self.patch_size)
        self.observation_space = spaces.Dict(
            glimpse=spaces.Box(0.0, 1.0, glimpse_shape, dtype=np.float32),
            location=spaces.Box(-1.0, 1.0, (2,), dtype=np.float32),
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> "GlimpseTask":
        """Return the task itself: copies of an env share rules and images, which never change."""
        return self

    @property
    def bytes_per_episode(self) -> int:
        """The memory that an episode takes: what grows with the arguments, in bytes."""
        height, width = padded_shape(self.canvas_shape, self.patch_size, self.num_scales)
        # A glimpse is held, handed out, and bounded in the space of a vector env; so are scores.
        glimpse = _BYTES_PER_NUMBER * self.num_scales * self.patch_size**2
        scores = _BYTES_PER_NUMBER * self.num_classes
        plan = 4 * 8 * DRAWS_PER_DISTRACTOR * self.num_distractors  # hashed in four steps
        return height * width + glimpse + scores + 8 * self.num_glimpses + plan

    def check_memory(self, num_episodes: int) -> None:
        """Refuse more episodes at once than fit into memory.

        Raises:
            ValueError: If they do not fit.
        """
        height, width = self.canvas_shape
        check_memory(
            num_episodes * self.bytes_per_episode,
            f"{num_episodes} envs of `canvas_size` {height}x{width}, `num_distractors` "
            f"{self.num_distractors} and `num_glimpses` {self.num_glimpses}",
            "choose smaller numbers",
        )

    def begin(
        self,
        episodes: Episodes,
        rows: Rows,
        scene_seeds: np.ndarray,
        indices: np.ndarray | None = None,
    ) -> None:
        """Start new episodes and take their first glimpse.

        Args:
            episodes: The state; its `rows` are overwritten.
            rows: The episodes to start.
            scene_seeds: int64 (...), not negative; all of a scene follows from its seed.
            indices: Which images to show instead of those that the seeds choose, int64 (...).
        """
        plans = self._plan(scene_seeds, indices)
        self._painter.paint(episodes.canvases.padded, rows, plans)
        episodes.index[rows] = plans.index
        episodes.label[rows] = self.dataset.labels[plans.index]
        episodes.scene_seed[rows] = scene_seeds
        episodes.target_box[rows, :2] = plans.corner
        episodes.target_box[rows, 2:] = self.dataset.images.shape[1:]
        episodes.num_taken[rows] = 0
        episodes.scored[rows] = False
        episodes.scores[rows] = np.nan
        episodes.prediction[rows] = -1
        random = self.initial_location == InitialLocation.RANDOM
        self._look(episodes, rows, plans.location if random else np.zeros_like(plans.location))

    def draw_scenes(
        self, scene_seeds: np.ndarray, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw whole scenes: for pictures, and for networks that see all at once.

        Args:
            scene_seeds: int64 (M,), not negative.
            indices: Which images to show instead of those that the seeds choose, int64 (M,).

        Returns:
            Canvases, uint8 (M, H, W), and labels, int64 (M,).
        """
        plans = self._plan(scene_seeds, indices)
        canvases = np.zeros((len(scene_seeds), *self.canvas_shape), dtype=np.uint8)
        self._painter.paint(PaddedImages(canvases), np.arange(len(scene_seeds)), plans)
        return canvases, self.dataset.labels[plans.index]

    def step(self, episodes: Episodes, rows: Rows, actions: Any) -> Outcome:
        """Take one action per episode: move the sensor, or at step T score the label.

        Args:
            episodes: The state; its `rows` are changed, or nothing is if an error is raised.
            rows: The episodes to step.
            actions: One of the action space, or M laid out as `batch_space(action_space, M)` does.

        Raises:
            ResetNeeded: If an episode has not begun or has ended.
            ValueError: If an action is not one of the action space; out of [-1, 1] is clipped.
        """
        num_taken = episodes.num_taken[rows]
        if any_of(num_taken == 0):
            raise ResetNeeded("`step()` before the first episode: call `reset()` to start one.")
        if any_of(episodes.scored[rows]):
            raise ResetNeeded(
                "`step()` after the last glimpse: call `reset()` to start the next episode."
            )
        answers = self.decode(actions)
        if answers.labels.shape != num_taken.shape:
            wanted = "one for each episode" if num_taken.ndim else "one, without a batch axis"
            raise ValueError(
                f"`action` must be {wanted}, got a batch of shape {answers.labels.shape}."
            )
        terminated = num_taken == self.num_glimpses
        is_success = answers.labels == episodes.label[rows]
        if answers.scores is not None:
            episodes.scores[rows] = answers.scores
        if any_of(terminated):
            episodes.prediction[rows] = np.where(terminated, answers.labels, -1)
            episodes.scored[rows] = terminated
            if isinstance(rows, np.ndarray) and not terminated.all():
                self._look(episodes, rows[~terminated], answers.locations[~terminated])
        else:
            self._look(episodes, rows, answers.locations)
        rewards = self._rewards(episodes, rows, terminated, is_success)
        return Outcome(rewards, terminated, answers.labels, is_success)

    def decode(self, actions: Any) -> Answers:
        """Read an action, or M of them laid out as `batch_space(action_space, M)` does.

        Raises:
            ValueError: If an action is not one of the action space; out of [-1, 1] is clipped.
        """
        return self._decoder.decode(actions)

    def observe(self, episodes: Episodes, rows: Rows) -> dict[str, np.ndarray]:
        """Return fresh copies of the latest observations.

        Returns:
            `glimpse`, float32 (..., K, g, g) in [0, 1], and `location`, float32 (..., 2) in
            [-1, 1].
        """
        location = episodes.locations[rows, episodes.num_taken[rows] - 1].copy()
        return {"glimpse": episodes.glimpses.take(rows, axis=0), "location": location}

    def info(self, episodes: Episodes, rows: Rows) -> dict[str, np.ndarray]:
        """Return fresh copies of what is known of the scenes."""
        return {
            "label": episodes.label[rows],
            "index": episodes.index[rows],
            "scene_seed": episodes.scene_seed[rows],
            "target_box": episodes.target_box.take(rows, axis=0),
        }

    def view(self, episodes: Episodes, row: int) -> EpisodeView:
        """Return what there is to draw of one episode.

        Raises:
            ResetNeeded: If it has not begun.
        """
        num_taken = int(episodes.num_taken[row])
        if num_taken == 0:
            raise ResetNeeded("`render()` before the first episode: call `reset()` to start one.")
        locations = episodes.locations[row, :num_taken]
        pixels = location_to_pixel(locations, self.canvas_shape)
        scores = episodes.scores[row]
        prediction = int(episodes.prediction[row])
        return EpisodeView(
            canvas=episodes.canvases.visible[row].copy(),
            locations=locations.copy(),
            glimpses=extract_glimpses(episodes.canvases, np.full(num_taken, row), pixels),
            num_glimpses=self.num_glimpses,
            label=int(episodes.label[row]),
            belief=None if np.isnan(scores).any() else np.exp(self.log_belief(scores)),
            prediction=None if prediction < 0 else prediction,
        )

    def log_belief(self, scores: np.ndarray) -> np.ndarray:
        """Return log softmax(score_scale * scores): float32 (..., C) -> float64 (..., C)."""
        logits = self.score_scale * scores.astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))

    def scene_options(
        self, options: Mapping[Any, Any] | None, num_episodes: int, others: tuple[str, ...] = ()
    ) -> dict[str, np.ndarray]:
        """Read the `reset` options that override parts of a scene.

        Args:
            options: May hold `index` and `scene_seed`: a whole number for all episodes, or an array
                of one for each.
            num_episodes: B, how many an array must hold.
            others: Options that say something else; they may be there and are left out.

        Returns:
            The options given, each int64 (B,).

        Raises:
            ValueError: If it is no dict, a key is unknown, or a value not a whole number in its
                range.
        """
        highest = {"index": len(self.dataset.labels) - 1, "scene_seed": MAX_SCENE_SEED}
        given = options_of(options)
        allowed = {*highest, *others}
        unknown = set(given) - allowed
        if unknown:
            raise ValueError(
                f"`options` may hold {sorted(allowed)}, got {sorted(map(str, unknown))}."
            )
        return {
            key: scene_option(key, value, highest[key], num_episodes)
            for key, value in given.items()
            if key in highest
        }

    def _plan(self, scene_seeds: np.ndarray, indices: np.ndarray | None) -> ScenePlans:
        """Decide what scenes consist of; `indices` replace the images that the seeds choose."""
        plans = self._painter.plan(scene_seeds)
        return plans if indices is None else dataclasses.replace(plans, index=indices)

    def _look(self, episodes: Episodes, rows: Rows, locations: np.ndarray) -> None:
        """Move the sensors and take a glimpse."""
        episodes.locations[rows, episodes.num_taken[rows]] = locations
        episodes.num_taken[rows] += 1
        pixels = episodes.canvases.pixel_grid.pixels_at(locations)
        episodes.glimpses[rows] = extract_glimpses(episodes.canvases, rows, pixels)

    def _rewards(
        self, episodes: Episodes, rows: Rows, terminated: np.ndarray, is_success: np.ndarray
    ) -> np.ndarray:
        """Apply the reward rule: float64 (...)."""
        match self.reward:
            case RewardRule.FINAL:
                return (is_success & terminated).astype(np.float64)
            case RewardRule.EVERY_STEP:
                return is_success / self.num_glimpses
            case RewardRule.LOG_LIKELIHOOD:
                log_belief = self.log_belief(episodes.scores[rows])
                label = episodes.label[rows][..., None]
                of_label = np.take_along_axis(log_belief, label, axis=-1)[..., 0]
                return of_label / self.num_glimpses


def make_task(arguments: dict[str, Any]) -> GlimpseTask:
    """Make a task of the arguments that an env was given.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If one is out of its range or does not fit the others.
    """
    known = list(inspect.signature(GlimpseTask).parameters)
    for name in arguments:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            # In Python's own words, which some libraries look for to try without the argument.
            raise TypeError(
                f"got an unexpected keyword argument {name!r}: the arguments are "
                f"{', '.join(known)}.{hint}"
            )
    return GlimpseTask(**arguments)
