"""Noise levels: how a latent splits into clean part and noise, and how it moves between levels (DDIM, eta = 0).

At level ``i`` a latent is ``x = alpha_i * x0 + sigma_i * eps``. Level 0 is the noisiest of the grid, level ``steps``
the cleanest. Step ``i`` asks the network at ``timesteps[i]`` and goes from level ``i`` to ``reached(i)``, which is
level ``i + 1`` on every evenly spaced grid; inversion is the same move with the levels swapped.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Literal, TypeAlias

from torch import Tensor

Prediction = Literal["epsilon", "v_prediction", "flow_prediction"]


@dataclass(frozen=True)
class Level:
    """The shares of clean part and noise in a latent, ``x = alpha * x0 + sigma * eps``."""

    alpha: float
    """0 is pure noise"""
    sigma: float
    """0 is the clean latent; alpha^2 + sigma^2 is 1 in variance-preserving models, alpha + sigma in flow models"""


Levels: TypeAlias = Callable[[float], Level]
"""a training schedule: the level of a timestep, whole or not; below 0 lies the clean end"""


@dataclass(frozen=True, eq=False)
class VariancePreserving:
    """The levels of a training schedule with alpha^2 + sigma^2 = 1 (DDPM, Ho et al. 2020)."""

    alphas_cumprod: Tensor
    """alpha^2 of every training timestep, float64 (train_steps,)"""
    final_alpha_cumprod: float
    """alpha^2 of the cleanest level, which lies before the first timestep"""

    def __call__(self, timestep: float) -> Level:
        alpha_bar = float(self.alphas_cumprod[int(timestep)]) if timestep >= 0 else self.final_alpha_cumprod
        return Level(sqrt(alpha_bar), sqrt(1 - alpha_bar))


@dataclass(frozen=True, eq=False)
class Schedule:
    """A grid of noise levels over a checkpoint's training schedule."""

    timesteps: tuple[float, ...]
    """the timestep of each step, noisiest first, length T"""
    ends: tuple[float, ...]
    """the timestep at whose level each step ends, length T: mostly the next step's own"""
    levels: Levels
    train_steps: int
    """what timesteps run up to"""
    prediction: Prediction
    """what the network was trained to predict"""

    @property
    def steps(self) -> int:
        """Number of sampling steps T."""
        return len(self.timesteps)

    def level(self, i: int) -> Level:
        """Level ``i`` (0 to T)."""
        return self.levels(self.timesteps[i]) if i < self.steps else self.reached(i - 1)

    def reached(self, i: int) -> Level:
        """The level at which step ``i`` ends."""
        return self.levels(self.ends[i])

    def split(self, x: Tensor, out: Tensor, level: Level, told: Level | None = None) -> tuple[Tensor, Tensor]:
        """Split ``x`` at ``level`` into (x0, eps) by the network's output ``out`` (shapes as ``x``).

        ``told`` is the level that the network was asked at, where it is another one: a velocity mixes clean part and
        noise by that level's shares, v = alpha * eps - sigma * x0 (Salimans and Ho 2022, appendix D). A flow model's
        is v = eps - x0 at every level (Liu et al. 2022, rectified flow).
        """
        alpha, sigma = level.alpha, level.sigma
        if self.prediction == "epsilon":
            return (x - sigma * out) / alpha, out
        asked = Level(1.0, 1.0) if self.prediction == "flow_prediction" else told or level
        if asked == level:
            return alpha * x - sigma * out, alpha * out + sigma * x
        both = alpha * asked.alpha + sigma * asked.sigma
        return (asked.alpha * x - sigma * out) / both, (asked.sigma * x + alpha * out) / both

    def advance(self, x: Tensor, out: Tensor, i: int) -> Tensor:
        """Take step ``i`` from ``x`` (Song et al. 2021, DDIM, Eq. 12 with eta = 0)."""
        return join(*self.split(x, out, self.level(i)), self.reached(i))

    def kept(self, i: int) -> float:
        """Which share of the predicted noise step ``i`` of ancestral sampling keeps, 0 to 1.

        The rest of the variance is new: sigma * sqrt(1 - kept^2) is Eq. 16 of Song et al. (2021) with eta = 1, for
        levels of any kind.
        """
        left, reached = self.level(i), self.reached(i)
        return left.alpha * reached.sigma / (reached.alpha * left.sigma)

    def deviation(self, i: int) -> float:
        """The standard deviation of step ``i`` of ancestral sampling (Song et al. 2021, Eq. 16, eta = 1)."""
        return self.reached(i).sigma * sqrt(1 - self.kept(i) ** 2)

    def ancestral_mean(self, x0: Tensor, eps: Tensor, i: int) -> Tensor:
        """What step ``i`` of ancestral sampling adds noise to (Song et al. 2021, Eq. 12, eta = 1)."""
        reached = self.reached(i)
        return join(x0, eps, Level(reached.alpha, reached.sigma * self.kept(i)))

    def join_at(self, x0: Tensor, eps: Tensor, i: int) -> Tensor:
        """The latent at level ``i`` made of clean part ``x0`` and noise ``eps``."""
        return join(x0, eps, self.level(i))


def join(x0: Tensor, eps: Tensor, level: Level) -> Tensor:
    """The latent at ``level`` made of clean part ``x0`` and noise ``eps``."""
    return level.alpha * x0 + level.sigma * eps
