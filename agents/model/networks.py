"""Which five networks does the Recurrent Attention Model consist of?

Source: Mnih et al. 2014, arXiv:1406.6247, section 3. Shapes: B batch, K scales, g patch side,
F features, S state, H hidden units, C classes. Glimpses of scenes in colour are (B, K, 3, g, g).
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from agents.model.config import RAMConfig
from agents.model.location import (
    NUMBERS_PER_LOOK,
    Cells,
    RetinotopicNetwork,
    choice_among_cells,
    familiarity,
    looked_at,
    relative_places,
)

STOP_HIDDEN_SIZE = 64


class GlimpseNetwork(nn.Module):
    """Join what and where: g_t = relu(W_gh relu(W_h glimpse) + W_gl relu(W_l location)).

    Args:
        glimpse_shape: (K, g, g) or (K, 3, g, g).
        config: The settings.
        location_size: How many numbers say where a glimpse was taken.
    """

    shift: Tensor | float  # per scale and colour where the data tells
    scale: Tensor | float

    def __init__(
        self, glimpse_shape: tuple[int, ...], config: RAMConfig, location_size: int = 2
    ) -> None:
        super().__init__()
        if config.glimpse_statistics != "fixed":
            one_each = (*glimpse_shape[:-2], 1, 1)
            self.register_buffer("shift", torch.zeros(one_each))
            self.register_buffer("scale", torch.ones(one_each))
        else:
            self.shift, self.scale = config.glimpse_shift, config.glimpse_scale
        size = math.prod(glimpse_shape)
        self.patterns: nn.Module = nn.Flatten()
        if config.glimpse_encoder == "conv":
            self.patterns = ConvolutionalEncoder(glimpse_shape)
            size = self.patterns.size
        self.from_glimpse = nn.Linear(size, config.what_hidden_size)
        self.from_location = nn.Linear(location_size, config.where_hidden_size)
        self.what = nn.Linear(config.what_hidden_size, config.feature_size)
        self.where = nn.Linear(config.where_hidden_size, config.feature_size)
        self.norm = (
            nn.LayerNorm(config.feature_size) if config.normalise_features else nn.Identity()
        )

    def normalised(self, glimpse: Tensor) -> Tensor:
        """Return glimpses, float (B, K, g, g) in [0, 1], shifted and scaled."""
        return (glimpse - self.shift) / self.scale

    def forward(self, glimpse: Tensor, location: Tensor) -> Tensor:
        """Encode glimpses, float (B, K, g, g) in [0, 1], taken at locations (B, 2): (B, F)."""
        patterns = self.patterns(self.normalised(glimpse))  # (B, K g g)
        what = self.what(torch.relu(self.from_glimpse(patterns)))  # (B, F)
        where = self.where(torch.relu(self.from_location(location)))  # (B, F)
        return torch.relu(self.norm(what + where))


class ConvolutionalEncoder(nn.Module):
    """Find patterns in each scale by the same two convolutions, wherever they lie.

    The first sees 4x4 pixels, the second 2x2 of what the first has found. Neither overlaps itself,
    so that both are plain matrix products, here twice as fast as PyTorch's convolutions: where a
    pattern falls between two cells, the gaze moves.

    Attributes:
        size: How many numbers stand for a glimpse.
        repeated_multiply_adds: What it takes to use its weights more than once.
    """

    def __init__(self, glimpse_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.num_colors = glimpse_shape[1] if len(glimpse_shape) == 4 else 1
        num_scales, side = glimpse_shape[0], glimpse_shape[-1]
        self.missing = -side % 8  # rows and columns of zeros that fill the last cells
        self.fine = nn.Linear(self.num_colors * 4 * 4, 32)
        self.coarse = nn.Linear(32 * 2 * 2, 64)
        cells = num_scales * ((side + self.missing) // 8) ** 2
        self.size = cells * 64
        fine, coarse = self.fine.weight.numel(), self.coarse.weight.numel()
        self.repeated_multiply_adds = (4 * cells - 1) * fine + (cells - 1) * coarse

    def forward(self, glimpse: Tensor) -> Tensor:
        """Return the patterns in normalised glimpses, (B, K, [3,] g, g): (B, size)."""
        scales = glimpse.reshape(-1, self.num_colors, *glimpse.shape[-2:])  # (B K, 3, g, g)
        scales = nn.functional.pad(scales, (0, self.missing, 0, self.missing))
        fine = torch.relu(self.fine(cells_of(scales.movedim(1, -1), 4)))  # (B K, g/4, g/4, 32)
        coarse = torch.relu(self.coarse(cells_of(fine, 2)))  # (B K, g/8, g/8, 64)
        return coarse.reshape(len(glimpse), -1)


def cells_of(values: Tensor, side: int) -> Tensor:
    """Put each cell of s x s into one row: (N, h, w, C) -> (N, h / s, w / s, s s C)."""
    height, width = values.shape[1] // side, values.shape[2] // side
    cells = values.reshape(len(values), height, side, width, side, -1)
    return cells.transpose(2, 3).reshape(len(values), height, width, -1)


class ReLUCore(nn.Module):
    """Update the hidden state with one glimpse: h_t = relu(W_hh h_{t-1} + W_hg g_t + b).

    W_hh is the identity at first, so that what was seen does not fade: Le, Jaitly and Hinton 2015,
    arXiv:1504.00941.
    """

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_size = hidden_size
        self.from_features = nn.Linear(feature_size, hidden_size)
        self.from_hidden = nn.Linear(hidden_size, hidden_size, bias=False)
        nn.init.eye_(self.from_hidden.weight)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden (B, H) and state (B, S = H)."""
        hidden = torch.relu(self.from_features(features) + self.from_hidden(state))
        return hidden, hidden


