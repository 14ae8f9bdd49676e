"""A second-order solver: the same result in fewer steps (Lu et al., DPM-Solver++, arXiv:2211.01095, Alg. 2)."""

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Literal, final

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, MethodParts, StepContext
from zeroshift.diffusion.multistep import Multistep


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class SecondOrder(ControlOptions):
    """Each step extrapolates the clean part from the step before (2M), so that fewer steps do; approximate."""

    kind: Literal["second-order"] = "second-order"
    """name of this extra"""

    def check(self, beside: MethodParts) -> None:
        if beside.inversion.multistep:
            raise ValueError(
                "On the multistep grid every step is of second order already; leave `extras` second-order out."
            )

    def bind(self, run: EditContext) -> Control:
        return Extrapolation()


@plain_dataclass(frozen=True, eq=False)
class Extrapolation(Control):
    """The solver in one run."""

    solver: Multistep = field(default_factory=Multistep)

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        """The clean part extrapolated to the middle of the step, and the noise that is then left of ``x``."""
        return self.solver(x, x0, eps, here.level, here.schedule.reached(here.i))
