"""DDIM inversion: sampling backwards (Song et al. 2021, section 4.3; Dhariwal and Nichol 2021, appendix F)."""

from collections.abc import Iterator
from math import sqrt
from typing import Literal, final

import torch
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.backbones.base import Backbone
from zeroshift.embedding import Embedding
from zeroshift.inversion.noise import Regulariser
from zeroshift.schedule import Schedule, join, random_start
from zeroshift.trajectory import Trajectory

Grid = Literal["aligned", "official"]


def check_grid(grid: Grid, steps: int) -> None:
    """Refuse a number of steps that leaves nothing to walk.

    Raises:
        ValueError: there are too few.
    """
    if grid == "official" and steps < 3:
        raise ValueError(
            f"The official grid drops the first and the last step, so it needs at least 3 steps, not {steps}; "
            "take more steps, or the aligned grid."
        )


def transitions(schedule: Schedule, grid: Grid) -> list[tuple[int, float, float]]:
    """Return (timestep asked, level left, level reached) of every inversion step, cleanest first.

    ``aligned`` visits the sampler's own levels and asks the network at the level reached, as diffusers'
    DDIMInverseScheduler does: T calls. ``official`` is pix2pix-zero's script: the first and last timesteps are
    dropped, levels are one index off, and the network is asked at the level the latent is at: T - 2 calls.

    Raises:
        ValueError: the official grid has fewer than 3 steps.
    """
    check_grid(grid, schedule.steps)
    ascending, stride = schedule.timesteps[::-1], schedule.stride
    if grid == "aligned":
        return [(t, schedule.alpha_bar(t - stride), schedule.alpha_bar(t)) for t in ascending]
    return [(t, schedule.alpha_bar(t - 1), schedule.alpha_bar(t - 1 + stride)) for t in ascending[1:-1]]


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class DDIMInversion:
    """Plain DDIM inversion under the source prompt, guidance scale 1."""

    kind: Literal["ddim"] = "ddim"
    """name of this inversion"""
    grid: Grid = "aligned"
    """noise levels of the inversion: the sampler's own, or those of pix2pix-zero's script (T - 2 steps)"""

    def check(self, steps: int) -> None:
        check_grid(self.grid, steps)

    def steps(self, backbone: Backbone, x0: Tensor, source: Embedding, steps: int, seed: int) -> Iterator[Tensor]:
        return invert(backbone, x0, source, backbone.schedule(steps), self.grid, None)

    def trajectory(self, backbone: Backbone, latents: list[Tensor], steps: int) -> Trajectory:
        return Trajectory(backbone.schedule(steps), tuple(reversed(latents)))


@torch.no_grad()
def invert(
    backbone: Backbone, x0: Tensor, source: Embedding, schedule: Schedule, grid: Grid, regulariser: Regulariser | None
) -> Iterator[Tensor]:
    """Yield the latent after each inversion step; ``regulariser`` reshapes the predicted noise of every step."""
    x = x0
    for timestep, left, reached in transitions(schedule, grid):
        out = backbone.predict(x, timestep, source.tokens)
        clean, eps = schedule.split(x, out, left)
        if regulariser is not None:
            eps = regulariser(eps)
            clean = (x - sqrt(1 - left) * eps) / sqrt(left)
        x = join(clean, eps, reached)
        yield x


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class NoisedStart:
    """No inversion: the picture under fresh noise at the noisiest level (pix2pix-zero's ablation A)."""

    kind: Literal["noised"] = "noised"
    """name of this start"""

    def check(self, steps: int) -> None:
        """Accept every number."""

    def steps(self, backbone: Backbone, x0: Tensor, source: Embedding, steps: int, seed: int) -> Iterator[Tensor]:
        noise = random_start(tuple(x0.shape), seed).to(x0)
        yield join(x0, noise, backbone.schedule(steps).level(0))

    def trajectory(self, backbone: Backbone, latents: list[Tensor], steps: int) -> Trajectory:
        return Trajectory(backbone.schedule(steps), (latents[-1],))
