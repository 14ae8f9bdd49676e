"""The student ``residual``: a small U-Net that predicts an edit and where it is, and leaves all else as it was."""

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from zeroshift.distillation.parts import Attention, Level, Modulated, Told


class Residual(nn.Module, PyTorchModelHubMixin):
    """y = m g + (1 - m) x: an edit g and its mask m, told by the direction and the intensity; at 0 the photograph.

    Args:
        directions: pairs of words, source and target, that it knows.
        size: side of the pictures in pixels that it was trained at; any multiple of ``multiple`` works.
        widths: channels at a half, a quarter, an eighth ... of the side.
        blocks: residual blocks at each of these, on the way down as on the way up, at the last once.
    """

    architecture: str = "residual"

    def __init__(
        self,
        directions: list[list[str]],
        size: int = 128,
        widths: tuple[int, ...] = (32, 64, 96, 192),
        blocks: tuple[int, ...] = (1, 1, 2, 3),
        told: int = 128,
    ) -> None:
        super().__init__()
        self.directions, self.size = [tuple(pair) for pair in directions], size
        self.multiple = 2 ** len(widths)
        self.told = Told(len(directions), told)
        self.stem, self.down, self.up = nn.Conv2d(12, widths[0], 3, padding=1), nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        for n, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            self.down.append(Level(Modulated(width, told) for _ in range(count)))
            if n + 1 < len(widths):
                self.up.append(Level(Modulated(width, told) for _ in range(count)))
                self.shrink.append(nn.Conv2d(width, widths[n + 1], 3, 2, 1))
                self.grow.append(nn.Conv2d(widths[n + 1], width, 3, padding=1))
        self.attention = Attention(widths[-1])
        self.fine, self.out = nn.Conv2d(widths[0], 64, 3, padding=1), nn.Conv2d(16 + 3, 4, 3, padding=1)

    def parts(self, x: Tensor, direction: Tensor, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """The edit g (B, 3, H, W), and logits of where it is (B, 1, H, W)."""
        told, h, kept = self.told(direction, intensity), self.stem(F.pixel_unshuffle(x, 2)), []
        for n, level in enumerate(self.down):
            h = level(h, told)
            if n < len(self.shrink):
                kept.append(h)
                h = self.shrink[n](h)
        h = self.attention(h)
        for n in reversed(range(len(self.up))):
            h = self.grow[n](F.interpolate(h, scale_factor=2.0, mode="nearest")) + kept.pop()
            h = self.up[n](h, told)
        fine = F.silu(F.pixel_shuffle(self.fine(F.silu(h)), 2))
        g, where = self.out(torch.cat([fine, x], 1)).split([3, 1], 1)
        return g, where

    def forward(self, x: Tensor, direction: Tensor, intensity: Tensor) -> Tensor:
        """Edited pictures (B, 3, H, W).

        Args:
            x: pictures (B, 3, H, W) in [-1, 1], sides multiples of ``multiple``.
            direction: (B,), int64, which of ``directions``.
            intensity: (B,) from 0, the photograph, to 1.
        """
        g, where = self.parts(x, direction, intensity)
        return x + mask(where, intensity) * (g - x)


def mask(where: Tensor, intensity: Tensor) -> Tensor:
    """The mask m (B, 1, H, W) from 0 to 1 of logits; 0 at intensity 0, and 3/4 of the whole edit's at half of it."""
    return where.sigmoid() * (intensity * (2 - intensity))[:, None, None, None]
