"""What the critic is made of: one linear reading of what an ImageNet network sees, place by place."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zeroshift.distillation.trunk import CHANNELS

GRIDS = {3: 6, 4: 3}
"""levels of the trunk that are read, and into how many areas a side their maps are meaned"""
WIDTH = sum(CHANNELS[level] * side**2 for level, side in GRIDS.items())
"""numbers that a picture is judged by"""


class CriticNetwork(nn.Module):
    """Standardises what was seen of pictures and sums it up, each number with a weight of its own.

    Of 120 scored photographs Gaussian kernels of the same numbers learned no more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.scale = nn.Buffer(torch.zeros(WIDTH)), nn.Buffer(torch.ones(WIDTH))
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Scores (B,) of the maps (B, C, h, w) at the end of each of the trunk's levels."""
        return self.read(areas(maps))

    def read(self, numbers: Tensor) -> Tensor:
        """Scores (...) of numbers (..., WIDTH)."""
        scores: Tensor = self.out((numbers - self.mean) / self.scale)[..., 0]
        return scores


def areas(maps: Sequence[Tensor]) -> Tensor:
    """Means of the areas of the maps that are read, (B, WIDTH)."""
    means = [F.adaptive_avg_pool2d(maps[level], side).flatten(1) for level, side in GRIDS.items()]
    return torch.cat(means, 1)
