"""Where to look next, wherever one looks now? A choice among the cells that the retina sees.

Shapes: B batch, K scales, g patch side, n cells along a side, H hidden units. A position in a
window is (x, y), from -1 to 1 across it; that of scale k is 2**(K - 1 - k) times smaller than the
widest.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from agents.model.config import RAMConfig

NUM_PATTERNS = 16  # that a cell is searched for
NUMBERS_PER_LOOK = 3  # of a location that is remembered: x, y, and 1 where there is one


class Cells(NamedTuple):
    """A choice among the cells of a glimpse, those that lie wholly outside the scene aside."""

    logits: Tensor  # (B, K n n): of the cells, scale by scale, row by row
    lowest: Tensor  # (B, K, n, 2): location of the left sides of columns, the upper sides of rows
    highest: Tensor  # (B, K, n, 2): of their other sides
    glimpse: Tensor | None  # normalised, (B, K, [3,] g, g), if it is aimed at what is salient there

    def likeliest(self) -> Tensor:
        """Return where to look in the likeliest cell, (B, 2)."""
        return self.aim(self.logits.argmax(1))

    def draw(self, uniform: Tensor, spread: float = 1.0) -> tuple[Tensor, Tensor]:
        """Draw a cell, and a point in it.

        Args:
            uniform: Numbers (B, 3) in [0, 1) that draw the cell, x and y.
            spread: How far the point lies from the aim, on the way to one anywhere in the cell.

        Returns:
            Locations (B, 2), without gradient, and the log-likelihoods of their cells, (B,).
        """
        log_probs = self.logits.log_softmax(1)
        cells = draw_one(self.logits.detach(), uniform[:, :1])
        log_prob = log_probs.gather(1, cells.unsqueeze(1)).squeeze(1)
        lowest, highest = (side.clamp(-1.0, 1.0) for side in self._sides(cells))
        anywhere = lowest + uniform[:, 1:] * (highest - lowest)
        return self.aim(cells).lerp(anywhere, spread), log_prob

    def entropy(self) -> Tensor:
        """Return the entropy of the choice in nats, (B,)."""
        return -(self.logits.softmax(1) * self.logits.log_softmax(1)).sum(1)

    def aim(self, cells: Tensor) -> Tensor:
        """Return where to look in one cell each, (B,): locations (B, 2).

        That is the middle of what of it is on the scene, or where what stands out has its centre.
        """
        lowest, highest = self._sides(cells)
        if self.glimpse is None:
            lowest, highest = lowest.clamp(-1.0, 1.0), highest.clamp(-1.0, 1.0)
            return lowest + 0.5 * (highest - lowest)
        point = salient_points(self.glimpse, self.lowest.shape[2], cells)
        return (lowest + point * (highest - lowest)).clamp(-1.0, 1.0)

    def _sides(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return the corners of one cell each, (B,), with the lowest and the highest x and y."""
        n, examples = self.lowest.shape[2], torch.arange(len(cells), device=cells.device)
        scale, row, column = _places(cells, n)
        lowest, highest = (
            torch.stack([sides[examples, scale, column, 0], sides[examples, scale, row, 1]], 1)
            for sides in (self.lowest, self.highest)
        )
        return lowest, highest


