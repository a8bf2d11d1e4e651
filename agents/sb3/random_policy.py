"""The agent that knows nothing: where it looks and what it answers is drawn uniformly."""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback
from torch import Tensor


class RandomPolicy(BasePolicy):
    """Draw actions uniformly from the action space, the same ones in each evaluation."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Any = None,
    ) -> None:
        """Take the spaces; there is nothing to learn."""
        super().__init__(observation_space, action_space)
        self._draws: dict[int, spaces.Space[Any]] = {}  # by how many actions at once

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Draw actions for one observation or a batch.

        Args:
            observation: Of one env or of many; only their number counts.
            state: What the last call returned; None begins the draws anew.
            episode_start: Not read.
            deterministic: Not read: the draws can be repeated in any case.

        Returns:
            Actions, and a state that is not None.
        """
        tensors, is_batch = self.obs_to_tensor(observation)
        first = next(iter(tensors.values())) if isinstance(tensors, dict) else tensors
        actions = self._draw(len(first), anew=state is None)
        return (actions if is_batch else actions[0]), ()

    def _draw(self, number: int, anew: bool = False) -> np.ndarray:
        """Draw actions, (number, ...)."""
        if number not in self._draws:
            self._draws[number] = batch_space(self.action_space, number)
            anew = True
        if anew:
            self._draws[number].seed(0)
        return np.asarray(self._draws[number].sample())

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        first = next(iter(observation.values())) if isinstance(observation, dict) else observation
        return torch.as_tensor(self._draw(len(first)))


class RandomAgent(BaseAlgorithm):
    """Play at random, as one more Stable-Baselines3 algorithm: what any other must beat.

    Args:
        policy: `"RandomPolicy"`.
        env: As for every algorithm.
        seed: Of its draws and the envs.
        device: Not used for anything.
        stats_window_size: Over how many episodes rewards and successes are averaged.
        tensorboard_log: Folder for TensorBoard logs, or None.
        verbose: 0 no output, 1 info messages.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"RandomPolicy": RandomPolicy}

    def __init__(
        self,
        policy: str | type[BasePolicy] = "RandomPolicy",
        env: GymEnv | str | None = None,
        *,
        seed: int | None = None,
        device: torch.device | str = "auto",
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        _init_setup_model: bool = True,
    ) -> None:
        """Make the agent; see the class."""
        super().__init__(
            policy,
            env,
            learning_rate=0.0,
            seed=seed,
            device=device,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            support_multi_env=True,
        )
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        self._setup_lr_schedule()
        self.set_random_seed(self.seed)
        self.policy = self.policy_class(
            self.observation_space, self.action_space, **self.policy_kwargs
        )

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 100,
        tb_log_name: str = "random",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> Self:
        """Play at least so many env steps; see `BaseAlgorithm.learn`. Nothing is learned."""
        total_timesteps, callback = self._setup_learn(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callback.on_training_start(locals(), globals())
        actions = batch_space(self.action_space, self.n_envs)
        actions.seed(self.seed)
        assert self.env is not None
        going_on = True
        while going_on and self.num_timesteps < total_timesteps:
            callback.on_rollout_start()
            self._last_obs, _, dones, infos = self.env.step(np.asarray(actions.sample()))  # type: ignore[assignment]
            self.num_timesteps += self.n_envs
            self._update_info_buffer(infos, dones)
            callback.update_locals(locals())
            going_on = callback.on_step()
            callback.on_rollout_end()
        callback.on_training_end()
        return self
