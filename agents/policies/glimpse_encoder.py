"""How do other algorithms see as RAM does? Its glimpse network, for policies of theirs."""

from typing import Any

import torch
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from agents.model.config import make_config
from agents.model.networks import GlimpseNetwork


class GlimpseEncoder(BaseFeaturesExtractor):
    """The glimpse network as a feature extractor of Stable-Baselines3: what and where, joined.

    `PPO("MultiInputPolicy", env, policy_kwargs={"features_extractor_class": GlimpseEncoder})`. Of a
    history (`memory="history"`, T glimpses) all go through the same network, and what it makes of
    them stands side by side, in the order of time; of glimpses not yet taken it is 0. What else is
    observed (the two of `memory="canvas"`, a `reach`) follows as it is, flat.

    Args:
        observation_space: `glimpse` (K, [3,] g, g) and `location` (2,); or with `mask` (T,) a
            history, (T, K, [3,] g, g) and (T, 2). Other parts are Boxes of any shape.
        settings: Fields of `RAMConfig` to change, those of the glimpse network; `feature_size` is
            how many features a glimpse has.

    Raises:
        ValueError: If the space is another, or a setting is unknown or out of its range.
    """

    def __init__(self, observation_space: spaces.Space[Any], **settings: Any) -> None:
        sizes = {"what_hidden_size": 128, "where_hidden_size": 32, "feature_size": 64}
        config = make_config(**(sizes | settings))
        if config.glimpse_statistics != "fixed":
            raise ValueError(
                "`glimpse_statistics` must be 'fixed', as nothing measures glimpses here, got "
                f"{config.glimpse_statistics!r}: set `glimpse_shift` and `glimpse_scale` instead."
            )
        parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
        if not {"glimpse", "location"} <= set(parts):
            raise ValueError(
                "`observation_space` must have `glimpse` and `location`, and for a history `mask`, "
                f"got {observation_space}: see `agents.make_vec_env` and its `memory`."
            )
        shape = parts["glimpse"].shape
        assert shape is not None
        expected = (shape[0], 2) if "mask" in parts else (2,)
        if parts["location"].shape != expected:
            raise ValueError(
                f"`location` must be of shape {expected} beside a `glimpse` of {shape}, got "
                f"{parts['location'].shape}: do not stack observations, `agents.make_vec_env(id, "
                'memory="history")` remembers all glimpses.'
            )
        self._glimpse_shape = shape[1:] if "mask" in parts else shape
        num_glimpses = shape[0] if "mask" in parts else 1
        self._others = [name for name in parts if name not in ("glimpse", "location", "mask")]
        num_others = sum(flatdim(parts[name]) for name in self._others)
        super().__init__(observation_space, num_glimpses * config.feature_size + num_others)
        self.glimpse_network = GlimpseNetwork(self._glimpse_shape, config)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Encode observations, float (B, ...): (B, T F + N), N numbers of other parts."""
        glimpses, locations = observations["glimpse"], observations["location"]
        features = self.glimpse_network(
            glimpses.reshape(-1, *self._glimpse_shape), locations.reshape(-1, 2)
        )
        if "mask" in observations:
            features = features * observations["mask"].reshape(-1, 1)
        others = [observations[name].flatten(1) for name in self._others]
        return torch.cat([features.reshape(glimpses.shape[0], -1), *others], dim=1)
