"""The network that gives what a small model draws the sharpness of photographs."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS, BLOCKS = (32, 48, 72, 112), (2, 2, 1, 2)
"""channels at a half, a quarter, an eighth and a sixteenth of the side, and residual blocks at each of them"""
MULTIPLE = 2 ** len(WIDTHS)
"""what a picture's sides are multiples of"""
GROUPS = 8
LIGHTNESS = (0.299, 0.587, 0.114)
"""shares of red, green and blue in a pixel's lightness (ITU-R BT.601)"""
SMEAR = 5
"""pixels over which colours run, twice: fine detail is seen as lightness, and an adversary invites coloured fringes"""


class Block(nn.Module):
    """Two convolutions whose sum with what goes in begins as that."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(GROUPS, width), nn.Conv2d(width, width, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(GROUPS, width), nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        added: Tensor = self.conv2(F.silu(self.norm2(h)))
        return x + added


class RestorerNetwork(nn.Module):
    """A U-Net (Ronneberger et al. 2015) that says what a picture lacks; untrained it lacks nothing.

    Pictures (N, 3, H, W) in [-1, 1], whose sides are multiples of ``MULTIPLE``, give pictures of the same size.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = [*pairwise(WIDTHS)]
        self.first = nn.Conv2d(12, WIDTHS[0], 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 3, 2, 1) for fine, coarse in pairs)
        self.seen = nn.ModuleList(_blocks(width, count) for width, count in zip(WIDTHS, BLOCKS, strict=True))
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in pairs)
        self.joined = nn.ModuleList(nn.Conv2d(2 * fine, fine, 1) for fine, _ in pairs)
        self.drawn = nn.ModuleList(_blocks(width, count) for (width, _), count in zip(pairs, BLOCKS, strict=False))
        self.last = nn.Conv2d(WIDTHS[0], 12, 3, padding=1)
        for value in self.last.parameters():
            nn.init.zeros_(value)

    def forward(self, x: Tensor) -> Tensor:
        h, maps = self.first(F.pixel_unshuffle(x, 2)), list[Tensor]()
        for n, seen in enumerate(self.seen):
            h = seen(h if n == 0 else self.down[n - 1](h))
            maps.append(h)
        for n in reversed(range(len(self.up))):
            h = self.up[n](F.interpolate(h, scale_factor=2.0, mode="nearest"))
            h = self.drawn[n](self.joined[n](torch.cat([h, maps[n]], 1)))
        lacking: Tensor = F.pixel_shuffle(self.last(h), 2)
        return x + sharp_in_lightness(lacking)


def sharp_in_lightness(x: Tensor) -> Tensor:
    """Pictures (N, 3, H, W) whose lightness stays as it is, and whose colours run."""
    shares = x.new_tensor(LIGHTNESS).view(1, 3, 1, 1)
    lightness = (shares * x).sum(1, keepdim=True)
    colour = x - lightness
    for _ in range(2):
        colour = F.avg_pool2d(colour, SMEAR, 1, SMEAR // 2, count_include_pad=False)
    return lightness + colour


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))
