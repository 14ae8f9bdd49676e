"""The network that finds where an animal is in a picture, pixel by pixel."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zeroshift.distillation.trunk import CHANNELS, Trunk

SIDE = 192
"""in pixels at which pictures are looked at: what the trunk was trained to see is of about that size"""


class SegmenterNetwork(nn.Module):
    """A U-Net that sees by the levels of an EfficientNet-Lite0 trained on ImageNet (see ``Trunk``).

    Pictures (N, 3, H, W) in [-1, 1] give logits (N, 1, 96, 96): whether a place is the animal's.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.trunk = Trunk(len(CHANNELS))
        self.seen = nn.ModuleList(_layer(channels, width, 1) for channels in CHANNELS)
        self.joined = nn.ModuleList(_layer(2 * width, width, 3) for _ in CHANNELS[1:])
        self.out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.trunk(F.interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True))
        *finer, h = [seen(one) for seen, one in zip(self.seen, maps, strict=True)]
        for joined, one in zip(reversed(self.joined), reversed(finer), strict=True):
            h = joined(torch.cat([F.interpolate(h, one.shape[-2:], mode="bilinear"), one], 1))
        logits: Tensor = self.out(h)
        return logits


def _layer(channels: int, width: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, width, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())
