"""Random changes of picture batches that keep their class, in plain torch, and mixtures of two pictures and targets.

Ranges are stated as (low, high); every picture of a batch draws its own values from torch's global generator.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.miniature.renderings import GREY


def augmented(pictures: Tensor, size: int, strength: Tensor | None = None) -> Tensor:
    """Turn uint8 pictures (N, 3, S, S) into strongly changed ones (N, 3, size, size) in about [-1, 1].

    ``strength`` (N,) says how strongly each one's colours are changed, 0 to 1; None is 1.
    """
    x = cropped(pictures.float() / 127.5 - 1, size)
    return erased(roughened(recoloured(x, torch.ones(len(x), device=x.device) if strength is None else strength)))


def cropped(
    x: Tensor, size: int, area: tuple[float, float] = (0.35, 1.0), stretch: float = 0.15, degrees: float = 15.0
) -> Tensor:
    """Random crops, turned, stretched and mirrored; ``area`` is the share of the picture that a crop shows.

    ``stretch`` bounds the logarithm of the side ratio's root.
    """
    n, device = len(x), x.device
    side = uniform(n, area, device).sqrt()
    ratio = uniform(n, (-stretch, stretch), device).exp()
    width, height = (side * ratio).clamp(max=1.0), (side / ratio).clamp(max=1.0)
    mirror = torch.randint(0, 2, (n,), device=device) * 2 - 1
    angle = uniform(n, (-degrees, degrees), device) * math.pi / 180
    centre = torch.stack([uniform(n, (-1, 1), device) * (1 - width), uniform(n, (-1, 1), device) * (1 - height)], 1)
    turn = torch.stack([width * mirror * angle.cos(), -height * angle.sin()], 1)
    lean = torch.stack([width * mirror * angle.sin(), height * angle.cos()], 1)
    matrix = torch.cat([torch.stack([turn, lean], 1), centre[:, :, None]], 2)  # (N, 2, 3)
    grid = F.affine_grid(matrix, [n, 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def recoloured(x: Tensor, strength: Tensor) -> Tensor:
    """The pictures with other brightness, contrast, saturation and tint; a tenth of them grey.

    ``strength`` (N,) scales every change: at 0 there is none, at 1 a coat's colour can no longer be told.
    """
    n, device = len(x), x.device
    grey = (x * torch.tensor(GREY, device=device)[:, None, None]).sum(1, keepdim=True)
    saturation = uniform(n, (0.4, 1.6), device) * (torch.rand(n, device=device) > 0.1)
    x = grey + (x - grey) * (1 + strength * (saturation - 1))[:, None, None, None]
    tint = uniform(n, (0.65, 1.4), device)[:, None] * (1 + 0.12 * torch.randn(n, 3, device=device))
    shift = uniform(n, (-0.35, 0.35), device)[:, None] + 0.04 * torch.randn(n, 3, device=device)
    tint, shift = 1 + strength[:, None] * (tint - 1), strength[:, None] * shift
    return (x * tint[:, :, None, None] + shift[:, :, None, None]).clamp(-1, 1)


def roughened(x: Tensor, share: float = 0.25) -> Tensor:
    """Blur a ``share`` of the pictures by a smaller size and back, and add noise to another."""
    size, count = x.shape[-1], round(share * len(x))
    order = torch.randperm(len(x), device=x.device)
    soft, noisy = order[:count], order[count : 2 * count]
    small = int(torch.randint(round(0.4 * size), round(0.85 * size), ()))
    x = x.clone()
    less = F.interpolate(x[soft], (small, small), mode="bilinear", antialias=True)
    x[soft] = F.interpolate(less, (size, size), mode="bilinear")
    level = uniform(count, (0.0, 0.15), x.device)[:, None, None, None]
    x[noisy] += level * torch.randn_like(x[noisy])
    return x


def erased(x: Tensor, share: float = 0.25) -> Tensor:
    """Replace a random rectangle of a ``share`` of the pictures by one random colour."""
    n, _, height, width = x.shape
    boxes = rectangles(uniform(n, (0.04, 0.15), x.device), height, width)
    chosen = boxes & (torch.rand(n, 1, 1, 1, device=x.device) < share)
    return torch.where(chosen, uniform(n * 3, (-1, 1), x.device).view(n, 3, 1, 1), x)


def mixed(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mix a batch with its shuffle: in a third of the calls by mixup, in a third by cutmix, else not at all.

    ``target`` (N, K) holds whatever is linear in the pictures, such as probabilities. (Zhang et al. 2018; Yun et al.
    2019)
    """
    kind = int(torch.randint(0, 3, ()))
    if kind == 0:
        return x, target
    order = torch.randperm(len(x), device=x.device)
    kept = 1 - uniform(len(x), (0.0, 0.5), x.device)
    if kind == 1:
        weight = kept[:, None, None, None]
        return x * weight + x[order] * (1 - weight), torch.lerp(target[order], target, kept[:, None])
    boxes = rectangles(1 - kept, *x.shape[-2:])
    share = 1 - boxes.float().mean((1, 2, 3))
    return torch.where(boxes, x[order], x), torch.lerp(target[order], target, share[:, None])


def rectangles(area: Tensor, height: int, width: int) -> Tensor:
    """Bool masks (N, 1, height, width), each true in one random rectangle of about ``area`` (N,) of it."""
    n, device = len(area), area.device
    stretch = uniform(n, (-0.5, 0.5), device).exp()
    tall, wide = (area.sqrt() * stretch).clamp(max=1), (area.sqrt() / stretch).clamp(max=1)
    rows = _inside(tall, torch.rand(n, device=device), height)
    columns = _inside(wide, torch.rand(n, device=device), width)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def uniform(count: int, limits: tuple[float, float], device: torch.device) -> Tensor:
    """``count`` numbers between the limits."""
    low, high = limits
    return low + (high - low) * torch.rand(count, device=device)


def _inside(length: Tensor, place: Tensor, size: int) -> Tensor:
    start = place * (1 - length)
    points = (torch.arange(size, device=length.device) + 0.5) / size
    return (points >= start[:, None]) & (points < (start + length)[:, None])
