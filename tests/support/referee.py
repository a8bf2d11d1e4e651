"""What must hold at every step of a vector env, whatever the actions: a referee beside the game.

It counts steps, reads actions and works out rewards by itself, many envs at once, so that millions
of steps can be watched. That every pixel is right is held elsewhere, against the slow reference.
"""

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from ram_env.games.tasks import CanvasTask
from ram_env.vector_env import GlimpseVectorEnv

SCENE = ("label", "index", "scene_seed", "target_box")


class Referee:
    """Watches one vector env.

    Args:
        envs: Before its first reset; `begin` must be told of it.
    """

    def __init__(self, envs: GlimpseVectorEnv) -> None:
        assert isinstance(envs.task, CanvasTask)
        self.envs, self.task = envs, envs.task
        self.ended = np.zeros(envs.num_envs, dtype=bool)  # and not yet begun anew
        self._taken = np.zeros(envs.num_envs, dtype=np.int64)  # steps of each running episode
        self._scene: dict[str, np.ndarray] = {}
        self._location = np.zeros((envs.num_envs, 2), dtype=np.float32)

    def begin(self, mask: np.ndarray, result: tuple[dict[str, np.ndarray], Any]) -> None:
        """Check what a reset of some sub-envs returned."""
        observation, infos = result
        self._check_observation(observation)
        for key in SCENE:
            assert infos[f"_{key}"].tolist() == mask.tolist()
            assert not infos[key][~mask].any()
        before = self._scene or infos
        merged = {
            key: np.where(mask.reshape(-1, *[1] * (infos[key].ndim - 1)), infos[key], before[key])
            for key in SCENE
        }
        self._start(mask, merged)
        assert np.array_equal(observation["location"][~mask], self._location[~mask])
        self._location = observation["location"].copy()

    def judge(self, actions: Any, result: tuple[Any, ...]) -> None:
        """Check what a step returned."""
        observation, rewards, terminations, truncations, infos = result
        mode = self.envs.autoreset_mode
        resting = self.ended.copy()  # these restart, in mode NEXT_STEP
        self._taken[~resting] += 1
        ends = ~resting & (self._taken == self.task.num_glimpses)
        assert terminations.dtype == truncations.dtype == bool
        assert np.array_equal(terminations, ends)
        assert not truncations.any()
        labels, locations = self._read(actions)
        self._check_rewards(rewards, actions, labels, ends, resting)
        self._check_verdict(infos, labels, ends)
        self._check_observation(observation)
        new = ends if mode == AutoresetMode.SAME_STEP else resting
        moved = ~(ends | resting)
        assert np.array_equal(observation["location"][moved], locations[moved])
        self._check_last_look(observation, infos, ends)
        for key in SCENE:
            assert infos[f"_{key}"].all()
            assert np.array_equal(infos[key][~new], self._scene[key][~new])
        self.ended = ends & ~new
        self._start(new, infos)
        self._location = observation["location"].copy()

    def _start(self, mask: np.ndarray, infos: Any) -> None:
        """Note and check the scenes of some sub-envs."""
        self._scene = {key: infos[key].copy() for key in SCENE}
        self._taken[mask] = 0
        self.ended[mask] = False
        scene = {key: value[mask] for key, value in self._scene.items()}
        dataset, (height, width) = self.task.dataset, self.task.canvas_shape
        assert ((scene["index"] >= 0) & (scene["index"] < len(dataset.labels))).all()
        assert np.array_equal(scene["label"], dataset.labels[scene["index"]])
        assert (scene["scene_seed"] >= 0).all()
        corners, sizes = scene["target_box"][:, :2], scene["target_box"][:, 2:]
        assert (sizes == dataset.images.shape[1:]).all()
        assert ((corners >= 0) & (corners + sizes <= (height, width))).all()
        for row in np.flatnonzero(mask)[:1]:  # one of them, for the time it takes
            top, left, rows, columns = self._scene["target_box"][row]
            under = self.envs.view(row).canvas[top : top + rows, left : left + columns]
            # Clutter is added: no pixel of the image is darker than it should be.
            assert (under >= dataset.images[self._scene["index"][row]]).all()

    def _check_observation(self, observation: dict[str, np.ndarray]) -> None:
        """Check types, shapes and ranges."""
        assert list(observation) == ["glimpse", "location"]
        for key, lowest in (("glimpse", 0.0), ("location", -1.0)):
            value, space = observation[key], self.envs.observation_space[key]  # type: ignore[index]
            assert value.dtype == np.float32
            assert value.shape == space.shape
            # A NaN is in no range.
            assert ((value >= lowest) & (value <= 1.0)).all()

    def _read(self, actions: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the labels that were answered and the locations to look at next."""
        if isinstance(actions, dict):
            return actions["label"], np.clip(actions["location"], -1, 1)
        if self.task.action_format == "box":
            return np.clip(actions[:, 2:], -1, 1).argmax(axis=1), np.clip(actions[:, :2], -1, 1)
        centers = (2 * actions[:, :2] + 1) / self.task.location_grid - 1
        return actions[:, 2], centers.astype(np.float32)

    def _check_rewards(
        self,
        rewards: np.ndarray,
        actions: Any,
        labels: np.ndarray,
        ends: np.ndarray,
        resting: np.ndarray,
    ) -> None:
        """Work the rewards out anew."""
        assert rewards.dtype == np.float64
        right = labels == self._scene["label"]
        if self.task.reward == "final":
            assert np.array_equal(rewards, right & ends)
        elif self.task.reward == "every_step":
            assert np.array_equal(rewards, (right & ~resting) / self.task.num_glimpses)
        else:
            scores = self.task.score_scale * np.clip(actions[:, 2:], -1, 1).astype(np.float64)
            chosen = scores[np.arange(len(scores)), self._scene["label"]]
            expected = (chosen - np.log(np.exp(scores).sum(axis=1))) / self.task.num_glimpses
            # Sums in another order: a few roundings of numbers of about 20.
            assert np.allclose(rewards, np.where(resting, 0, expected), rtol=0, atol=1e-13)

    def _check_verdict(self, infos: Any, labels: np.ndarray, ends: np.ndarray) -> None:
        """Check prediction and success at the end of episodes."""
        same_step = self.envs.autoreset_mode == AutoresetMode.SAME_STEP
        verdict = infos.get("final_info", {}) if same_step else infos
        assert ("prediction" in verdict) == ("is_success" in verdict) == ends.any()
        if not ends.any():
            return
        for key, value in (("prediction", labels), ("is_success", labels == self._scene["label"])):
            assert np.array_equal(verdict[f"_{key}"], ends)
            assert np.array_equal(verdict[key][ends], value[ends])
        if same_step:
            for key in SCENE:
                assert np.array_equal(verdict[key][ends], self._scene[key][ends])

    def _check_last_look(self, observation: Any, infos: Any, ends: np.ndarray) -> None:
        """Check that a last step does not move the sensor."""
        if self.envs.autoreset_mode != AutoresetMode.SAME_STEP:
            assert np.array_equal(observation["location"][ends], self._location[ends])
        elif ends.any():
            assert np.array_equal(infos["_final_obs"], ends)
            final = np.stack([one["location"] for one in infos["final_obs"][ends]])
            assert np.array_equal(final, self._location[ends])
