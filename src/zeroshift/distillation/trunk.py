"""The layers of an EfficientNet-Lite0, by which small networks see: trained on ImageNet, they need not learn to.

The network is that of Tan and Le 2019 (arXiv:1905.11946) without squeeze-and-excitation and with ReLU6, as Google
published it; its weights are under the Apache-2.0 licence and come inside a package of the extra ``textures``.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = (
    ((3, 1, 1, 16),),
    ((3, 2, 6, 24), (3, 1, 6, 24)),
    ((5, 2, 6, 40), (5, 1, 6, 40)),
    ((3, 2, 6, 80), *[(3, 1, 6, 80)] * 2, *[(5, 1, 6, 112)] * 3),
    ((5, 2, 6, 192), *[(5, 1, 6, 192)] * 3),
)
"""blocks up to a half, a quarter and so on to a thirty-second of the side: kernel, stride, expansion, channels"""
STEM = 32
CHANNELS = tuple(blocks[-1][3] for blocks in LEVELS)
"""of the map at the end of each level"""


class Padded(nn.Conv2d):
    """A convolution whose padding is TensorFlow's "same": where the stride is 2, one place less at the beginning."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inside, outside, kernel, stride, groups=groups)
        around = kernel - stride
        self.around = (around // 2, around - around // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w), sides multiples of the stride."""
        return super().forward(F.pad(x, self.around))


class Inverted(nn.Module):
    """An inverted residual block: wider, each channel on its own, narrower (MBConv)."""

    def __init__(self, inside: int, kernel: int, stride: int, expansion: int, outside: int) -> None:
        super().__init__()
        wide = inside * expansion
        self.expand = nn.Conv2d(inside, wide, 1) if expansion > 1 else nn.Identity()
        self.depthwise, self.project = Padded(wide, wide, kernel, stride, groups=wide), nn.Conv2d(wide, outside, 1)
        self.around = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w)."""
        h = F.relu6(self.expand(x)) if isinstance(self.expand, nn.Conv2d) else x
        y: Tensor = self.project(F.relu6(self.depthwise(h)))
        return x + y if self.around else y


class Trunk(nn.Module):
    """The network's first levels, batch normalisation folded into its convolutions."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.stem, inside = Padded(3, STEM, 3, 2), STEM
        self.levels = nn.ModuleList()
        for blocks in LEVELS[:levels]:
            level = nn.Sequential()
            for kernel, stride, expansion, outside in blocks:
                level.append(Inverted(inside, kernel, stride, expansion, outside))
                inside = outside
            self.levels.append(level)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) at the end of each level, of pictures (B, 3, H, W) in [-1, 1]."""
        h, maps = F.relu6(self.stem(x)), list[Tensor]()
        for level in self.levels:
            h = level(h)
            maps.append(h)
        return maps

    @torch.no_grad()
    def learned(self, network: Any) -> None:
        """Take the weights of a whole EfficientNet-Lite0, as ``efficientnet_lite_pytorch`` builds it."""
        for own, convolution, normalisation in self._pairs(network):
            scale = normalisation.weight / (normalisation.running_var + normalisation.eps).sqrt()
            own.weight.copy_(convolution.weight * scale[:, None, None, None])
            assert own.bias is not None  # a folded normalisation is one
            own.bias.copy_(normalisation.bias - normalisation.running_mean * scale)

    def _pairs(self, network: Any) -> Iterator[tuple[nn.Conv2d, Any, Any]]:
        """Yield this network's convolutions, each with the other's and the normalisation that follows it there."""
        yield self.stem, network._conv_stem, network._bn0
        blocks = [block for block in self.modules() if isinstance(block, Inverted)]
        for own, other in zip(blocks, network._blocks, strict=False):
            if isinstance(own.expand, nn.Conv2d):
                yield own.expand, other._expand_conv, other._bn0
            yield own.depthwise, other._depthwise_conv, other._bn1
            yield own.project, other._project_conv, other._bn2