def draw_one(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw one of C, int64 (B,), by softmax(logits), (B, C), and uniform numbers (B, 1) in [0, 1).

    What has no probability is never drawn.
    """
    cumulative = logits.softmax(1).cumsum(1)
    # Of their sum, which rounding may keep from 1.
    return (cumulative <= uniform * cumulative[:, -1:]).sum(1)


def _places(cells: Tensor, num_cells: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return scale, row and column of cells by their numbers."""
    return cells // num_cells**2, cells // num_cells % num_cells, cells % num_cells


class RetinotopicNetwork(nn.Module):
    """Say where to look next by what is seen where: a logit for each cell of each scale.

    What is seen in a cell and a little around it goes through the same small network in all cells;
    the state asks for patterns, of each scale others, and adds what it wants by itself.

    Args:
        glimpse_shape: (K, g, g) or (K, 3, g, g).
        config: The settings.

    Attributes:
        repeated_multiply_adds: What it takes to look for the patterns in more than one cell, and to
            weigh those that are asked for.

    Raises:
        ValueError: If the cells do not divide the patch.
    """

    def __init__(self, glimpse_shape: tuple[int, ...], config: RAMConfig) -> None:
        super().__init__()
        self.num_scales, side = glimpse_shape[0], glimpse_shape[-1]
        self.step = config.location_cell_size
        if side % self.step:
            raise ValueError(
                f"`location_cell_size` must divide `patch_size`, {side}, got {self.step}."
            )
        self.num_colors = glimpse_shape[1] if len(glimpse_shape) == 4 else 1
        self.num_cells = side // self.step
        self.margin = self.step // 2
        self.window = (self.step + 2 * self.margin,) * 2  # that a pattern is looked for in
        num_logits = self.num_scales * self.num_cells**2
        self.patterns = nn.Linear(self.num_colors * math.prod(self.window), NUM_PATTERNS)
        self.memory = nn.Linear(1, NUM_PATTERNS, bias=False) if config.location_memory else None
        self.question = nn.Linear(config.hidden_size, self.num_scales * NUM_PATTERNS)
        hidden_size = config.location_hidden_size
        self.hidden = nn.Linear(config.hidden_size, hidden_size) if hidden_size else None
        self.wish = nn.Linear(hidden_size or config.hidden_size, num_logits)
        self.aversion: nn.Linear | None = None
        if config.location_aversion:
            self.aversion = nn.Linear(config.hidden_size, self.num_scales)
        self.gain = config.location_gain
        shared = [layer for layer in (self.patterns, self.memory) if layer is not None]
        in_a_cell = sum(layer.weight.numel() for layer in shared)
        self.repeated_multiply_adds = (num_logits - 1) * in_a_cell + num_logits * NUM_PATTERNS
        # What is wished for is near nothing at first, but something is asked: or else neither the
        # patterns nor the questions would have a gradient. If every pattern is asked for, a cell is
        # the likelier the more it differs from the mean, whatever its patterns are.
        for layer in (self.question, self.wish):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        if config.location_salience:
            nn.init.constant_(self.question.bias, config.location_salience)
        else:
            nn.init.normal_(self.question.bias, std=NUM_PATTERNS**-0.5)
        if self.aversion is not None:
            nn.init.zeros_(self.aversion.weight)
            nn.init.constant_(self.aversion.bias, config.location_aversion)

    def forward(self, glimpse: Tensor, hidden: Tensor, looked_at: Tensor | None) -> Tensor:
        """Return the logits of the cells, (B, K n n).

        Args:
            glimpse: Normalised, (B, K, [3,] g, g).
            hidden: (B, H).
            looked_at: How much of each cell was looked at before, (B, K, n, n), in [0, 1].
        """
        size, num_scales, n = len(glimpse), self.num_scales, self.num_cells
        scales = glimpse.reshape(size * num_scales, self.num_colors, *glimpse.shape[-2:])
        kernels = self.patterns.weight.reshape(NUM_PATTERNS, self.num_colors, *self.window)
        found = functional.conv2d(scales, kernels, self.patterns.bias, self.step, self.margin)
        if self.memory is not None and looked_at is not None:
            weight = self.memory.weight[:, :, None].to(found.dtype)  # (patterns, 1, 1)
            known = looked_at.reshape(-1, 1, n, n).to(found.dtype)
            found = torch.addcmul(found, weight, known)
        found = torch.relu_(found).flatten(2)  # (B K, patterns, n n)
        asked = functional.linear(self.gain * hidden, self.question.weight, self.question.bias)
        asked = asked.reshape(size * num_scales, 1, NUM_PATTERNS)
        answers = (asked @ found).reshape(size, num_scales, n * n)
        if self.aversion is not None and looked_at is not None:
            answers = answers - self.aversion(hidden).unsqueeze(-1) * looked_at.flatten(2)
        answers = answers.flatten(1)  # (B, K n n)
        wish = hidden if self.hidden is None else torch.relu(self.hidden(hidden))
        return answers.float() + self.gain * self.wish(wish).float()


def salient_points(normalised: Tensor, num_cells: int, cells: Tensor) -> Tensor:
    """Return where in one cell each, (B,), what stands out there has its centre.

    How far a pixel stands out is how much more it differs from the mean than the one that does so
    the least.

    Args:
        normalised: Glimpses, (B, K, [3,] g, g).
        num_cells: n.
        cells: Their numbers, (B,).

    Returns:
        (x, y), from 0 to 1 across the cell, (B, 2).
    """
    size, num_scales, side = len(normalised), normalised.shape[1], normalised.shape[-1]
    scenes = normalised.reshape(size, num_scales, -1, side, side)
    example, color, along = (
        torch.arange(number, device=cells.device)
        for number in (size, scenes.shape[2], side // num_cells)
    )
    scale, row, column = (it[:, None, None, None] for it in _places(cells, num_cells))
    rows, columns = len(along) * row + along[:, None], len(along) * column + along
    pixels = scenes[example[:, None, None, None], scale, color[:, None, None], rows, columns]
    salience = pixels.abs().mean(1)  # (B, s, s)
    salience = salience - salience.amin((1, 2), keepdim=True)  # what all of the cell has
    place = (along + 0.5) / len(along) - 0.5
    x, y = (salience.sum(across) * place for across in (1, 2))
    total = salience.sum((1, 2)) + 1e-6  # where nothing differs, the middle is meant
    return torch.stack([x.sum(1), y.sum(1)], 1) / total.unsqueeze(1) + 0.5


def choice_among_cells(
    logits: Tensor,
    location: Tensor,
    reach: Tensor,
    num_scales: int,
    num_cells: int,
    glimpse: Tensor | None = None,
) -> Cells:
    """Return a choice among the cells of a glimpse.

    Args:
        logits: (B, K n n).
        location: Where it was taken, (B, 2).
        reach: Half the side of the widest window in units of location, (B, 2).
        num_scales: K.
        num_cells: n.
        glimpse: Normalised, (B, K, [3,] g, g), if it is aimed at what is salient in a cell.
    """
    corners = torch.arange(num_cells, device=logits.device) * (2.0 / num_cells) - 1.0  # (n,)
    sides = sizes_of_windows(num_scales, logits.device)[:, None]  # (K, 1)
    lowest, highest = (
        location[:, None, None] + reach[:, None, None] * along.unsqueeze(-1)  # (B, K, n, 2)
        for along in (sides * corners, sides * (corners + 2.0 / num_cells))
    )
    outside = (highest <= -1.0) | (lowest >= 1.0)
    outside = outside[:, :, None, :, 0] | outside[:, :, :, None, 1]  # (B, K, n, n)
    logits = logits.masked_fill(outside.flatten(1), -1e9)  # finite, so that entropy is too
    return Cells(logits, lowest, highest, glimpse)


def sizes_of_windows(num_scales: int, device: torch.device) -> Tensor:
    """Return the sides of the windows of all scales as shares of the widest, (K,)."""
    return 2.0 ** torch.arange(1 - num_scales, 1, device=device)


def relative_places(looks: Tensor, location: Tensor, reach: Tensor, num_scales: int) -> Tensor:
    """Return where earlier locations lie in the windows of all scales now.

    Args:
        looks: What is remembered, (B, M, 3).
        location: Where one looks now, (B, 2).
        reach: (B, 2).
        num_scales: K.

    Returns:
        Positions, (B, K, M, 2).
    """
    ways = (looks[..., :2] - location[:, None]) / reach[:, None]  # (B, M, 2)
    return ways[:, None] / sizes_of_windows(num_scales, ways.device)[:, None, None]


def looked_at(places: Tensor, looks: Tensor, num_cells: int, scale: int = 0) -> Tensor:
    """Return how much of each cell was in the window of a scale; of a wide cell, of that window.

    Args:
        places: Positions of earlier locations, (B, K, M, 2).
        looks: What is remembered of them, (B, M, 3).
        num_cells: n.
        scale: Whose window; 0: the finest.

    Returns:
        (B, K, n, n), in [0, 1].
    """
    num_scales = places.shape[1]
    half = 2.0 ** (scale - torch.arange(num_scales, device=places.device)[:, None, None, None])
    middles = (2 * torch.arange(num_cells, device=places.device) + 1) / num_cells - 1.0  # (n,)
    widest_overlap = (2.0 * half).clamp(max=2.0 / num_cells)
    # How far each cell's middle lies from each location, in overlaps as wide as can be.
    apart = (places.unsqueeze(-1) / widest_overlap - middles / widest_overlap).abs()
    shares = ((half + 1.0 / num_cells) / widest_overlap - apart).clamp(0.0, 1.0)  # (B, K, M, 2, n)
    shares_x = shares[..., 0, :] * looks[:, None, :, 2:]  # nothing where nothing is remembered
    seen = torch.einsum("bkmi,bkmj->bkij", shares[..., 1, :], shares_x)
    return seen.clamp(max=1.0)


def familiarity(places: Tensor, looks: Tensor, scale: int) -> Tensor:
    """Return how much of the window of a scale the most similar of the earlier ones shared, (B, 1).

    Args:
        places: Positions of earlier locations, (B, K, M, 2).
        looks: What is remembered of them, (B, M, 3).
        scale: Whose window; 0: the finest.
    """
    shares = (1.0 - places[:, scale].abs() / 2.0).clamp(min=0.0).prod(-1)  # (B, M)
    return (shares * looks[..., 2]).amax(1, keepdim=True)