class GRUCore(nn.Module):
    """Update the hidden state with one glimpse: h_t = GRU(g_t, h_{t-1})."""

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_size = hidden_size
        self.cell = nn.GRUCell(feature_size, hidden_size)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden (B, H) and state (B, S = H)."""
        hidden = self.cell(features, state)
        return hidden, hidden


class LSTMCore(nn.Module):
    """Update hidden and cell state with one glimpse: (h_t, c_t) = LSTM(g_t, (h_{t-1}, c_{t-1}))."""

    def __init__(self, feature_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_size = 2 * hidden_size
        self.cell = nn.LSTMCell(feature_size, hidden_size)

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return hidden (B, H) and state (B, S = 2 H), hidden and cell side by side."""
        hidden, cell = self.cell(features, state.chunk(2, dim=1))
        return hidden, torch.cat([hidden, cell], dim=1)


CORES: dict[str, type[ReLUCore | GRUCore | LSTMCore]] = {
    "relu": ReLUCore,
    "gru": GRUCore,
    "lstm": LSTMCore,
}


class LocationNetwork(nn.Module):
    """Say where to look next: mean_t = linear(h_t), with a hidden layer and tanh as options."""

    def __init__(self, config: RAMConfig) -> None:
        super().__init__()
        hidden_size = config.location_hidden_size
        self.squash, self.gain = config.squash_location, config.location_gain
        self.hidden = nn.Linear(config.hidden_size, hidden_size) if hidden_size else None
        self.mean = nn.Linear(hidden_size or config.hidden_size, 2)
        # Near zero at first, so that the agent begins by looking at the centre.
        nn.init.normal_(self.mean.weight, std=0.01)
        nn.init.zeros_(self.mean.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the mean of the next location, (B, 2)."""
        if self.hidden is not None:
            hidden = torch.relu(self.hidden(hidden))
        with full_precision(hidden):  # in bfloat16 it would be off by a pixel on wide canvases
            mean = self.gain * self.mean(hidden.float())
            return torch.tanh(mean) if self.squash else mean


class ActionNetwork(nn.Module):
    """Classify: softmax(W_a h_t); returns the logits."""

    def __init__(self, hidden_size: int, num_classes: int) -> None:
        super().__init__()
        self.logits = nn.Linear(hidden_size, num_classes)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return class logits, (B, C)."""
        return self.logits(hidden)


class BaselineNetwork(nn.Module):
    """Foretell the return: b_t = linear(h_t), or with a hidden layer linear(relu(linear(h_t)))."""

    def __init__(self, config: RAMConfig) -> None:
        super().__init__()
        size = config.baseline_hidden_size
        self.hidden = nn.Sequential()
        if size:
            self.hidden = nn.Sequential(nn.Linear(config.hidden_size, size), nn.ReLU())
        self.value = nn.Linear(size or config.hidden_size, 1)
        self._shapes_core = config.baseline_gradient_to_core

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the expected return, (B,)."""
        state = hidden if self._shapes_core else hidden.detach()
        return self.value(self.hidden(state)).squeeze(1)


class StopNetwork(nn.Module):
    """Say whether to answer now, by the state and by how firmly a class is believed in."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(hidden_size + 1, STOP_HIDDEN_SIZE)
        self.log_odds = nn.Linear(STOP_HIDDEN_SIZE, 1)
        nn.init.constant_(self.log_odds.bias, -2.0)  # look on, at first

    def forward(self, hidden: Tensor, logits: Tensor) -> Tensor:
        """Return the log-odds of stopping, (B,), for hidden (B, H) and class logits (B, C)."""
        # Detached: as the baseline, it reads the state and does not shape it.
        belief = logits.detach().softmax(1).amax(1, keepdim=True)
        firmness = torch.logit(belief, eps=1e-6) / 5.0  # of about 1
        known = torch.cat([hidden.detach(), firmness], dim=1)
        return self.log_odds(torch.relu(self.hidden(known))).squeeze(1)


class Thought(NamedTuple):
    """What the networks make of one glimpse."""

    logits: Tensor  # (B, C): of the classes
    mean: Tensor  # (B, 2): of the next location; the middle of the likeliest cell
    baseline: Tensor  # (B,): expected return
    state: Tensor  # (B, S): for the next glimpse
    cells: Cells | None = None  # that a retinotopic location is chosen among
    stop: Tensor | None = None  # (B,): log-odds of answering now, if that is learned


class RAMNetworks(nn.Module):
    """The five networks, put together; float32, whatever PyTorch's default type is.

    Attributes:
        state_size: S: of the core network's, and behind it, if locations are retinotopic, the
            latest of them.
        num_looks: How many these are.
    """

    def __init__(self, glimpse_shape: tuple[int, ...], num_classes: int, config: RAMConfig) -> None:
        super().__init__()
        self.policy_gradient_to_core = config.policy_gradient_to_core
        is_retinotopic = config.location == "retinotopic"
        self.num_scales = glimpse_shape[0]
        self.num_cells = glimpse_shape[-1] // config.location_cell_size
        self.num_looks = max(1, config.location_memory) if is_retinotopic else 0
        self.memory_scale = min(config.location_memory_scale, self.num_scales - 1)
        self.knows_location = not is_retinotopic or config.location_absolute
        self.knows_familiar = is_retinotopic and config.location_familiar
        self.aims = config.location_aim == "salient"
        self.inhibits = is_retinotopic and config.location_inhibition
        location_size = 2 * self.knows_location + 2 * self.num_scales * is_retinotopic
        location_size += self.knows_familiar
        self.glimpse_network = GlimpseNetwork(glimpse_shape, config, location_size)
        core = CORES[config.core](config.feature_size, config.hidden_size)
        self.core_network: nn.Module = core
        self.state_size: int = core.state_size + NUMBERS_PER_LOOK * self.num_looks
        self.location_network: Any = (
            RetinotopicNetwork(glimpse_shape, config) if is_retinotopic else LocationNetwork(config)
        )
        self.action_network = ActionNetwork(config.hidden_size, num_classes)
        self.baseline_network = BaselineNetwork(config)
        self.stop_network = StopNetwork(config.hidden_size) if config.learn_stop else None
        self.float()

    def initial_state(self, batch_size: int) -> Tensor:
        """Return the state before the first glimpse, zeros (B, S)."""
        weight = self.action_network.logits.weight
        return weight.new_zeros(batch_size, self.state_size)

    def forward(
        self, glimpse: Tensor, location: Tensor, state: Tensor, reach: Tensor | None = None
    ) -> Thought:
        """Take in one glimpse.

        Args:
            glimpse: (B, K, g, g), in [0, 1].
            location: (B, 2).
            state: (B, S).
            reach: (B, 2), as of an env with `observe_reach`, if locations are retinotopic.
        """
        if reach is not None:
            return self._look_on(glimpse, location, state, reach)
        features = self.glimpse_network(glimpse, location)  # (B, F)
        hidden, state = self.core_network(features, state)  # (B, H), (B, S)
        mean = self.location_network(self._for_location(hidden))
        return self._think(hidden, mean, state)

    def _look_on(self, glimpse: Tensor, location: Tensor, state: Tensor, reach: Tensor) -> Thought:
        """Do what `forward` does, each location relative to the one before it."""
        size, looks_size = len(glimpse), NUMBERS_PER_LOOK * self.num_looks
        state, looks = state.split([state.shape[1] - looks_size, looks_size], dim=1)
        looks = looks.detach().reshape(size, self.num_looks, NUMBERS_PER_LOOK)  # the latest first
        places = relative_places(looks, location, reach, self.num_scales)  # (B, K, M, 2)
        step = places[:, :, 0] * looks[:, None, 0, 2:]  # 0 where there was none before
        way = step.clamp(-1.0, 1.0).flatten(1)
        where = [way]
        if self.knows_location:
            where.append(location)
        if self.knows_familiar:
            where.append(familiarity(places, looks, self.memory_scale))
        features = self.glimpse_network(glimpse, torch.cat(where, dim=1))
        hidden, state = self.core_network(features, state)
        cells = self._among_cells(glimpse, hidden, location, reach, looks, places)
        look = torch.cat([location, torch.ones_like(location[:, :1])], dim=1).unsqueeze(1)
        looks = torch.cat([look, looks[:, :-1]], dim=1).flatten(1)
        state = torch.cat([state, looks], dim=1)
        return self._think(hidden, cells.likeliest(), state, cells)

    def _among_cells(
        self,
        glimpse: Tensor,
        hidden: Tensor,
        location: Tensor,
        reach: Tensor,
        looks: Tensor,
        places: Tensor,
    ) -> Cells:
        """Return the choice of the next location, for what is remembered and where that lies."""
        seen, n = None, self.num_cells
        visible = self.glimpse_network.normalised(glimpse)
        if self.inhibits:
            size, num_scales, side = len(glimpse), self.num_scales, glimpse.shape[-1]
            pixels = looked_at(places, looks, side, self.memory_scale)  # (B, K, g, g)
            colors_apart = size, num_scales, *[1] * (glimpse.dim() - 4), side, side
            visible = visible * (1.0 - pixels.reshape(colors_apart))
            # The least of each cell's pixels; pooling takes three times as long.
            seen = pixels.unflatten(3, (n, -1)).amin(4).unflatten(2, (n, -1)).amin(3)
        elif self.location_network.memory is not None:
            seen = looked_at(places, looks, n, self.memory_scale)
        logits = self.location_network(visible, self._for_location(hidden), seen)
        return choice_among_cells(
            logits, location, reach, self.num_scales, n, visible if self.aims else None
        )

    def _for_location(self, hidden: Tensor) -> Tensor:
        """Return the hidden state (B, H) as the location network sees it."""
        return hidden if self.policy_gradient_to_core else hidden.detach()

    def _think(
        self, hidden: Tensor, mean: Tensor, state: Tensor, cells: Cells | None = None
    ) -> Thought:
        """Put a thought together: what is left to say follows from the hidden state, (B, H)."""
        hidden = hidden.float()
        with full_precision(hidden):
            logits, baseline = self.action_network(hidden), self.baseline_network(hidden)
            stop = None if self.stop_network is None else self.stop_network(hidden, logits)
        return Thought(logits, mean, baseline, state, cells, stop)


def full_precision(tensor: Tensor) -> torch.autocast:
    """Return a context without mixed precision: for small products whose result must be exact."""
    return torch.autocast(tensor.device.type, enabled=False)


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Return whether a `precision` setting means mixed precision on a device."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older releases of PyTorch cannot tell what the processor can.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def forward_multiply_adds(networks: nn.Module) -> int:
    """Return the multiply-adds of one example's way through networks.

    A weight matrix of m x n takes m * n of them per example: as many as it has elements, and one
    that is used at several places as many at each. Biases, normalisation and activations are left
    out.
    """
    once = sum(weight.numel() for weight in networks.parameters() if weight.dim() == 2)
    repeating = (ConvolutionalEncoder, RetinotopicNetwork)
    return once + sum(
        module.repeated_multiply_adds
        for module in networks.modules()
        if isinstance(module, repeating)
    )
