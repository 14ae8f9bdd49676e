"""Eyes and faces cut out of pictures: what people look at first, and what a small model draws worst.

A verdict on these parts alone, beside that on all of a picture, is GFP-GAN's facial component loss (Wang et al. 2021,
arXiv:2101.04061, section 3.3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

BELOW = 0.45
"""how far beneath the eyes' middle that of a face is, in distances between the eyes"""
SURE, CLEAR = 0.35, 0.5
"""how sure eyes are from which they are cut out, and from which they are shown as what eyes look like"""
NEAREST, APART = 10 / 128, 22 / 128
"""shares of the side between two eyes: at least, and of those that adversaries see, made or photographed"""
AROUND = 0.3
"""of the distance between the eyes: how far from its middle an eye reaches, lids and all"""
BORDER = 4
"""pixels between a picture's border and an eye whose pixels are compared"""
AS_PHOTOGRAPHED = 0.35
"""share of the noise up to which a drawn picture has its eyes where the photograph has them"""


@final
@dataclass(frozen=True, eq=False)
class Eyes:
    """Both eyes of N pictures."""

    at: Tensor
    """x, y of the left and the right one as one sees them, in pixels, (N, 2, 2)"""
    seen: Tensor
    """whether both are there, bool (N,)"""

    def __getitem__(self, rows: Tensor) -> "Eyes":
        return Eyes(self.at[rows], self.seen[rows])

    def inside(self, left: int, top: int, side: int) -> "Eyes":
        """The same in a detail of the pictures."""
        at = self.at - torch.tensor([left, top])
        return Eyes(at, self.seen & ((at > BORDER) & (at < side - BORDER)).all(2).all(1))

    @property
    def apart(self) -> Tensor:
        """Pixels between the two, (N,)."""
        between = self.at[:, 1] - self.at[:, 0]
        return between.square().sum(1).sqrt()

    def mirrored(self, where: Tensor, side: int) -> "Eyes":
        """The same where the pictures of some rows, bool (N,), are mirrored."""
        turned = self.at.flip(1) * torch.tensor([-1, 1]) + torch.tensor([side, 0])
        return Eyes(torch.where(where[:, None, None], turned, self.at), self.seen)

    def around(self, side: int) -> Tensor:
        """Which pixels of pictures of this side belong to eyes that are seen, bool (N, 1, side, side)."""
        reach = AROUND * self.apart
        pixels = torch.arange(side) + 0.5
        across, down = (pixels - self.at[..., axis, None] for axis in (0, 1))  # (N, 2, side)
        far = across[:, :, None, :] ** 2 + down[:, :, :, None] ** 2
        near = (far < reach[:, None, None, None] ** 2) & self.seen[:, None, None, None]
        found: Tensor = near.any(1, keepdim=True)
        return found

    def or_else(self, others: "Eyes", where: Tensor) -> "Eyes":
        """Those of ``others`` in some rows, bool (N,), if they are seen there."""
        taken = where & others.seen
        return Eyes(torch.where(taken[:, None, None], others.at, self.at), self.seen | taken)


def eyes_in(found: Tensor, side: int) -> tuple[Eyes, Tensor]:
    """Eyes by what ``MarkNetwork.find`` says of pictures (N, 3, side, side), and which show what eyes look like."""
    across = found[:, 1, :2] - found[:, 0, :2]
    apart, sure = across.norm(dim=1), found[:, :2, 2].min(1).values
    seen = (sure > SURE) & (apart > NEAREST) & (across[:, 0] > 0)
    return Eyes(side * found[:, :2, :2], seen), seen & (sure > CLEAR) & (apart > APART)


@final
@dataclass(frozen=True)
class Part:
    """What is cut out of pictures around their eyes: squares, upright, the second one of a picture mirrored."""

    name: str
    side: int
    """pixels that it is brought to"""
    share: float
    """side of what is cut out, in distances between the eyes"""
    middles: Callable[[Tensor], list[Tensor]]
    """the squares' middles (N, 2) by the places (N, 2, 2) of ``Eyes``"""

    def cut(self, x: Tensor, at: Tensor) -> Tensor:
        """The parts (k N, C, side, side) of pictures (N, C, H, W); outside of a picture its border goes on."""
        across = self.share * (at[:, 1] - at[:, 0])
        return torch.cat([_cut(x, middle, -across if k else across, across, self.side) for k, middle in self.every(at)])

    def whole(self, eyes: Eyes, side: int) -> Tensor:
        """Whether all of it lies in pictures of this side, bool (N,): a border that goes on would give it away."""
        half = self.share / 2 * (eyes.at[:, 1] - eyes.at[:, 0])
        arms = half, _down(half)
        corners = [
            middle + i * arms[0] + j * arms[1] for _, middle in self.every(eyes.at) for i in (-1, 1) for j in (-1, 1)
        ]
        there = torch.stack(corners)
        return eyes.seen & ((there >= 0) & (there <= side)).all(2).all(0)

    def every(self, at: Tensor) -> list[tuple[int, Tensor]]:
        """The middles, numbered."""
        return [*enumerate(self.middles(at))]


def _below(at: Tensor) -> list[Tensor]:
    return [at.mean(1) + BELOW * _down(at[:, 1] - at[:, 0])]


EYES = Part("eyes", 48, 0.8, lambda at: [at[:, 0], at[:, 1]])
FACES = Part("faces", 64, 2.2, _below)


def _down(across: Tensor) -> Tensor:
    """What is as long and points down where ``across`` (N, 2) points to the right."""
    return torch.stack([-across[:, 1], across[:, 0]], 1)


def _cut(x: Tensor, middle: Tensor, right: Tensor, across: Tensor, side: int) -> Tensor:
    """Squares around ``middle`` (N, 2) as long as ``across`` (N, 2), which ``right`` becomes horizontal in."""
    with torch.autocast(x.device.type, enabled=False):  # places are more exact than bfloat16
        size = x.new_tensor([x.shape[-1], x.shape[-2]])
        # affine_grid has sides of 2
        matrix = torch.stack([right.to(x), _down(across).to(x), 2 * middle.to(x) - size], 2) / size[:, None]
        grid = F.affine_grid(matrix, [len(x), x.shape[1], side, side], align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
