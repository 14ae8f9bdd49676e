"""Learning what a sampling step is told, so that it reaches a given latent: every picture on its own.

Null-text inversion (Mokady et al., arXiv:2211.09794, Alg. 1) and StyleDiffusion (Li et al., arXiv:2303.15649) share
the learning rate, the early stop and the way from one step to the next; MirrorDiffusion's redescription (Lin et al.,
arXiv:2401.03221) has its own, and the same loop.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import sqrt
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from zeroshift.diffusion.schedule import Schedule, join

Params: TypeAlias = tuple[Tensor, ...]
"""what is learned: tensors whose first axis counts pictures"""
Losses: TypeAlias = Callable[[Params, Tensor], Tensor]
"""losses (n,) of the pictures with the given indices (n,), from their parameters"""
LONGEST = 100
"""sampling steps after which the learning rate is 0"""
SCALE = 2.0**14
"""what losses are multiplied by on the way back: half precision would lose small gradients, and a power of two changes
no bit in any other"""


def learning_rate(first: float, i: int) -> float:
    """The learning rate of sampling step ``i``: ``first`` at step 0, falling to 0 at step 100."""
    return first * (1 - i / LONGEST)


def enough(first: float, i: int) -> float:
    """The loss below which step ``i`` is done: 1e-5 + 2e-5 i for ``first`` = 1e-5."""
    return first * (1 + 2 * i)


def check_length(steps: int) -> None:
    """Refuse more sampling steps than the learning rate lasts for.

    Raises:
        ValueError: there are more than 100.
    """
    if steps > LONGEST:
        raise ValueError(
            f"The learning rate of this inversion falls to 0 at step {LONGEST}, so it cannot do {steps} steps; "
            f"take at most {LONGEST}, or direct inversion."
        )


@dataclass(frozen=True, eq=False)
class Aim:
    """One sampling step of which one of guidance's two predictions is learned."""

    schedule: Schedule
    i: int
    x: Tensor
    """the latent before the step, (B, C, h, w)"""
    wanted: Tensor
    """the latent that the step shall reach"""
    weight: float
    """guidance's weight of the learned prediction"""
    fixed: Tensor | None
    """the other prediction, whose weight is the rest; None where it has none"""

    @property
    def timestep(self) -> float:
        return self.schedule.timesteps[self.i]

    def reached(self, out: Tensor, rows: Tensor | slice = slice(None)) -> tuple[Tensor, Tensor]:
        """(clean part, next latent) of the pictures ``rows`` from the learned prediction ``out``."""
        guided = self.weight * out if self.fixed is None else self.weight * out + (1 - self.weight) * self.fixed[rows]
        x0, eps = self.schedule.split(self.x[rows], guided, self.schedule.level(self.i))
        return x0, join(x0, eps, self.schedule.reached(self.i))


def per_picture(x: Tensor) -> Tensor:
    """The mean over all axes but the first, (n,)."""
    return x.flatten(1).mean(1)


class Descent(Protocol):
    """A way down a gradient."""

    def step(self, params: Params, gradients: Params, rows: Tensor) -> Params:
        """The parameters of the pictures ``rows`` after one step; those left have taken all before it."""


def minimise(
    start: Params,
    losses: Losses,
    descent: Descent,
    *,
    steps: int,
    stop: float,
    early: bool = False,
    limit: float | None = None,
    passes: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> tuple[Params, Tensor]:
    """Take at most ``steps`` steps of ``descent`` on every picture's own parameters.

    A picture is done after the step at which its loss was below ``stop``, with ``early`` before that step; it is
    computed no more. With ``limit`` parameters are put back into [-limit, limit] after every step. Every pass and its
    gradient are taken inside ``passes``. Returns the parameters and the indices of the pictures that are not done.
    """
    found = tuple(p.clone() for p in start)
    left = torch.arange(len(start[0]), device=start[0].device)

    def descended(left: Tensor) -> Tensor:
        """Take one step for the pictures ``left``; return those that are not done. A pass leaves nothing behind."""
        leaves = tuple(p[left].requires_grad_() for p in found)
        with passes():
            with torch.enable_grad():
                loss = losses(leaves, left)
            going = going_on(loss.detach(), stop)
            moving = going if early else torch.arange(len(left), device=left.device)
            gradients = torch.autograd.grad(loss, leaves, torch.full_like(loss, SCALE)) if len(moving) else ()
        if len(moving):
            old, slopes = tuple(p.detach()[moving] for p in leaves), tuple(g[moving] / SCALE for g in gradients)
            for whole, new in zip(found, descent.step(old, slopes, left[moving]), strict=True):
                whole[left[moving]] = new if limit is None else new.clamp(-limit, limit)
        return left[going]

    for _ in range(steps):
        left = descended(left)
        if not len(left):
            break
    return found, left


def going_on(losses: Tensor, stop: float) -> Tensor:
    """The indices of losses (n,) that have not come below ``stop``; one without a value never has."""
    if losses.is_meta:
        return torch.arange(len(losses), device=losses.device)
    return (~(losses < stop)).nonzero()[:, 0]


class Adam:
    """Adam (Kingma and Ba 2015, Alg. 1) with torch's defaults, for pictures of which some stop early."""

    def __init__(self, params: Params, rate: float) -> None:
        self.first = tuple(torch.zeros_like(p) for p in params)
        self.second = tuple(torch.zeros_like(p) for p in params)
        self.rate, self.count = rate, 0

    def step(self, params: Params, gradients: Params, rows: Tensor) -> Params:
        self.count += 1
        moved = []
        for p, g, first, second in zip(params, gradients, self.first, self.second, strict=True):
            first[rows] = torch.lerp(first[rows], g, 0.1)
            second[rows] = 0.999 * second[rows] + 0.001 * g.square()
            root = second[rows].sqrt() / sqrt(1 - 0.999**self.count) + 1e-8
            moved.append(p - self.rate / (1 - 0.9**self.count) * first[rows] / root)
        return tuple(moved)


@dataclass(frozen=True)
class Gradient:
    """Plain gradient steps."""

    size: float

    def step(self, params: Params, gradients: Params, rows: Tensor) -> Params:
        return tuple(p - self.size * g for p, g in zip(params, gradients, strict=True))
