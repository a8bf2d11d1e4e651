"""`RAMPolicy`: the networks as a Stable-Baselines3 policy, from observations to actions."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from agents.errors import DivergenceError
from agents.model.config import RAMConfig
from agents.model.networks import RAMNetworks, Thought
from agents.sb3.spaces import glimpse_shape_of, num_classes_of
from ram_env.arguments import shown

# A score of 1 stands for this many nats: the env's own default `score_scale`. Scores are sent
# relative to the best class, so the belief that the env reads spans twice as many.
SCORE_SCALE = 10.0


class RAMPolicy(BasePolicy):
    """Look and classify with the five networks.

    Args:
        observation_space: `Dict(glimpse (K, g, g), location (2,))`.
        action_space: `Box(-1, 1, (2 + C,))` or `MultiDiscrete([grid, grid, C])`.
        lr_schedule: Learning rate as a function of the remaining progress, 1 to 0.
        config: The settings; the preset `default` if None.

    Raises:
        ValueError: If a space is not one of these.
    """

    location_std: Tensor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        config: RAMConfig | None = None,
        **kwargs: Any,
    ) -> None:
        """Make the networks and their optimiser."""
        super().__init__(observation_space, action_space, **kwargs)
        self.config = config or RAMConfig()
        if self.optimizer_class is torch.optim.Adam:
            betas = (0.9, self.config.adam_beta2)
            # Fused: by default it walks over the weights ten times.
            self.optimizer_kwargs = {"fused": True, "betas": betas, **self.optimizer_kwargs}
        glimpse_shape = glimpse_shape_of(observation_space)
        self.num_classes = num_classes_of(action_space)
        self.networks = RAMNetworks(glimpse_shape, self.num_classes, self.config)
        self._random_gaze = torch.Generator()
        self.register_buffer("location_std", torch.tensor(self.config.location_std))
        self.optimizer = self.optimizer_class(
            self.networks.parameters(),
            lr=lr_schedule(1.0),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def forward(self, observation: dict[str, Tensor], state: Tensor) -> Thought:
        """Take in one glimpse: `glimpse` (B, K, g, g), `location` (B, 2); state (B, S)."""
        return self.networks(observation["glimpse"], observation["location"], state)

    def sample_location(self, mean: Tensor, noise: Tensor) -> Tensor:
        """Return location ~ Normal(mean, std) for standard normal noise, (B, 2), detached.

        If the gaze is random, it is uniform in [-1, 1] instead.
        """
        if self.config.gaze == "random":
            return torch.erf(noise / 2**0.5)  # the distribution function of the noise, 2 F - 1
        # Detached: REINFORCE needs d log_prob / d mean, not a path through the sample, which would
        # otherwise lead on into the next glimpse.
        return (mean + self.location_std * noise).detach()

    def log_prob(self, location: Tensor, mean: Tensor) -> Tensor:
        """Return the log-likelihood of locations under the means, summed over x and y.

        It is that of Normal(mean, std) on the canvas. What lies beyond a border the env sees at the
        border, which so has all of the probability beyond it (Fujita and Maeda 2018, Clipped Action
        Policy Gradient). The density of the sample itself would push a mean that has left the
        canvas to and fro by chance, further and further.

        Args:
            location: (..., 2), as sampled: beyond the borders too.
            mean: (..., 2).

        Returns:
            One number for each location, (...).
        """
        std = self.location_std
        inside = -0.5 * ((location - mean) / std) ** 2 - torch.log(std * (2 * torch.pi) ** 0.5)
        beyond = torch.special.log_ndtr((mean * location.sign() - 1.0) / std)
        return torch.where(location.abs() < 1.0, inside, beyond).sum(-1)

    def encode_actions(self, location: Tensor, logits: Tensor) -> np.ndarray:
        """Put locations (B, 2) and class logits (B, C) into actions of the action space.

        Raises:
            DivergenceError: If an action is not finite.
        """
        location, best = location.clamp(-1.0, 1.0), logits.amax(1, keepdim=True)
        if isinstance(self.action_space, spaces.MultiDiscrete):
            grid = int(self.action_space.nvec[0])
            where = ((location + 1.0) / 2.0 * grid).floor().clamp(max=grid - 1)  # (B, 2)
            # Times 0: a label is a number even where the logits are none.
            what = logits.argmax(1, keepdim=True) + 0.0 * best  # (B, 1)
        else:
            # Relative to the best class: softmax stays as it is, and the best does not saturate.
            where, what = location, (1.0 + (logits - best) / SCORE_SCALE).clamp(min=-1.0)
        actions = torch.cat([where, what], dim=1).float().cpu().numpy()
        if not np.isfinite(actions).all():
            raise DivergenceError(
                "the model has diverged: an action is not finite. Train it with a lower "
                "`learning_rate` or `policy_coef`."
            )
        return actions.astype(self.action_space.dtype, copy=False)

    def choose_label(self, logits: Tensor, uniform: Tensor) -> Tensor:
        """Draw labels (B,) from softmax(logits), (B, C), by uniform numbers (B, 1) in [0, 1)."""
        below = logits.softmax(1).cumsum(1) < uniform
        # The clamp meets a cumulative sum that rounding keeps under 1.
        return below.sum(1).clamp(max=self.num_classes - 1)

    def label_logits(self, labels: Tensor) -> Tensor:
        """Return logits (B, C) that leave no doubt about labels (B,)."""
        certain = torch.nn.functional.one_hot(labels, self.num_classes)
        return certain.float() * (4 * SCORE_SCALE)

    def save(self, path: str) -> None:
        """Refuse what would be a pickle.

        Raises:
            NotImplementedError: Always; it says what to call instead.
        """
        raise NotImplementedError(
            "RAMPolicy has no `save` of its own: save the whole model, `model.save(path)`, and "
            "load it by `RAM.load(path)`, in a file that cannot run code."
        )

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Choose actions for one observation or a batch.

        Args:
            observation: Of one env or of many.
            state: What the last call returned; None before the first.
            episode_start: Where an episode begins, bool (B,): the state is forgotten there.
            deterministic: Look at the mean location instead of a sampled one, and where the class
                is learned from reward answer the likeliest label instead of a drawn one.

        Returns:
            Actions, and the state: one float32 array (B, S).

        Raises:
            DivergenceError: If an action is not finite.
            ValueError: If the observation or the state is not one of this policy's.
        """
        tensors, is_batch = self._observation(observation)
        memory = self._memory(state, episode_start, len(tensors["location"]))
        was_training = self.training
        self.set_training_mode(False)
        if state is None:
            self._random_gaze.manual_seed(0)  # so that an evaluation can be repeated
        # Float32 even if a callback calls this within a training in mixed precision.
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            thought = self(tensors, memory)
            actions = self._act(thought, deterministic)
        self.set_training_mode(was_training)
        return (actions if is_batch else actions[0]), (thought.state.cpu().numpy(),)

    def _observation(self, observation: Any) -> tuple[dict[str, Tensor], bool]:
        """Return the tensors that an observation makes, float32 (B, ...), and whether it has B."""
        keys = sorted(self.observation_space.spaces)  # type: ignore[attr-defined]
        if not isinstance(observation, dict) or set(observation) != set(keys):
            got = list(observation) if isinstance(observation, dict) else type(observation)
            raise ValueError(f"`observation` must be a dict of {keys}, got {shown(got)}.")
        tensors, is_batch = self.obs_to_tensor(observation)
        assert isinstance(tensors, dict)
        return {key: value.float() for key, value in tensors.items()}, is_batch

    def _memory(
        self,
        state: tuple[np.ndarray, ...] | None,
        episode_start: np.ndarray | None,
        batch_size: int,
    ) -> Tensor:
        """Return the state (B, S) that a call to `predict` continues from."""
        memory = self.networks.initial_state(batch_size)
        if state is None:
            return memory
        if len(state) != 1 or np.shape(state[0]) != memory.shape:
            raise ValueError(
                "`state` must be what the last call for as many observations returned, an array "
                f"of shape {tuple(memory.shape)}, got {[np.shape(part) for part in state]}."
            )
        memory = torch.as_tensor(state[0], device=memory.device)
        if episode_start is not None:
            goes_on = torch.as_tensor(~np.asarray(episode_start, dtype=bool), device=memory.device)
            memory = memory * goes_on.reshape(-1, 1)
        return memory

    def _act(self, thought: Thought, deterministic: bool) -> np.ndarray:
        """Return the actions that follow from a thought."""
        if deterministic:
            location = thought.mean
            if self.config.gaze == "random":
                noise = torch.randn(location.shape, generator=self._random_gaze)
                location = self.sample_location(location, noise.to(location.device))
            return self.encode_actions(location, thought.logits)
        location = self.sample_location(thought.mean, torch.randn_like(thought.mean))
        logits = thought.logits
        if self.config.learn_class_from == "reward":
            uniform = torch.rand(len(logits), 1, device=logits.device)
            logits = self.label_logits(self.choose_label(logits, uniform))
        return self.encode_actions(location, logits)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        """Choose actions for a batch at the start of its episodes."""
        thought = self(observation, self.networks.initial_state(len(observation["location"])))
        return torch.as_tensor(self._act(thought, deterministic))
