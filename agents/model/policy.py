"""How do the networks become a Stable-Baselines3 policy, from observations to actions?"""

from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import Tensor

from agents.base.errors import DivergenceError
from agents.model.config import RAMConfig
from agents.model.location import draw_one
from agents.model.networks import RAMNetworks, Thought
from agents.sb3.spaces import glimpse_shape_of, num_classes_of
from ram_env.arguments import positive_number, shown
from ram_env.games.actions import SCORE_SCALE, action_format_of
from ram_env.games.settings import HIGHEST_SCORE_SCALE


class Decision(NamedTuple):
    """What follows from a thought: where to look next, and what to answer."""

    location: Tensor  # (B, 2): as sampled, beyond the borders too
    log_prob: Tensor  # (B,): of the location
    labels: Tensor  # int64 (B,): answered
    actions: np.ndarray  # (B, ...): both, as actions of the action space
    entropy: Tensor | None  # (B,): of the choice among cells


MIN_STD = 1.0 / 255.0  # of pixels, so that a scale that is all but flat shows no noise
FAINTEST_STD = 1e-5  # of the wide cells of a scene that is all but empty
STATISTICS_RATE = 0.01  # of a gradient step, at which running statistics forget
ASK_NETWORKS = (
    "`policy(observation, state)` returns logits, mean location and baseline as tensors, `act` "
    "decides, and `networks.initial_state(batch_size)` is the state before the first glimpse"
)


