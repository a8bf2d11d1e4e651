"""A small convolutional network to hold RAM against, and the work that networks do."""

import math

import torch
from torch import Tensor, nn


class ConvNet(nn.Module):
    """Classify whole images of any size: two convolutions, each pooled, and a linear layer."""

    def __init__(self, num_classes: int) -> None:
        """Make the layers."""
        super().__init__()
        self.first = nn.Conv2d(1, 16, kernel_size=5, padding=2)
        self.second = nn.Conv2d(16, 32, kernel_size=5, padding=2)
        self.pool = nn.AdaptiveMaxPool2d(4)
        self.logits = nn.Linear(32 * 4 * 4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return class logits (B, C) of images, float (B, 1, H, W) in [0, 1]."""
        features = nn.functional.max_pool2d(torch.relu(self.first(images)), 2)  # (B, 16, H/2, W/2)
        features = self.pool(torch.relu(self.second(features)))  # (B, 32, 4, 4)
        return self.logits(features.flatten(1))

    def multiply_adds(self, side: int) -> int:
        """Return the multiply-adds that one square image takes, at its border zeros included.

        A convolution takes as many for each pixel of its output as it has weights.
        """
        pixels = {self.first: side**2, self.second: (side // 2) ** 2}
        convolutions = sum(layer.weight.numel() * number for layer, number in pixels.items())
        return convolutions + self.logits.weight.numel()


def crossing(sides: list[float], one: list[float], other: list[float]) -> float | None:
    """Return the side at which one line falls below the other, straight between log-log points.

    Args:
        sides: Ascending.
        one: Values of the line that ends lower, all positive.
        other: Values of the line that ends higher, all positive.

    Returns:
        None if `one` is nowhere below `other`; the first side if it is below from the start.
    """
    gaps = [math.log(b / a) for a, b in zip(one, other, strict=True)]
    for number, gap in enumerate(gaps):
        if gap > 0:
            if number == 0:
                return sides[0]
            before = gaps[number - 1]
            share = -before / (gap - before)
            low, high = math.log(sides[number - 1]), math.log(sides[number])
            return math.exp(low + share * (high - low))
    return None
