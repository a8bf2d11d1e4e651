"""What must a game be able to do so that the env of one and the env of many can play it?"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces

from ram_env.drawing.rendering import EpisodeView
from ram_env.geometry import Rows

Observation = dict[str, np.ndarray]


class Outcome(NamedTuple):
    """What one step brought to some episodes."""

    rewards: np.ndarray  # float64 (...)
    terminated: np.ndarray  # bool (...)
    verdict: dict[str, np.ndarray]  # (...) each: what the info tells at the last step alone


class Progress(Protocol):
    """The state of B episodes, one per row; a game adds what else it needs.

    Attributes:
        num_taken: How many glimpses were taken, int64 (B,); 0 before the first reset.
        ended: Whether the episode has ended, bool (B,).
    """

    num_taken: np.ndarray
    ended: np.ndarray


class Game(Protocol):
    """The rules of a game, each once. They change no state but that of the `rows` they are given.

    Attributes:
        observation_space: What one env shows.
        action_space: How one env is acted in.
    """

    observation_space: spaces.Dict
    action_space: spaces.Space[Any]

    def allocate(self, num_episodes: int) -> Progress:
        """Make the state of some episodes, none of them begun.

        Raises:
            ValueError: If it takes more bytes than there are.
        """

    def scene_options(
        self, options: Mapping[Any, Any] | None, num_episodes: int, others: tuple[str, ...] = ()
    ) -> dict[str, np.ndarray]:
        """Return the `reset` options that override parts of a scene, each int64 (B,).

        Args:
            options: May hold `index` and `scene_seed`, and what else a task lets choose: a whole
                number for all episodes, or an array of one for each.
            num_episodes: B, how many an array must hold.
            others: Options that say something else; they may be there and are left out.

        Raises:
            ValueError: If an option is unknown or out of its range.
        """

    def begin(
        self,
        episodes: Any,
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

    def step(self, episodes: Any, rows: Rows, actions: Any) -> Outcome:
        """Take one action per episode.

        Args:
            episodes: The state; its `rows` are changed, or nothing is if an error is raised.
            rows: The episodes to step.
            actions: One of the action space, or M laid out as `batch_space(action_space, M)` does.

        Raises:
            ResetNeeded: If an episode has not begun or has ended.
            ValueError: If an action is not one of the action space.
        """

    def observe(self, episodes: Any, rows: Rows) -> Observation:
        """Return fresh copies of the latest observations."""

    def info(self, episodes: Any, rows: Rows) -> dict[str, np.ndarray]:
        """Return fresh copies of what is known of the scenes: int64."""

    def view(self, episodes: Any, row: int) -> EpisodeView:
        """Return what there is to draw of one episode.

        Raises:
            ResetNeeded: If it has not begun.
        """
