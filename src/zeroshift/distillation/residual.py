"""The student ``residual``: a small U-Net that predicts an edit and where it is, and leaves all else as it was."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from zeroshift.distillation.parts import GROUPS, Attention, Level, MaskedEdit, Modulated, Told
from zeroshift.distillation.trunk import CHANNELS, Trunk


class Residual(MaskedEdit, PyTorchModelHubMixin):
    """y = m g + (1 - m) x: an edit g and its mask m, told by the direction and the intensity; at 0 the photograph.

    What sees the photograph is the trunk of an ImageNet network; what draws is told.

    Args:
        directions: pairs of words, source and target, that it knows.
        size: side of the pictures in pixels that it was trained at; any multiple of ``multiple`` works.
        widths: channels of what draws at a half, a quarter, an eighth and a sixteenth of the side, or fewer of these.
        blocks: residual blocks at each of them.
    """

    architecture: str = "residual"

    def __init__(
        self,
        directions: list[list[str]],
        size: int = 128,
        widths: tuple[int, ...] = (32, 64, 96, 192),
        blocks: tuple[int, ...] = (1, 2, 2, 3),
        told: int = 128,
    ) -> None:
        super().__init__()
        self.directions, self.size = [tuple(pair) for pair in directions], size
        self.multiple = 2 ** len(widths)
        self.told, self.trunk = Told(len(directions), told), Trunk(len(widths))
        self.seen = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(GROUPS, channels), nn.Conv2d(channels, width, 1))
            for channels, width in zip(CHANNELS, widths, strict=False)
        )
        self.levels = nn.ModuleList(
            Level(Modulated(width, told) for _ in range(count)) for width, count in zip(widths, blocks, strict=True)
        )
        self.grow = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in pairwise(widths))
        self.attention = Attention(widths[-1])
        self.fine, self.out = nn.Conv2d(widths[0], 64, 3, padding=1), nn.Conv2d(16 + 3, 4, 3, padding=1)

    def parts(self, x: Tensor, direction: Tensor, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """The edit g (B, 3, H, W), and logits of where it is (B, 1, H, W)."""
        told = self.told(direction, intensity)
        maps = [seen(one) for seen, one in zip(self.seen, self.trunk(x), strict=True)]
        h = self.attention(self.levels[-1](maps[-1], told))
        for n in reversed(range(len(self.grow))):
            h = self.grow[n](F.interpolate(h, scale_factor=2.0, mode="nearest")) + maps[n]
            h = self.levels[n](h, told)
        fine = F.silu(F.pixel_shuffle(self.fine(F.silu(h)), 2))
        g, where = self.out(torch.cat([fine, x], 1)).split([3, 1], 1)
        return g, where

    def edited(self, x: Tensor, direction: Tensor, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Edits (B, 3, H, W) of pictures in [-1, 1], and where they are, (B, 1, H, W) from 0 to 1."""
        g, where = self.parts(x, direction, intensity)
        m = mask(where, intensity)
        return x + m * (g - x), m


def mask(where: Tensor, intensity: Tensor) -> Tensor:
    """The mask m (B, 1, H, W) from 0 to 1 of logits; 0 at intensity 0, and 3/4 of the whole edit's at half of it."""
    return where.sigmoid() * (intensity * (2 - intensity))[:, None, None, None]
