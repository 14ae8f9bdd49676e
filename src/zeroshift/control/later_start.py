"""A target branch that stays at the photograph for its first steps, as a weaker SDEdit begins at less noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zeroshift.control.base import Control, Rows, StepContext
from zeroshift.control.mask_blend import photograph_after


@dataclass(frozen=True, eq=False)
class LaterStart(Control):
    """A control of one run, which no option turns on: a strength below 1 of an edit of fresh noise does."""

    begins: int
    """the first step that is taken; before it the network is not asked"""
    x0: Tensor
    """the encoded photograph, (B, C, h, w)"""

    def correct(self, x: Tensor, here: StepContext) -> Rows:
        return Rows((x,)) if here.i >= self.begins else Rows((x,), torch.zeros_like(x))

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        if here.i >= self.begins:
            return x0, eps
        return self.x0, (x - here.level.alpha * self.x0) / here.level.sigma  # a solver remembers the photograph

    def blend(self, x: Tensor, here: StepContext) -> Tensor:
        return x if here.i >= self.begins else photograph_after(here.trajectory, self.x0, here.i)
