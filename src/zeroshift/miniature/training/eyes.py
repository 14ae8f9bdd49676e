"""Eyes cut out of pictures: what people look at first, and what a small model draws worst.

A verdict on these parts alone beside that on all of a picture is GFP-GAN's facial component loss (Wang et al. 2021,
arXiv:2101.04061, section 3.3).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

EYE, FACE = 48, 64
"""sides in pixels that eyes and faces are brought to"""
EYE_SHARE, FACE_SHARE, BELOW = 0.8, 2.2, 0.45
"""sides of what is cut out, and how far beneath the eyes' middle a face's is, in distances between the eyes"""


def eyes_of(x: Tensor, marks: Tensor) -> Tensor:
    """The eyes (2 N, 3, EYE, EYE) of pictures (N, 3, H, W), upright, those on the right mirrored.

    ``marks`` (N, 2, 2) are the places x, y of the left and the right eye in pixels; outside a picture its edge goes on.
    """
    across = marks[:, 1] - marks[:, 0]
    both = [_cut(x, marks[:, n], across, EYE_SHARE, EYE, mirrored=n == 1) for n in (0, 1)]
    return torch.cat(both)


def faces_of(x: Tensor, marks: Tensor) -> Tensor:
    """The faces (N, 3, FACE, FACE) around the same places."""
    across = marks[:, 1] - marks[:, 0]
    down = torch.stack([-across[:, 1], across[:, 0]], 1)
    return _cut(x, marks.mean(1) + BELOW * down, across, FACE_SHARE, FACE)


def _cut(x: Tensor, middle: Tensor, across: Tensor, share: float, side: int, mirrored: bool = False) -> Tensor:
    """Squares of ``share`` of the length of ``across`` (N, 2), which becomes horizontal, around ``middle`` (N, 2)."""
    size = x.new_tensor([x.shape[-1], x.shape[-2]])
    half = share * across  # in the coordinates of affine_grid a half of a side is 1 / size
    down = torch.stack([-half[:, 1], half[:, 0]], 1)
    columns = torch.stack([-half if mirrored else half, down, 2 * middle], 2)
    matrix = columns / size[:, None]
    matrix[:, :, 2] -= 1
    grid = F.affine_grid(matrix, [len(x), 3, side, side], align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
