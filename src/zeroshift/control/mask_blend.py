"""Outside of a mask, the latents are the photograph's at every step (Couairon et al. 2022, DiffEdit, step 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zeroshift.control.base import Control, StepContext
from zeroshift.diffusion.schedule import join
from zeroshift.diffusion.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class MaskBlend(Control):
    """A control of one run, which no option turns on: a mask does."""

    mask: Tensor
    """where the target stays, (B, 1, h, w), bool"""
    x0: Tensor
    """the encoded photograph, (B, C, h, w)"""

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        return torch.where(self.mask, x, photograph_after(here.trajectory, self.x0, here.i))


def photograph_after(trajectory: Trajectory, x0: Tensor, i: int) -> Tensor:
    """The photograph's latent at the level that step ``i`` reaches.

    That is the inverted latent where the inversion kept all of them; else the clean latent under the noise that
    sampling starts with.
    """
    if len(trajectory.latents) == len(trajectory.steps) + 1:
        return trajectory.at(i + 1)
    begun = trajectory.schedule.level(trajectory.first)
    eps = (trajectory.start - begun.alpha * x0) / begun.sigma
    return join(x0, eps, trajectory.schedule.reached(i))
