"""What does a graph take in and give out? A glimpse or a whole canvas, and where to look next.

Shapes: B batch, K scales, g patch side, H/W canvas, S state, C classes. The names of arguments and
of results are those of the graph's inputs and outputs.
"""

import torch
from torch import Tensor, nn

from ram_env.geometry import window_side


class Look(nn.Module):
    """Take in one glimpse; say what it shows, and where to look next.

    Args:
        networks: Those of RAM.
        location_grid: How many cells a side the env knows, where it looks at their centres; None:
            it looks anywhere.
    """

    def __init__(self, networks: nn.Module, location_grid: int | None = None) -> None:
        super().__init__()
        self.networks, self.location_grid = networks, location_grid

    def forward(
        self, glimpse: Tensor, location: Tensor, state: Tensor, reach: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return `logits` (B, C), `next_location` (B, 2), `next_state` (B, S), maybe `stop` (B,).

        Args:
            glimpse: float32 (B, K, [3,] g, g), in [0, 1].
            location: Where it was taken, (B, 2), in [-1, 1].
            state: (B, S).
            reach: (B, 2), if locations are retinotopic.
        """
        thought = self.networks(glimpse, location, state, reach)
        seen = {
            "logits": thought.logits,
            "next_location": self._as_looked_at(thought.mean),
            "next_state": thought.state,
        }
        return seen if thought.stop is None else seen | {"stop": thought.stop}

    def _as_looked_at(self, location: Tensor) -> Tensor:
        """Return where the env looks if it is told a location, (B, 2)."""
        location = location.clamp(-1.0, 1.0)
        if self.location_grid is None:
            return location
        # As `ram_env.games.actions.MultiDiscreteFormat` encodes and decodes it.
        cell = ((location + 1.0) / 2.0 * self.location_grid).floor()
        cell = cell.clamp(max=self.location_grid - 1).double()
        return ((2.0 * cell + 1.0) / self.location_grid - 1.0).float()


class RetinaGraph(nn.Module):
    """See what `ram_env.retina.Retina` sees of canvases, by two matrix products.

    A matrix with 1 where a cell covers a row of pixels, and 0 elsewhere, adds up rows, another one
    columns: nothing need be padded or cropped. Sums are whole numbers, exact in float32 up to the
    ninth scale.

    Args:
        patch_size: g.
        num_scales: K.
        canvas_shape: (H, W).
    """

    starts: Tensor  # int64 (K, g, 1): of each cell along a side, counted from the pixel looked at
    widths: Tensor  # int64 (K, 1, 1): of the cells of each scale
    white: Tensor  # float32 (K, g, g): what they add up to where all is white
    reach: Tensor  # float32 (2,): half the side of the widest window, in units of location

    def __init__(self, patch_size: int, num_scales: int, canvas_shape: tuple[int, int]) -> None:
        super().__init__()
        self.canvas_shape = canvas_shape
        widths = 2 ** torch.arange(num_scales)[:, None]
        halves = [window_side(patch_size, scale) // 2 for scale in range(num_scales)]
        starts = widths * torch.arange(patch_size) - torch.tensor(halves)[:, None]
        self.register_buffer("starts", starts[..., None])
        self.register_buffer("widths", widths[..., None])
        # As large as a glimpse: a single number would be worked into the products, and rounded.
        white = 255.0 * widths[..., None].float() ** 2
        self.register_buffer("white", white.repeat(1, patch_size, patch_size))
        height, width = canvas_shape
        widest = window_side(patch_size, num_scales - 1)
        self.register_buffer("reach", torch.tensor([widest / width, widest / height]))

    def forward(self, canvas: Tensor, location: Tensor) -> Tensor:
        """Return the glimpse, float32 (B, K, g, g), of uint8 (B, H, W) at (B, 2) in [-1, 1]."""
        height, width = self.canvas_shape
        rows = self._cells(location[:, 1], height)  # (B, K, g, H)
        columns = self._cells(location[:, 0], width)  # (B, K, g, W)
        sums = rows @ canvas.float().unsqueeze(1) @ columns.transpose(2, 3)
        return sums / self.white

    def _cells(self, location: Tensor, side: int) -> Tensor:
        """Return which pixels along a side each cell covers, 0 or 1, float32 (B, K, g, side)."""
        # Float64, as in `ram_env.geometry.PixelGrid`.
        pixel = ((location.double() + 1.0) * (side / 2.0)).clamp(max=side - 1.0).long()  # (B,)
        distance = torch.arange(side) - pixel[:, None]  # (B, side)
        within = distance[:, None, None] - self.starts  # (B, K, g, side)
        return ((within >= 0) & (within < self.widths)).float()


class WholeLook(nn.Module):
    """Look at a canvas: the retina and the networks behind it in one graph.

    Args:
        look: What sees the glimpse.
        retina: What takes it.
        needs_reach: Whether it must be told half the side of the widest window in units of
            location, as of an env with `observe_reach`.
    """

    def __init__(self, look: nn.Module, retina: RetinaGraph, needs_reach: bool) -> None:
        super().__init__()
        self.look, self.retina, self.needs_reach = look, retina, needs_reach

    def forward(self, canvas: Tensor, location: Tensor, state: Tensor) -> dict[str, Tensor]:
        """Return what `Look` does, and the `glimpse`, float32 (B, K, g, g).

        Args:
            canvas: uint8 (B, H, W).
            location: Where to look, (B, 2); beyond [-1, 1] it is clipped, as the env does.
            state: (B, S).
        """
        location = location.clamp(-1.0, 1.0)
        glimpse = self.retina(canvas, location)
        reach = self.retina.reach.expand_as(location) if self.needs_reach else None
        seen: dict[str, Tensor] = self.look(glimpse, location, state, reach)
        return seen | {"glimpse": glimpse}
