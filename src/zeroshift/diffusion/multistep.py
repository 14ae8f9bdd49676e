"""DPM-Solver++ (2M): the clean part is extrapolated from the step before (Lu et al. 2022, arXiv:2211.01095, Alg. 2).

Between two levels DDIM takes the clean part for constant, which is the first-order case. Here it is a line in
lambda = log(alpha / sigma), and its value in the middle of the step is taken. Inversion is the same with levels rising.
"""

from math import inf, log

from torch import Tensor

from zeroshift.diffusion.schedule import Level


class Multistep:
    """The solver on one way up or down: it remembers one step."""

    def __init__(self) -> None:
        self._before: tuple[Tensor, float] | None = None
        """the last step's clean part, and how much the step raised lambda"""

    def __call__(self, x: Tensor, x0: Tensor, eps: Tensor, left: Level, reached: Level) -> tuple[Tensor, Tensor]:
        """Clean part in the middle of the step from ``left`` to ``reached``, and the noise that is then left of ``x``.

        ``x0`` and ``eps`` are what ``x`` at ``left`` was split into. First-order are the first step and those from or
        to a level that is wholly clean or wholly noise, where lambda is infinite; as in diffusers.
        """
        width = rise(left, reached)
        before, self._before = self._before, (x0, width)
        if before is None or width == inf:
            return x0, eps
        between = x0 + width / (2 * before[1]) * (x0 - before[0])
        return between, (x - left.alpha * between) / left.sigma


def rise(left: Level, reached: Level) -> float:
    """How much lambda rises from ``left`` to ``reached``; infinite where one is wholly clean or wholly noise."""
    if not all((left.alpha, left.sigma, reached.alpha, reached.sigma)):
        return inf
    return log(reached.alpha / reached.sigma) - log(left.alpha / left.sigma)
