"""Regularisation of predicted noise towards white noise (pix2pix-zero, section 3.1, Eq. 3 and 4), in closed form."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

Regulariser = Callable[[Tensor], Tensor]


def regularise(eps: Tensor, rolls: Tensor, lambda_ac: float, lambda_kl: float) -> Tensor:
    """Take alternating gradient steps on the autocorrelation and KL losses of each picture of ``eps`` (B, C, H, W).

    ``rolls`` is (outer, inner, levels, B, C): the offset of every pooling level, picture and channel at each of the
    ``inner`` autocorrelation steps that precede one KL step, ``outer`` times.
    """
    moves = moves_of(rolls.movedim(2, 0), eps) if lambda_ac else []
    for outer, offsets in enumerate(rolls):
        if lambda_ac:
            for inner in range(len(offsets)):
                now = [tuple(index[outer, inner] for index in level) for level in moves]
                eps = eps - lambda_ac / len(offsets) * _autocorrelation_gradient(eps, now)
        if lambda_kl:
            eps = eps - lambda_kl * kl_gradient(eps)
    return eps


def pooling_levels(height: int) -> list[int]:
    """The heights that the autocorrelation loss looks at: halved until one is at most 8."""
    levels = [height]
    while levels[-1] > 8:
        levels.append(levels[-1] // 2)
    return levels


def draw_rolls(outer: int, inner: int, height: int, channels: int, drawn_by: Sequence[torch.Generator]) -> Tensor:
    """Draw every picture's offsets, from 1 to half the level's height (exclusive): (outer, inner, levels, B, C).

    Offset 0 is left out, as in pix2pix-zero's current code: it would penalise the variance, not the correlation.
    """

    def of(generator: torch.Generator) -> Tensor:
        highest = (max(size // 2, 2) for size in pooling_levels(height))
        return torch.stack(
            [torch.randint(1, high, (outer, inner, channels), generator=generator) for high in highest], 2
        )

    return torch.stack([of(generator) for generator in drawn_by], 3)


def autocorrelation_loss(eps: Tensor, offset: Tensor) -> Tensor:
    """Per picture (B,) the squared mean products with the rolled copy, over levels, channels and both axes."""
    total = eps.new_zeros(len(eps))
    for k, size in enumerate(pooling_levels(eps.shape[2])):
        eps = eps if size == eps.shape[2] else F.avg_pool2d(eps, 2)
        for axis in (2, 3):
            total = total + (eps * rolled(eps, offset[k], axis)).mean((2, 3)).square().sum(1)
    return total


def autocorrelation_gradient(eps: Tensor, offset: Tensor) -> Tensor:
    """The gradient of ``autocorrelation_loss``, (B, C, H, W), without a graph.

    Per level and axis it is ``2 mu (roll(n, r) + roll(n, -r)) / N`` with mu = mean(n roll(n, r)); pooling is undone
    by spreading the coarser level's gradient evenly.
    """
    return _autocorrelation_gradient(eps, moves_of(offset, eps))


Moves: TypeAlias = Sequence[tuple[Tensor, ...]]
"""for every level what ``gather`` takes to roll each channel down and up, right and left by its offset"""


def moves_of(offsets: Tensor, eps: Tensor) -> Moves:
    """All that ``offsets`` (levels, ..., C) say, in one copy to the device of ``eps``: they are drawn on the CPU."""
    placed, (height, width) = offsets.to(eps.device), eps.shape[2:]
    ways = [(axis, side, sign) for axis, side in ((2, height), (3, width)) for sign in (1, -1)]
    levels = range(len(pooling_levels(height)))
    return [tuple(_index(sign * placed[k], side >> k, axis, eps) for axis, side, sign in ways) for k in levels]


def _index(offset: Tensor, size: int, axis: int, eps: Tensor) -> Tensor:
    """Which cell along ``axis`` comes to each of ``size`` places: (..., C, size, 1), or (..., C, 1, size)."""
    places = torch.arange(size, device=eps.device) - offset[..., None]
    return places.remainder(size).unsqueeze(-1 if axis == 2 else -2)


def _autocorrelation_gradient(eps: Tensor, moves: Moves) -> Tensor:
    levels = [eps]
    for _ in pooling_levels(eps.shape[2])[1:]:
        levels.append(F.avg_pool2d(levels[-1], 2))
    gradient = torch.zeros_like(levels[-1])
    for n, (down, up, right, left) in zip(reversed(levels), reversed(moves), strict=True):
        if gradient.shape != n.shape:
            gradient = _spread(gradient, n)
        for axis, there, back in ((2, down, up), (3, right, left)):
            forward = n.gather(axis, there.expand(n.shape))
            mu = (n * forward).mean((2, 3), keepdim=True)
            gradient = gradient + 2 / n[0, 0].numel() * mu * (forward + n.gather(axis, back.expand(n.shape)))
    return gradient


def rolled(x: Tensor, offset: Tensor, axis: int) -> Tensor:
    """Roll each channel of ``x`` (B, C, H, W) by its own ``offset``, (C,) or (B, C), along ``axis``."""
    return x.gather(axis, _index(offset.to(x.device), x.shape[axis], axis, x).expand(x.shape))


def kl_loss(eps: Tensor) -> Tensor:
    """Per picture (B,) the divergence from a standard normal, over all values together."""
    flat = eps.flatten(1)
    variance, mean = flat.var(1), flat.mean(1)
    return variance + mean.square() - 1 - (variance + 1e-7).log()


def kl_gradient(eps: Tensor) -> Tensor:
    """The gradient of ``kl_loss``, (B, C, H, W)."""
    count = eps[0].numel()
    flat = eps.flatten(1)
    variance, mean = (s.view(-1, 1, 1, 1) for s in (flat.var(1), flat.mean(1)))
    return 2 / (count - 1) * (1 - 1 / (variance + 1e-7)) * (eps - mean) + 2 / count * mean


def _spread(coarse: Tensor, fine: Tensor) -> Tensor:
    spread = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3) / 4
    # pooling drops the last row or column of an odd side, so no gradient reaches it
    return F.pad(spread, (0, fine.shape[3] - spread.shape[3], 0, fine.shape[2] - spread.shape[2]))
