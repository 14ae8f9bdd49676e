"""Moving a step's estimate down the gradient of a loss on it (Dhariwal and Nichol 2021, Alg. 2, for any loss)."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from zeroshift.control.base import StepContext
from zeroshift.diffusion.schedule import Level

Losses: TypeAlias = Callable[[Tensor], Tensor]
"""losses (B,) of clean latents (B, C, h, w), one per picture"""


SCALE = 1024.0
"""what losses are multiplied by on the way back: half precision would lose small gradients, and a power of two changes
no bit in any other"""


def gradient_of(losses: Tensor, at: Tensor) -> Tensor:
    """The gradient of the sum of ``losses`` (B,) at ``at`` (B, ...), a leaf of their graph."""
    (gradient,) = torch.autograd.grad((losses * SCALE).sum(), at)
    return gradient / SCALE


def cheap_gradient(losses: Losses, x0: Tensor, level: Level) -> Tensor:
    """DL/dx (B, C, h, w) with eps held constant: dL/dx0 / alpha, no pass back through the network."""
    with torch.enable_grad():
        at = x0.detach().requires_grad_()
        return gradient_of(losses(at), at) / level.alpha


def full_gradient(losses: Losses, x0: Tensor, x: Tensor) -> Tensor:
    """DL/dx (B, C, h, w) through the network, whose prediction from ``x`` is in ``x0``'s graph."""
    with torch.enable_grad():
        return gradient_of(losses(x0), x)


def normalised(gradient: Tensor) -> Tensor:
    """Each picture's gradient (B, C, h, w) at root mean square 1, as noise has it; one of zeros stays."""
    size = gradient.square().mean((1, 2, 3), keepdim=True).sqrt()
    return gradient / size.clamp_min(torch.finfo(gradient.dtype).tiny)


def steered(x0: Tensor, eps: Tensor, push: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
    """(x0, eps) with eps + sigma_t * push, and the clean part that goes with it.

    Both move from where they are, so that what an earlier control did to them stays.
    """
    alpha, sigma = here.level.alpha, here.level.sigma
    return x0 - sigma / alpha * sigma * push, eps + sigma * push
