"""What must a game of looking be able to do so that an env can play it, and what do all share?"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from ram_env.arguments import MAX_INT64, check_bytes, options_of, scene_option, shown
from ram_env.drawing.rendering import EpisodeView
from ram_env.games.actions import ActionFormat, Answers, Format, log_belief
from ram_env.games.settings import InitialLocation, RewardRule
from ram_env.geometry import Rows, parts_of
from ram_env.retina import Retina
from ram_env.scenes.source import NUM_FROZEN, SceneSource, frozen_scenes

Observation = dict[str, np.ndarray]

SEED_LIMITS = {"scene_seed": (0, MAX_INT64)}
# Of what is shown: float32 as it is held, as it is returned now, before and at the end, and as low
# and high of the space of a vector env; two flags there.
BYTES_PER_NUMBER = 26
_BYTES_PER_EPISODE = 3000  # random numbers, infos and all else of one size
_NUM_SAMPLED = 512  # scenes that statistics are of


class Outcome(NamedTuple):
    """What one step brought to some episodes."""

    rewards: np.ndarray  # float64 (...)
    terminated: np.ndarray  # bool (...)
    verdict: dict[str, np.ndarray]  # (...) each: what the info tells at the last step alone


class Episodes:
    """The state of B episodes, one per row; only the game writes to it.

    Attributes:
        scenes: The scenes that are played.
        facts: What the info tells of each, int64 (B, ...).
        locations: (x, y) of every glimpse so far, float32 (B, T, 2).
        glimpses: The latest glimpse, float32 (B, K, g, g).
        num_taken: How many glimpses were taken, int64 (B,); 0 before the first reset.
        ended: Whether the episode has ended, bool (B,).
        scores: The latest scores of the answers, float32 (B, C); NaN where none were given.
        prediction: The answer of the last step, int64 (B,); -1 before it.
    """

    def __init__(
        self,
        scenes: SceneSource,
        facts: Mapping[str, tuple[int, ...]],
        num_episodes: int,
        num_glimpses: int,
        glimpse_shape: tuple[int, ...],
        num_classes: int,
    ) -> None:
        self.scenes = scenes
        self.facts = {
            name: np.zeros((num_episodes, *shape), dtype=np.int64) for name, shape in facts.items()
        }
        self.locations = np.zeros((num_episodes, num_glimpses, 2), dtype=np.float32)
        self.glimpses = np.zeros((num_episodes, *glimpse_shape), dtype=np.float32)
        self.num_taken = np.zeros(num_episodes, dtype=np.int64)
        self.ended = np.zeros(num_episodes, dtype=bool)
        self.scores = np.full((num_episodes, num_classes), np.nan, dtype=np.float32)
        self.prediction = np.full(num_episodes, -1, dtype=np.int64)


class Game(ABC):
    """The rules of a game, each once. They change no state but that of the `rows` they are given.

    `rows` are the episodes meant, as in `ram_env.geometry.Rows`; what goes with them has one
    leading axis, or none for a single episode.

    Attributes:
        observation_space, action_space: Those of one env.
        format: What an action means.
        num_classes: C, how many answers there are to choose from.
        class_names: The name of each.
        data_name: What the scenes are made of.
        split: Which part of it.
        retina: What looks at the scenes.
        num_glimpses: T, the steps of an episode.
        action_format, location_grid, score_scale, initial_location, observe_reach: See
            `LookingSettings`.
        reward, stop, glimpse_cost: See `Settings`; a game without such arguments pays at the end.
        facts: What the info tells of a scene, and the shape of each.
        option_limits: The `reset` options that override parts of a scene, and the lowest and the
            highest of each.
        bytes_per_scene: What a scene takes.
        bytes_on_the_way: What planning a scene and taking a glimpse take for a while.
        bytes_to_begin: What beginning a scene takes for a while.
    """

    observation_space: spaces.Dict
    action_space: spaces.Space[Any]
    format: Format
    num_classes = 0  # until they are known
    class_names: tuple[str, ...]
    data_name: str
    split: str
    retina: Retina
    num_glimpses: int
    action_format: str | ActionFormat
    location_grid: int
    score_scale: float
    initial_location: str | InitialLocation
    observe_reach: bool
    reward: str | RewardRule = RewardRule.FINAL
    stop: bool = False
    glimpse_cost: float = 0.0
    facts: Mapping[str, tuple[int, ...]]
    option_limits: Mapping[str, tuple[int, int]]
    bytes_per_scene: int
    bytes_on_the_way: int
    bytes_to_begin: int

    @abstractmethod
    def make_scenes(self, num_scenes: int) -> SceneSource:
        """Make room for some scenes, none of them begun."""

    @abstractmethod
    def facts_of(self, plans: Any) -> dict[str, np.ndarray]:
        """Return what the info tells of planned scenes beside their seeds, int64 (..., ...)."""

    @abstractmethod
    def step(self, episodes: Episodes, rows: Rows, actions: Any) -> Outcome:
        """Take one action per episode.

        Args:
            episodes: The state; its `rows` are changed, or nothing is if an error is raised.
            rows: The episodes to step.
            actions: One of the action space, or M laid out as `batch_space(action_space, M)` does.

        Raises:
            ResetNeeded: If an episode has not begun or has ended.
            ValueError: If an action is not one of the action space.
        """

    @abstractmethod
    def view(self, episodes: Episodes, row: int) -> EpisodeView:
        """Return what there is to draw of one episode.

        Raises:
            ResetNeeded: If it has not begun.
        """

    @abstractmethod
    def describe_size(self) -> str:
        """Return the arguments that the size of an episode depends on, in words."""

    @property
    def data_arguments(self) -> dict[str, Any]:
        """Return the arguments of an env that name the images; none if there are no images."""
        return {}

    def digest(self, split: str) -> str | None:
        """Return what tells the images of a split from others; None if there are no images."""
        return None

    @property
    def num_frozen(self) -> int:
        """How many frozen scenes there are of the split: one for each image that can be chosen."""
        _, last = self.option_limits.get("index", (0, NUM_FROZEN - 1))
        return last + 1

    def frozen_scenes(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Return the `reset` options of frozen scenes: see `ram_env.scenes.source`.

        Args:
            numbers: Which of them, int64 (M,), each under `num_frozen`.

        Raises:
            ValueError: If the split has none.
        """
        options = frozen_scenes(self.split, numbers)
        return {name: it for name, it in options.items() if name in self.option_limits}

    def frozen_labels(self) -> np.ndarray:
        """Return the right answer to each frozen scene, int64 (`num_frozen`,); -1: none is."""
        return np.full(self.num_frozen, -1)

    def usual_answer(self) -> int | None:
        """Return the class of most images of the split; None if there are no images."""
        return None

    def is_wrong(self, answers: np.ndarray, infos: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return which answers of whole episodes are wrong; if the end alone tells, the last.

        Args:
            answers: After each glimpse, int64 (T, B).
            infos: Of the last step.

        Returns:
            bool (T, B), or (1, B).
        """
        return ~infos["is_success"][None]

    def make_spaces(self, action_format: Format) -> None:
        """Make the spaces; from here on nothing of the game changes."""
        self.format, self.num_classes = action_format, action_format.num_classes
        self.check_bytes(num_episodes=1)  # a space takes as much as what it holds
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
        """Refuse to change a game that is made: what was made of its arguments would not change.

        Raises:
            AttributeError: Always, from then on.
        """
        if "_is_made" in self.__dict__:
            options = " and ".join(f"`{option}`" for option in self.option_limits)
            raise AttributeError(
                f"`{name}` is fixed once the env is made, got {shown(value)}: make a new env, such "
                f"as gym.make(id, {name}=...). A reset chooses its scene by the options {options}."
            )
        super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Game":
        """Return the game itself: copies of an env share rules and images, which never change."""
        return self

    @property
    def bytes_per_episode(self) -> int:
        """How many bytes an episode takes."""
        numbers = math.prod(self.retina.glimpse_shape) + self.num_classes
        own = BYTES_PER_NUMBER * numbers + 8 * self.num_glimpses + _BYTES_PER_EPISODE
        return self.bytes_per_scene + own

    def check_bytes(self, num_episodes: int) -> None:
        """Refuse more episodes at once than the machine has room for.

        Raises:
            ValueError: If they do not fit.
        """
        num_bytes = num_episodes * self.bytes_per_episode + self.bytes_on_the_way
        check_bytes(num_bytes, self._describe(num_episodes))

    def _describe(self, num_episodes: int) -> str:
        return f"{num_episodes} envs of {self.describe_size()}"

    def allocate(self, num_episodes: int) -> Episodes:
        """Make the state of some episodes, none of them begun.

        Raises:
            ValueError: If it takes more bytes than there are.
        """
        self.check_bytes(num_episodes)
        sizes = (num_episodes, self.num_glimpses, self.retina.glimpse_shape, self.num_classes)
        try:
            return Episodes(self.make_scenes(num_episodes), self.facts, *sizes)
        except MemoryError as error:  # the process may have less than the machine
            raise ValueError(
                f"{self._describe(num_episodes)} must fit into the memory that this process may "
                f"use, got: {error} Choose smaller numbers."
            ) from error

    def scene_options(
        self, options: Mapping[Any, Any] | None, num_episodes: int, others: tuple[str, ...] = ()
    ) -> dict[str, np.ndarray]:
        """Return the `reset` options that override parts of a scene, each int64 (B,).

        Args:
            options: May hold those of `option_limits`: a whole number for all episodes, or an
                array of one for each.
            num_episodes: B, how many an array must hold.
            others: Options that say something else; they may be there and are left out.

        Raises:
            ValueError: If an option is unknown or out of its range.
        """
        limits, given = self.option_limits, options_of(options)
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

    def begin(
        self,
        episodes: Episodes,
        rows: Rows,
        scene_seeds: np.ndarray,
        indices: np.ndarray | None = None,
        **sizes: np.ndarray,
    ) -> None:
        """Start new episodes and take their first glimpse.

        Args:
            episodes: The state that `allocate` made; its `rows` are overwritten.
            rows: The episodes to start.
            scene_seeds: int64 (...), not negative; all of a scene follows from its seed.
            indices: Which images to show instead of those that the seeds choose, int64 (...).
            sizes: Other parts of a scene that options override, int64 (...) each.
        """
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
        for name, fact in self.facts_of(plans).items():
            episodes.facts[name][rows] = fact
        episodes.facts["scene_seed"][rows] = scene_seeds
        episodes.num_taken[rows] = 0
        episodes.ended[rows] = False
        episodes.scores[rows] = np.nan
        episodes.prediction[rows] = -1
        is_random = self.initial_location == InitialLocation.RANDOM
        first = plans.location if is_random else np.zeros_like(plans.location)
        self._look(episodes, rows, first)

    def glimpse_statistics(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of the pixels that the retina sees of some scenes.

        They are the first ones, each looked at once, anywhere; no env is touched.

        Returns:
            float32 (K,) each, of scenes in colour (K, 3).
        """
        rows = np.arange(_NUM_SAMPLED)
        episodes = self.allocate(len(rows))
        self.begin(episodes, rows, rows)
        seen = episodes.glimpses.astype(np.float64)
        pixels = (0, seen.ndim - 2, seen.ndim - 1)
        mean, std = seen.mean(axis=pixels), seen.std(axis=pixels)
        return mean.astype(np.float32), std.astype(np.float32)

    def read(self, episodes: Episodes, rows: Rows, actions: Any) -> Answers:
        """Return what the actions of a step mean; nothing is changed.

        Raises:
            ResetNeeded: If an episode has not begun or has ended.
            ValueError: If an action is not one of the action space.
        """
        num_taken = episodes.num_taken[rows]
        is_new = num_taken == 0
        if any_of(is_new | episodes.ended[rows]):
            raise ResetNeeded(
                "`step()` before the first episode: call `reset()` to start one."
                if any_of(is_new)
                else "`step()` after the last glimpse: call `reset()` to start the next episode."
            )
        answers = self.format.decode(actions)
        if answers.labels.shape != num_taken.shape:
            wanted = "one for each episode" if num_taken.ndim else "one, without a batch axis"
            raise ValueError(
                f"`action` must be {wanted}, got a batch of shape {answers.labels.shape}."
            )
        return answers

    def go_on(
        self, episodes: Episodes, rows: Rows, answers: Answers, terminated: np.ndarray
    ) -> None:
        """End some episodes, and let the others look where they want to."""
        if answers.scores is not None:
            episodes.scores[rows] = answers.scores
        if any_of(terminated):
            episodes.prediction[rows] = np.where(terminated, answers.labels, -1)
            episodes.ended[rows] = terminated
            if isinstance(rows, np.ndarray) and not terminated.all():
                self._look(episodes, rows[~terminated], answers.locations[~terminated])
        else:
            self._look(episodes, rows, answers.locations)

    def _look(self, episodes: Episodes, rows: Rows, locations: np.ndarray) -> None:
        """Move the sensors and take a glimpse."""
        episodes.locations[rows, episodes.num_taken[rows]] = locations
        episodes.num_taken[rows] += 1
        pixels = episodes.scenes.pixels_at(rows, locations)
        episodes.glimpses[rows] = self.retina.glimpse(episodes.scenes, rows, pixels)

    def observe(self, episodes: Episodes, rows: Rows) -> Observation:
        """Return fresh copies of what the latest glimpse shows: see `GlimpseEnv`."""
        location = episodes.locations[rows, episodes.num_taken[rows] - 1].copy()
        seen = {"glimpse": episodes.glimpses.take(rows, axis=0), "location": location}
        if self.observe_reach:
            shapes = episodes.scenes.shapes_of(rows)[..., ::-1]  # (width, height), as (x, y)
            seen["reach"] = (self.retina.widest / shapes).astype(np.float32)
        return seen

    def info(self, episodes: Episodes, rows: Rows) -> dict[str, np.ndarray]:
        """Return fresh copies of what is known of the scenes: int64."""
        return {name: fact.take(rows, axis=0) for name, fact in episodes.facts.items()}

    def locations_seen(self, episodes: Episodes, row: int) -> np.ndarray:
        """Return where an episode was looked at so far, float32 (t, 2).

        Raises:
            ResetNeeded: If it has not begun.
        """
        num_taken = int(episodes.num_taken[row])
        if num_taken == 0:
            raise ResetNeeded("`render()` before the first episode: call `reset()` to start one.")
        return episodes.locations[row, :num_taken].copy()

    def belief_of(self, episodes: Episodes, row: int) -> np.ndarray | None:
        """Return the latest belief of an episode, float64 (C,); None if there are no scores."""
        scores = episodes.scores[row]
        return None if np.isnan(scores).any() else np.exp(self.log_belief(scores))

    def log_belief(self, scores: np.ndarray) -> np.ndarray:
        """Return the logarithm of the belief: float32 (..., C) -> float64 (..., C)."""
        return log_belief(scores, self.score_scale)


def any_of(flags: np.ndarray) -> bool:
    """Return whether any of some flags is set, bool (...); for one flag far faster than numpy."""
    return bool(flags) if flags.ndim == 0 else bool(np.count_nonzero(flags))
