"""How is the game of classifying played? Each rule once, for one env and for many."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from ram_env.arguments import MAX_INT64, check_bytes, options_of, scene_option, shown
from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import log_belief, make_format
from ram_env.games.episodes import Episodes, any_of, episode_bytes
from ram_env.games.game import Game, Observation, Outcome
from ram_env.games.settings import InitialLocation, RewardRule, Settings
from ram_env.geometry import Rows, parts_of
from ram_env.retina import Retina
from ram_env.scenes.source import SceneSource

MAX_SCENE_SEED = MAX_INT64


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

    `rows` are the episodes meant, as in `ram_env.geometry.Rows`; what goes with them has one
    leading axis, or none for a single episode. What the scenes are is up to a subclass.

    Attributes:
        observation_space, action_space: Those of one env.
        dataset: What is classified, of the split.
        num_classes: C.
        class_names: The name of each class.
        format: What an action means.
        retina: What looks at the scenes.
        bytes_per_scene: What a scene takes.
        bytes_on_the_way: What planning a scene and taking a glimpse take for a while.
        bytes_to_begin: What beginning a scene takes for a while.
        size_limits: What else of a scene a reset may choose, and between which numbers.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others.
    """

    dataset: Dataset  # at first what the argument names
    num_classes = 0  # until the data tells
    class_names: tuple[str, ...]
    retina: Retina
    bytes_per_scene: int
    bytes_on_the_way: int
    bytes_to_begin: int
    size_limits: dict[str, tuple[int, int]] = {}  # noqa: RUF012

    def load(self, split: str) -> Dataset:
        """Load a split of the data that the arguments name."""
        raise NotImplementedError

    def draw_scenes(
        self, scene_seeds: np.ndarray, indices: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw whole scenes, all of one shape, and their labels: for networks that see all."""
        raise NotImplementedError

    def make_scenes(self, num_scenes: int) -> SceneSource:
        """Make room for some scenes, none of them begun."""
        raise NotImplementedError

    def complete(self) -> None:
        """Make the spaces; from here on nothing of the task changes."""
        self.class_names = self.dataset.class_names
        self.num_classes = len(self.class_names)
        self.format = make_format(
            self.action_format, self.num_classes, self.location_grid, self.score_scale
        )
        self.action_space = self.format.space
        parts: dict[str, Any] = {
            "glimpse": spaces.Box(0.0, 1.0, self.retina.glimpse_shape, dtype=np.float32),
            "location": spaces.Box(-1.0, 1.0, (2,), dtype=np.float32),
        }
        if self.observe_reach:
            parts["reach"] = spaces.Box(0.0, self.retina.widest, (2,), dtype=np.float32)
        self.observation_space = spaces.Dict(**parts)
        self._is_made = True

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to change a task that is made: what was made of its arguments would not change.

        Raises:
            AttributeError: Always, from then on.
        """
        if "_is_made" in self.__dict__:
            raise AttributeError(
                f"`{name}` is fixed once the env is made, got {shown(value)}: make a new env, such "
                f"as gym.make(id, {name}=...). A reset chooses its scene by the options `index` and"
                " `scene_seed`."
            )
        super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> "GlimpseTask":
        """Return the task itself: copies of an env share rules and images, which never change."""
        return self

    @property
    def bytes_per_episode(self) -> int:
        """How many bytes an episode takes."""
        sizes = (self.num_glimpses, self.retina.glimpse_shape, self.num_classes)
        return self.bytes_per_scene + episode_bytes(*sizes)

    def check_bytes(self, num_episodes: int) -> None:
        """Refuse more episodes at once than the machine has room for.

        Raises:
            ValueError: If they do not fit.
        """
        check_bytes(
            num_episodes * self.bytes_per_episode + self.bytes_on_the_way,
            f"{num_episodes} envs of {self.describe_size()}",
        )

    def describe_size(self) -> str:
        """Return the arguments that the size of an episode depends on, in words."""
        return f"`num_glimpses` {self.num_glimpses} and `patch_size` {self.patch_size}"

    def allocate(self, num_episodes: int) -> Episodes:
        """Make the state of some episodes, none of them begun.

        Raises:
            ValueError: If it takes more bytes than there are.
        """
        self.check_bytes(num_episodes)
        sizes = (num_episodes, self.num_glimpses, self.retina.glimpse_shape, self.num_classes)
        return Episodes(self.make_scenes(num_episodes), *sizes)

    def begin(
        self,
        episodes: Episodes,
        rows: Rows,
        scene_seeds: np.ndarray,
        indices: np.ndarray | None = None,
        **sizes: np.ndarray,
    ) -> None:
        """Start new episodes and take their first glimpse: see `Game.begin`."""
        if not isinstance(rows, np.ndarray):
            self._begin(episodes, rows, scene_seeds, indices, sizes)
            return
        for part in parts_of(len(rows), self.bytes_to_begin):
            chosen = None if indices is None else indices[part]
            chosen_sizes = {name: size[part] for name, size in sizes.items()}
            self._begin(episodes, rows[part], scene_seeds[part], chosen, chosen_sizes)

    def _begin(
        self,
        episodes: Episodes,
        rows: Rows,
        scene_seeds: np.ndarray,
        indices: np.ndarray | None,
        sizes: dict[str, np.ndarray],
    ) -> None:
        """Do what `begin` does, all at once."""
        plans = episodes.scenes.plan(scene_seeds, indices, **sizes)
        episodes.scenes.begin(rows, plans)
        episodes.index[rows] = plans.index
        episodes.label[rows] = self.dataset.labels[plans.index]
        episodes.scene_seed[rows] = scene_seeds
        episodes.target_box[rows] = plans.box
        episodes.num_taken[rows] = 0
        episodes.ended[rows] = False
        episodes.scores[rows] = np.nan
        episodes.prediction[rows] = -1
        random = self.initial_location == InitialLocation.RANDOM
        self._look(episodes, rows, plans.location if random else np.zeros_like(plans.location))

    def glimpse_statistics(self, num_scenes: int = 512) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the pixels that the retina sees of some scenes.

        Args:
            num_scenes: The first so many, each looked at once, anywhere; no env is touched.

        Returns:
            float32 (K,) each, of scenes in colour (K, 3).
        """
        episodes, rows = self.allocate(num_scenes), np.arange(num_scenes)
        self.begin(episodes, rows, rows)
        seen = episodes.glimpses.astype(np.float64)
        pixels = (0, seen.ndim - 2, seen.ndim - 1)
        mean, std = seen.mean(axis=pixels), seen.std(axis=pixels)
        return mean.astype(np.float32), std.astype(np.float32)

    def step(self, episodes: Episodes, rows: Rows, actions: Any) -> Outcome:
        """Move the sensor, or at step T score the label: see `Game.step`."""
        num_taken = episodes.num_taken[rows]
        if any_of(num_taken == 0):
            raise ResetNeeded("`step()` before the first episode: call `reset()` to start one.")
        if any_of(episodes.ended[rows]):
            raise ResetNeeded(
                "`step()` after the last glimpse: call `reset()` to start the next episode."
            )
        answers = self.format.decode(actions)
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
            episodes.ended[rows] = terminated
            if isinstance(rows, np.ndarray) and not terminated.all():
                self._look(episodes, rows[~terminated], answers.locations[~terminated])
        else:
            self._look(episodes, rows, answers.locations)
        rewards = self._rewards(episodes, rows, terminated, is_success)
        verdict = {"prediction": answers.labels, "is_success": is_success}
        return Outcome(rewards, terminated, verdict)

    def observe(self, episodes: Episodes, rows: Rows) -> Observation:
        """Return fresh copies of what the latest glimpse shows: see `GlimpseEnv`."""
        location = episodes.locations[rows, episodes.num_taken[rows] - 1].copy()
        seen = {"glimpse": episodes.glimpses.take(rows, axis=0), "location": location}
        if self.observe_reach:
            shapes = episodes.scenes.shapes_of(rows)[..., ::-1]  # (width, height), as (x, y)
            seen["reach"] = (self.retina.widest / shapes).astype(np.float32)
        return seen

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
        rows, locations = np.full(num_taken, row), episodes.locations[row, :num_taken].copy()
        pixels = episodes.scenes.pixels_at(rows, locations)
        scores = episodes.scores[row]
        prediction = int(episodes.prediction[row])
        return EpisodeView(
            canvas=episodes.scenes.picture(row),
            scene_shape=tuple(episodes.scenes.shapes_of(row).tolist()),
            locations=locations,
            glimpses=self.retina.glimpse(episodes.scenes, rows, pixels),
            num_glimpses=self.num_glimpses,
            class_names=self.class_names,
            label=int(episodes.label[row]),
            belief=None if np.isnan(scores).any() else np.exp(self.log_belief(scores)),
            prediction=None if prediction < 0 else prediction,
        )

    def log_belief(self, scores: np.ndarray) -> np.ndarray:
        """Return the logarithm of the belief: float32 (..., C) -> float64 (..., C)."""
        return log_belief(scores, self.score_scale)

    def scene_options(
        self, options: Mapping[Any, Any] | None, num_episodes: int, others: tuple[str, ...] = ()
    ) -> dict[str, np.ndarray]:
        """Read the `reset` options that override parts of a scene: see `Game.scene_options`."""
        limits = {"index": (0, len(self.dataset.labels) - 1), "scene_seed": (0, MAX_SCENE_SEED)}
        limits |= self.size_limits
        given = options_of(options)
        allowed = {*limits, *others}
        unknown = set(given) - allowed
        if unknown:
            raise ValueError(
                f"`options` may hold {sorted(allowed)}, got {sorted(map(str, unknown))}."
            )
        return {
            key: scene_option(key, value, limits[key], num_episodes)
            for key, value in given.items()
            if key in limits
        }

    def _look(self, episodes: Episodes, rows: Rows, locations: np.ndarray) -> None:
        """Move the sensors and take a glimpse."""
        episodes.locations[rows, episodes.num_taken[rows]] = locations
        episodes.num_taken[rows] += 1
        pixels = episodes.scenes.pixels_at(rows, locations)
        episodes.glimpses[rows] = self.retina.glimpse(episodes.scenes, rows, pixels)

    def _rewards(
        self, episodes: Episodes, rows: Rows, terminated: np.ndarray, is_success: np.ndarray
    ) -> np.ndarray:
        """Apply the reward rule: float64 (...)."""
        if self.reward == RewardRule.FINAL:
            return (is_success & terminated).astype(np.float64)
        if self.reward == RewardRule.EVERY_STEP:
            return is_success / self.num_glimpses
        label = episodes.label[rows][..., None]
        of_label = np.take_along_axis(self.log_belief(episodes.scores[rows]), label, axis=-1)
        return of_label[..., 0] / self.num_glimpses
