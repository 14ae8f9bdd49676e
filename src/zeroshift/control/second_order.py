"""A second-order solver: the same result in fewer steps (Lu et al., DPM-Solver++, arXiv:2211.01095, Alg. 2)."""

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from math import inf, log
from typing import Literal, final

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, StepContext
from zeroshift.diffusion.schedule import Schedule


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class SecondOrder(ControlOptions):
    """Each step extrapolates the clean part from the step before (2M), so that fewer steps do; approximate."""

    kind: Literal["second-order"] = "second-order"
    """name of this extra"""

    def bind(self, run: EditContext) -> Control:
        return Extrapolation()


@plain_dataclass(frozen=True, eq=False)
class Extrapolation(Control):
    """The solver in one run."""

    before: list[Tensor] = field(default_factory=list)
    """the clean part that the step before this one predicted"""

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        """The clean part extrapolated to the middle of the step, and the noise that is then left of ``x``."""
        previous, self.before[:] = list(self.before), [x0]
        if not previous:
            return x0, eps
        width = interval(here.schedule, here.i)
        if width == inf:  # the last step to a wholly clean latent is first-order, as in diffusers
            return x0, eps
        share = width / (2 * interval(here.schedule, here.i - 1))
        between = x0 + share * (x0 - previous[0])
        return between, (x - here.level.alpha * between) / here.level.sigma


def interval(schedule: Schedule, i: int) -> float:
    """How much step ``i`` raises log(alpha / sigma); infinite from pure noise and to the clean latent."""
    left, reached = schedule.level(i), schedule.reached(i)
    if not left.alpha or not reached.sigma:
        return inf
    return log(reached.alpha / reached.sigma) - log(left.alpha / left.sigma)