def _refusal(name: str, instead: str) -> Any:
    """Return a method for one of Stable-Baselines3's that RAM lacks; it says what to do instead."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(f"RAMPolicy has no `{name}` of its own: {instead}.")

    return staticmethod(refuse)


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
        super().__init__(observation_space, action_space, **kwargs)
        self.config = config or RAMConfig()
        self._is_retinotopic = self.config.location == "retinotopic"
        if self.optimizer_class is torch.optim.Adam:
            betas = (0.9, self.config.adam_beta2)
            # Fused: by default it walks over the weights ten times.
            self.optimizer_kwargs = {"fused": True, "betas": betas, **self.optimizer_kwargs}
        glimpse_shape = glimpse_shape_of(observation_space, self._is_retinotopic)
        self.num_classes = num_classes_of(action_space, self.config.learn_stop)
        self.networks = RAMNetworks(glimpse_shape, self.num_classes, self.config)
        self.set_score_scale(SCORE_SCALE)
        self._random_gaze = torch.Generator()
        std = torch.full((), self.config.location_std, dtype=torch.float32)
        self.register_buffer("location_std", std)
        self.optimizer = self.optimizer_class(
            self.networks.parameters(),
            lr=lr_schedule(1.0),  # type: ignore[call-arg]
            **self.optimizer_kwargs,
        )

    def set_score_scale(self, score_scale: float) -> None:
        """Write beliefs for envs that multiply class scores by this.

        Raises:
            ValueError: If no env can.
        """
        self.score_scale = positive_number("score_scale", score_scale, HIGHEST_SCORE_SCALE)
        self._action_format = action_format_of(
            self.action_space, self.score_scale, self.config.learn_stop
        )

    def set_statistics(self, mean: np.ndarray, std: np.ndarray) -> None:
        """Normalise glimpses by these, float32 (K,) or (K, 3) each."""
        for name, values in (("shift", mean), ("scale", std.clip(MIN_STD))):
            buffer = self.networks.glimpse_network.get_buffer(name)
            buffer.copy_(torch.as_tensor(values).reshape(buffer.shape))

    def renew_statistics(self, moments: Tensor) -> None:
        """Move the normalisation of glimpses towards mean and mean square, (2, K) or (2, K, 3)."""
        shift, scale = (self.networks.glimpse_network.get_buffer(it) for it in ("shift", "scale"))
        mean, mean_square = moments.reshape(2, *shift.shape)
        mean_square = (scale.square() + shift.square()).lerp(mean_square, STATISTICS_RATE)
        shift.lerp_(mean, STATISTICS_RATE)
        scale.copy_((mean_square - shift.square()).clamp(min=0.0).sqrt().clamp(min=FAINTEST_STD))

    def forward(self, observation: dict[str, Tensor], state: Tensor) -> Thought:
        """Take in one glimpse: `glimpse` (B, K, g, g), `location` (B, 2), ...; state (B, S)."""
        reach = observation["reach"] if self._is_retinotopic else None
        return self.networks(observation["glimpse"], observation["location"], state, reach)

    def act(
        self,
        thought: Thought,
        noise: Tensor | None = None,
        uniform: Tensor | None = None,
        possible: Tensor | None = None,
    ) -> Decision:
        """Decide where to look next and what to answer.

        Args:
            thought: What the networks make of a glimpse.
            noise: Random numbers that draw the location, as of `draw_noise`; None: its mean.
            uniform: Uniform numbers (B, 1) in [0, 1) that draw the label from the belief; None: the
                likeliest label.
            possible: The labels to draw from, bool (B, C); None: all.

        Raises:
            DivergenceError: If a location or a logit is not finite.
        """
        logits = thought.logits.detach()
        location, log_prob, entropy = self._choose_location(thought, noise)
        drawn_from = logits if possible is None else logits.masked_fill(~possible, -torch.inf)
        labels = logits.argmax(1) if uniform is None else draw_one(drawn_from, uniform)
        stop = torch.full_like(labels, -1) if thought.stop is None else thought.stop.detach()
        # Side by side: one copy from a GPU instead of four.
        chosen = [it.unsqueeze(1).to(logits.dtype) for it in (labels, stop)]
        numbers = torch.cat([location, *chosen, logits], dim=1).float().cpu().numpy()
        if not np.isfinite(numbers).all():
            raise DivergenceError(
                "the model has diverged: an action is not finite. Train it with a lower "
                "`learning_rate` or `policy_coef`."
            )
        # A label that was drawn is answered without doubt.
        shown_logits = numbers[:, 4:] if uniform is None else None
        actions = self._action_format.encode(
            numbers[:, :2], numbers[:, 2].astype(np.int64), shown_logits, numbers[:, 3] > 0.0
        )
        return Decision(location, log_prob, labels, actions, entropy)

    def look_on(self, actions: np.ndarray) -> np.ndarray:
        """Return the same actions, none of which says to answer now."""
        return self._action_format.without_stop(actions)

    def draw_noise(self, number: int, generator: torch.Generator) -> Tensor:
        """Draw what decides so many locations: standard normal (B, 2), or uniform (B, 3)."""
        if self._is_retinotopic:
            return torch.rand(number, 3, generator=generator, dtype=torch.float32)
        return torch.randn(number, 2, generator=generator, dtype=torch.float32)

    def _choose_location(
        self, thought: Thought, noise: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the next location (B, 2), its log-likelihood, and of cells the entropy, (B,)."""
        mean, cells = thought.mean, thought.cells
        if cells is None:
            location = mean.detach() if noise is None else self.sample_location(mean, noise)
            return location, self.log_prob(location, mean), None
        if noise is None:
            return mean, cells.logits.log_softmax(1).amax(1), cells.entropy()
        location, log_prob = cells.draw(noise, self.config.location_spread)
        if self.config.gaze == "random":
            location = 2.0 * noise[:, 1:] - 1.0
        return location, log_prob, cells.entropy()

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

    # What is written would be a pickle, which can run code when it is read.
    save = _refusal("save", "save the whole model, `model.save(path)`, and load it by `RAM.load`")
    load = _refusal("load", "load the whole model, `RAM.load(path)`, and take its `policy`")
    # They are given no state; and an action holds a clipped location and a belief, from which
    # neither the location nor the label that was drawn can be told.
    evaluate_actions = _refusal("evaluate_actions", ASK_NETWORKS)
    get_distribution = _refusal("get_distribution", ASK_NETWORKS)
    predict_values = _refusal("predict_values", ASK_NETWORKS)

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """Choose actions for one observation or a batch.

        Args:
            observation: What one env shows, or many.
            state: What the last call returned; None before the first.
            episode_start: Where an episode begins, bool (B,): the state is forgotten there.
            deterministic: Look at the mean location instead of a sampled one, and where the class
                is learned from reward answer the likeliest label instead of a drawn one.

        Returns:
            Actions, and the state: one float32 array (B, S).

        Raises:
            DivergenceError: If a location or a logit is not finite.
            ValueError: If the observation or the state is not one of this policy's.
        """
        tensors, is_batch = self._observation(observation)
        before = self._state_before(state, episode_start, len(tensors["location"]))
        was_training = self.training
        self.set_training_mode(False)
        if state is None:
            self._random_gaze.manual_seed(0)  # so that an evaluation can be repeated
        # Float32 even if a callback calls this within a training in mixed precision.
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            thought = self(tensors, before)
            actions = self._decide(thought, deterministic).actions
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

    def _state_before(
        self,
        state: tuple[np.ndarray, ...] | None,
        episode_start: np.ndarray | None,
        batch_size: int,
    ) -> Tensor:
        """Return the state (B, S) that a call to `predict` continues from."""
        before = self.networks.initial_state(batch_size)
        if state is None:
            return before
        if len(state) != 1 or np.shape(state[0]) != before.shape:
            raise ValueError(
                "`state` must be what the last call for as many observations returned, an array "
                f"of shape {tuple(before.shape)}, got {[np.shape(part) for part in state]}."
            )
        before = torch.as_tensor(state[0], device=before.device)
        if episode_start is not None:
            goes_on = torch.as_tensor(~np.asarray(episode_start, dtype=bool), device=before.device)
            before = before * goes_on.reshape(-1, 1)
        return before

    def _decide(self, thought: Thought, deterministic: bool) -> Decision:
        """Act on a thought, with exploration of this policy's own or without."""
        mean, noise, uniform = thought.mean, None, None
        if not deterministic:
            noise = self.draw_noise(len(mean), torch.default_generator).to(mean.device)
            if self.config.learn_class_from == "reward":
                uniform = torch.rand_like(mean[:, :1])
        elif self.config.gaze == "random":
            noise = self.draw_noise(len(mean), self._random_gaze).to(mean.device)
        return self.act(thought, noise, uniform)

    def _predict(self, observation: Any, deterministic: bool = False) -> Tensor:
        """Choose actions for a batch at the start of its episodes."""
        thought = self(observation, self.networks.initial_state(len(observation["location"])))
        return torch.as_tensor(self._decide(thought, deterministic).actions, device=self.device)
