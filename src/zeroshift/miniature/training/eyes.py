"""Eyes and faces cut out of pictures: what people look at first, and what a small model draws worst.

A verdict on these parts alone, beside that on all of a picture, is GFP-GAN's facial component loss (Wang et al. 2021,
arXiv:2101.04061, section 3.3).
"""

from dataclasses import dataclass
from typing import Protocol, final

import torch
import torch.nn.functional as F
from torch import Tensor

EYE, FACE = 48, 64
"""sides in pixels that eyes and faces are brought to"""
EYE_SHARE, FACE_SHARE, BELOW = 0.8, 2.2, 0.45
"""sides of what is cut out, and how far beneath the eyes' middle that of a face is, in distances between the eyes"""
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


class Cut(Protocol):
    """``cut_eyes`` or ``cut_faces``."""

    def __call__(self, x: Tensor, at: Tensor, padding: str = "border") -> Tensor:
        """What is cut out of pictures (N, C, H, W), once or twice of each."""
        ...


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


def whole_in(eyes: Eyes, side: int, cut: Cut) -> Tensor:
    """Whether what is cut out lies in pictures of this side, bool (N,): a border that goes on would give it away."""
    inside = cut(torch.ones(len(eyes.at), 1, side, side), eyes.at, padding="zeros")
    found: Tensor = inside.unflatten(0, (-1, len(eyes.at))).amin((0, 2, 3, 4)) > 0.99
    return eyes.seen & found


def cut_eyes(x: Tensor, at: Tensor, padding: str = "border") -> Tensor:
    """The eyes (2 N, 3, EYE, EYE) of pictures (N, 3, H, W), upright, those on the right mirrored.

    ``at`` (N, 2, 2) is as in ``Eyes``; outside of a picture its border goes on, or there is what ``padding`` says.
    """
    across = at[:, 1] - at[:, 0]
    both = [_cut(x, at[:, n], across, EYE_SHARE, EYE, padding, mirrored=n == 1) for n in (0, 1)]
    return torch.cat(both)


def cut_faces(x: Tensor, at: Tensor, padding: str = "border") -> Tensor:
    """The faces (N, 3, FACE, FACE) around the same places, upright."""
    across = at[:, 1] - at[:, 0]
    down = torch.stack([-across[:, 1], across[:, 0]], 1)
    return _cut(x, at.mean(1) + BELOW * down, across, FACE_SHARE, FACE, padding)


def _cut(
    x: Tensor, middle: Tensor, across: Tensor, share: float, side: int, padding: str, mirrored: bool = False
) -> Tensor:
    """Squares of ``share`` of the length of ``across`` (N, 2), which becomes horizontal, around ``middle`` (N, 2)."""
    with torch.autocast(x.device.type, enabled=False):  # places are more exact than bfloat16
        size = x.new_tensor([x.shape[-1], x.shape[-2]])
        half = share * across.to(x)  # of a side of 2, as affine_grid has it
        down = torch.stack([-half[:, 1], half[:, 0]], 1)
        matrix = torch.stack([-half if mirrored else half, down, 2 * middle.to(x) - size], 2) / size[:, None]
        grid = F.affine_grid(matrix, [len(x), x.shape[1], side, side], align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode=padding, align_corners=False)
