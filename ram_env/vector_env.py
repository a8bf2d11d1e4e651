"""How are many games of looking played at once? Bit for bit as by many `GlimpseEnv`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from ram_env.arguments import one_of, options_of, shown, whole_number
from ram_env.drawing.rendering import EpisodeView, render_episode
from ram_env.env import GlimpseEnv, checked_render_mode, draw_scene_seed, skip_scene_seeds
from ram_env.games.actions import check_count, select_actions
from ram_env.games.game import Observation, Outcome
from ram_env.games.make import PlaysGame, make_game
from ram_env.sub_envs import SubEnvs

Infos = dict[str, Any]


class GlimpseVectorEnv(PlaysGame, SubEnvs, VectorEnv[Observation, Any, np.ndarray]):
    """Play `num_envs` games of `GlimpseEnv` in lockstep or out of it, in arrays.

    For the same seed it returns bit for bit, infos included, what `SyncVectorEnv` over `GlimpseEnv`
    returns; sub-env i is seeded with `seed + i`. Observations are fresh arrays.

    Args:
        num_envs: How many games.
        autoreset_mode: When a finished game restarts: `NEXT_STEP` (default), `SAME_STEP` or
            `DISABLED`, or the value of one of them, such as `"NextStep"`.
        render_mode: `"rgb_array"`: `render` returns a tuple of pictures; `"rgb_array_list"`: of
            lists of all pictures since the last `render` or reset; or `None`.
        task_arguments: Those of `GlimpseEnv`.

    Raises:
        TypeError: If an argument is unknown.
        ValueError: If one is out of its range or does not fit the others.
    """

    metadata = {**GlimpseEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        **task_arguments: Any,
    ) -> None:
        if isinstance(render_mode, str) and render_mode == "human":
            raise ValueError(
                "`render_mode='human'` is for a single env, `gym.make`: got it for a vector env; "
                "choose None, or 'rgb_array' and gymnasium.wrappers.vector.HumanRendering."
            )
        self.render_mode = checked_render_mode(render_mode, ["rgb_array", "rgb_array_list"])
        if "max_episode_steps" in task_arguments:  # `make_vec` hands on that of a spec
            raise TypeError(
                "`max_episode_steps` is for single envs, got it for a vector env, whose episodes "
                "take `num_glimpses` steps at most: set that, or `vectorization_mode='sync'`."
            )
        self.num_envs = whole_number("num_envs", num_envs, 1)
        self.autoreset_mode = one_of("autoreset_mode", autoreset_mode, AutoresetMode)
        self.metadata = {**self.metadata, "autoreset_mode": self.autoreset_mode}
        self.task = make_game(task_arguments)
        self._episodes = self.task.allocate(self.num_envs)  # before the spaces, as large as it
        self.single_observation_space = self.task.observation_space
        self.single_action_space = self.task.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._all = np.arange(self.num_envs)
        self._np_randoms: list[np.random.Generator | None] = [None] * self.num_envs
        self._np_random_seeds = [-1] * self.num_envs
        self._pictures: list[list[np.ndarray]] = [[] for _ in self._all]

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """The sub-envs' random number generators; one never seeded is seeded from the system's."""
        return tuple(self._generator(row) for row in range(self.num_envs))

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The seeds of the sub-envs' random number generators."""
        return tuple(self._np_random_seeds[row] for row, _ in enumerate(self.np_random))

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observation, Infos]:
        """Start an episode in all sub-envs, or in those of a mask.

        Args:
            seed: Restarts the random numbers: one whole number, sub-env i then has `seed + i`, or
                one (or None) per sub-env.
            options: `reset_mask`, bool (num_envs,), says which sub-envs to reset; `index` and
                `scene_seed`, a whole number or one per sub-env, override parts of the scenes, and
                so do `canvas_size` and `num_distractors` of an env with their ranges.

        Raises:
            ResetNeeded: If a mask leaves out a sub-env that has not begun its first episode.
            ValueError: If an option is unknown or out of its range, or seeds are too few or many.
        """
        # The mask stays in `options`: wrappers around this env read it afterwards.
        given = self.task.scene_options(options, self.num_envs, ("reset_mask",))
        rows = self._masked_rows(options_of(options))
        seeds = self._seeds(seed)
        if len(rows) < self.num_envs and (np.delete(self._episodes.num_taken, rows) == 0).any():
            raise ResetNeeded("`reset_mask` before the first episode: call `reset()` without it.")
        seeded = {row: seeding.np_random(seeds[row]) for row in rows if seeds[row] is not None}
        for row, (generator, used_seed) in seeded.items():
            self._np_randoms[row], self._np_random_seeds[row] = generator, used_seed
        self._begin(rows, given)
        self._collect(rows)
        return self._observation(), self._place(rows, self.task.info(self._episodes, rows))

    def step(self, actions: Any) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, Infos]:
        """Take one action in each sub-env; finished ones restart as the autoreset mode says.

        Args:
            actions: One of `action_space`. Those of sub-envs that restart in this step (mode
                `NEXT_STEP`) are not read.

        Returns:
            Observations, rewards float64 (num_envs,), terminations and truncations bool
            (num_envs,), infos. In mode `SAME_STEP` the infos hold `final_obs` and `final_info`.

        Raises:
            ResetNeeded: Before the first `reset`; in mode `DISABLED` also after an episode's end.
            ValueError: If an action is not one of the action space; out of [-1, 1] is clipped.
        """
        check_count(actions, self.num_envs)
        restarting = np.zeros(self.num_envs, dtype=bool)
        if self.autoreset_mode == AutoresetMode.NEXT_STEP:
            restarting = self._episodes.ended.copy()
        playing = np.flatnonzero(~restarting)
        rewards = np.zeros(self.num_envs)
        terminations = np.zeros(self.num_envs, dtype=bool)
        infos: Infos = {}
        if len(playing):
            mine = actions if len(playing) == self.num_envs else select_actions(actions, playing)
            outcome = self.task.step(self._episodes, playing, mine)
            rewards[playing] = outcome.rewards
            terminations[playing] = outcome.terminated
            if outcome.terminated.any():
                infos = self._final_infos(playing, outcome)
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            restarting = terminations
        if restarting.any():
            self._begin(np.flatnonzero(restarting), {})
        self._collect(self._all)
        infos |= self._place(self._all, self.task.info(self._episodes, self._all))
        truncations = np.zeros(self.num_envs, dtype=bool)
        return self._observation(), rewards, terminations, truncations, infos

    def render(self) -> tuple[Any, ...] | None:
        """Draw all episodes so far: num_envs pictures, or lists of them, as the mode says.

        A picture is uint8 (height, width, 3).
        """
        if self.render_mode is None:
            return None
        if self.render_mode == "rgb_array":
            return tuple(self._picture(row) for row in range(self.num_envs))
        collected, self._pictures = self._pictures, [[] for _ in self._all]
        return tuple(collected)

    def skip_resets(self, number: int) -> None:
        """Let the random numbers of all sub-envs go on as so many resets would, without playing.

        Args:
            number: Not negative.
        """
        for generator in self.np_random:
            skip_scene_seeds(generator, number)

    def view(self, row: int) -> EpisodeView:
        """Return what there is to draw of one sub-env's episode so far, the scene included."""
        return self.task.view(self._episodes, row)

    def _begin(self, rows: np.ndarray, given: dict[str, np.ndarray]) -> None:
        """Start episodes on scenes that are given or drawn; a row draws a seed in any case."""
        if self.render_mode == "rgb_array_list":
            for row in rows:
                self._pictures[row] = []
        drawn = [draw_scene_seed(self._generator(row)) for row in rows]
        chosen = {name: values[rows] for name, values in given.items()}
        seeds, indices = (
            chosen.pop("scene_seed", np.array(drawn, np.int64)),
            chosen.pop("index", None),
        )
        self.task.begin(self._episodes, rows, seeds, indices, **chosen)

    def _picture(self, row: int) -> np.ndarray:
        return render_episode(self.view(row))

    def _collect(self, rows: np.ndarray) -> None:
        """Keep pictures of how some sub-envs look now, for mode `"rgb_array_list"`."""
        if self.render_mode == "rgb_array_list":
            for row in rows:
                self._pictures[row].append(self._picture(row))

    def _generator(self, row: int) -> np.random.Generator:
        generator = self._np_randoms[row]
        if generator is None:
            generator, self._np_random_seeds[row] = seeding.np_random()
            self._np_randoms[row] = generator
        return generator

    def _observation(self) -> Observation:
        return self.task.observe(self._episodes, self._all)

    def _place(self, rows: np.ndarray, info: dict[str, np.ndarray]) -> Infos:
        """Lay out the info of some sub-envs as Gymnasium does: arrays with a mask beside each."""
        infos: Infos = {}
        for key, values in info.items():
            infos[key] = np.zeros((self.num_envs, *values.shape[1:]), dtype=values.dtype)
            infos[key][rows] = values
            infos[f"_{key}"] = np.zeros(self.num_envs, dtype=bool)
            infos[f"_{key}"][rows] = True
        return infos

    def _final_infos(self, playing: np.ndarray, outcome: Outcome) -> Infos:
        """Return what only the last step of an episode tells; call before the restart."""
        ended = np.flatnonzero(outcome.terminated)
        rows = playing[ended]
        verdict = {key: values[ended] for key, values in outcome.verdict.items()}
        if self.autoreset_mode != AutoresetMode.SAME_STEP:
            return self._place(rows, verdict)
        observation = self.task.observe(self._episodes, rows)
        ended_mask = np.zeros(self.num_envs, dtype=bool)
        ended_mask[rows] = True
        return {
            "final_obs": split_observation(observation, rows, self.num_envs),
            "_final_obs": ended_mask,
            "final_info": self._place(rows, self.task.info(self._episodes, rows) | verdict),
            "_final_info": ended_mask.copy(),
        }

    def _masked_rows(self, options: Mapping[str, Any]) -> np.ndarray:
        """Return the rows that a reset means."""
        if "reset_mask" not in options:
            return self._all
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != (self.num_envs,):
            raise ValueError(
                f"`options['reset_mask']` must be a bool array of shape ({self.num_envs},), "
                f"got {shown(mask)}."
            )
        if not mask.any():
            raise ValueError("`options['reset_mask']` must name at least one sub-env, got none.")
        return np.flatnonzero(mask)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        """Return one seed, or None, per sub-env."""
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + row for row in range(self.num_envs)]
        is_sequence = isinstance(seed, Sequence) or (isinstance(seed, np.ndarray) and seed.ndim > 0)
        num_seeds = len(seed) if is_sequence else None
        if num_seeds != self.num_envs:
            raise ValueError(
                f"`seed` must be one whole number or one per sub-env ({self.num_envs}), "
                f"got {shown(seed) if num_seeds is None else num_seeds}."
            )
        return [
            None if value is None else whole_number("seed", value, 0, math.inf) for value in seed
        ]


def split_observation(observation: Observation, rows: np.ndarray, num_envs: int) -> np.ndarray:
    """Lay out the observations of some sub-envs as Gymnasium does in `final_obs`.

    Args:
        observation: Arrays (M, ...).
        rows: The sub-env that each is of, int64 (M,).
        num_envs: B.

    Returns:
        One dict per sub-env, None for the others: object (B,).
    """
    split = np.full(num_envs, None, dtype=object)
    for position, row in enumerate(rows):
        split[row] = {key: value[position] for key, value in observation.items()}
    return split
