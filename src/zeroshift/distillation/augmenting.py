"""Random changes of examples that a photograph and its edit share (as pix2pix-zero's distillation was trained).

Brightness, contrast, saturation, hue, noise and random crops are what the paper names; how strong it does not say.
"""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.distillation.examples import Batch

CROP = 0.8
"""smallest side of a crop, as a share of the picture's"""
COLOUR, HUE, NOISE = 0.2, 0.05, 0.02
"""largest change of brightness, contrast and saturation; of hue in turns; standard deviation of noise at most"""
GREY = (0.299, 0.587, 0.114)


def augmented(batch: Batch) -> Batch:
    """Cropped, mirrored and recoloured alike; noise lies on the photographs alone."""
    x, edits, masks = cropped([batch.photographs, batch.edits, batch.masks])
    change, shift = colours(len(x), x.device)
    x, edits = (recoloured(one, change, shift) for one in (x, edits))
    noise = NOISE * torch.rand(len(x), 1, 1, 1, device=x.device) * torch.randn_like(x)
    return replace(batch, photographs=(x + noise).clamp(-1, 1), edits=edits, masks=masks)


def cropped(stacks: list[Tensor]) -> list[Tensor]:
    """The same part of every picture of stacks (B, C, S, S), half of them mirrored, at the old size."""
    count, device = len(stacks[0]), stacks[0].device
    side = CROP + (1 - CROP) * torch.rand(count, device=device)
    mirror = torch.randint(0, 2, (count,), device=device) * 2.0 - 1
    centre = (torch.rand(count, 2, device=device) * 2 - 1) * (1 - side)[:, None]
    zero = torch.zeros_like(side)
    rows = [torch.stack([side * mirror, zero, centre[:, 0]], 1), torch.stack([zero, side, centre[:, 1]], 1)]
    matrix = torch.stack(rows, 1)
    return [
        F.grid_sample(one, F.affine_grid(matrix, list(one.shape), align_corners=False), align_corners=False)
        for one in stacks
    ]


def colours(count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """A change of colours for each of ``count`` pictures, as matrices (B, 3, 3) and shifts (B, 3, 1)."""
    brightness, contrast, saturation = ((torch.rand(3, count, device=device) * 2 - 1) * COLOUR + 1)[:, :, None, None]
    grey = torch.tensor(GREY, device=device).expand(3, 3)
    one = torch.eye(3, device=device)
    matrix = turned((torch.rand(count, device=device) * 2 - 1) * HUE * 2 * math.pi) @ (
        saturation * one + (1 - saturation) * grey
    )
    return contrast * matrix, (brightness - 1)[:, :, 0].expand(count, 3)[:, :, None]


def turned(angle: Tensor) -> Tensor:
    """Turns of hue (B, 3, 3): rotations of RGB about its grey axis (Rodrigues)."""
    axis = torch.full((3, 3), 1 / 3, device=angle.device)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=angle.device) / math.sqrt(3)
    cosine, sine = angle.cos()[:, None, None], angle.sin()[:, None, None]
    found: Tensor = cosine * torch.eye(3, device=angle.device) + (1 - cosine) * axis + sine * cross
    return found


def recoloured(x: Tensor, change: Tensor, shift: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) with every pixel's colour changed."""
    found: Tensor = (change @ x.flatten(2) + shift).unflatten(2, x.shape[2:]).clamp(-1, 1)
    return found
