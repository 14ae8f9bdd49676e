"""Noise levels: how a latent splits into clean part and noise, and how it moves between levels (DDIM, eta = 0).

At level ``i`` a latent is ``x = alpha_i * x0 + sigma_i * eps``. Level 0 is the noisiest of the grid, level ``steps``
the cleanest. Step ``i`` asks the network at ``timesteps[i]`` and goes from level ``i`` to ``i + 1``; inversion is the
same move with the levels swapped.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from torch import Tensor

Prediction = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class Schedule:
    """A grid of noise levels over a checkpoint's training schedule."""

    timesteps: tuple[int, ...]
    """the timestep of each step, noisiest first, length T"""
    alphas_cumprod: Tensor
    """the training schedule's cumulative products, float64 (train_steps,)"""
    final_alpha_cumprod: float
    """the product at the cleanest level, which lies before the first training step"""
    prediction: Prediction
    """what the network was trained to predict"""

    @property
    def steps(self) -> int:
        """Return the number of sampling steps T."""
        return len(self.timesteps)

    @property
    def stride(self) -> int:
        """Return the number of training steps between two levels."""
        return len(self.alphas_cumprod) // self.steps

    def alpha_bar(self, timestep: int) -> float:
        """Return the cumulative product at ``timestep``; below 0 the final one."""
        return float(self.alphas_cumprod[timestep]) if timestep >= 0 else self.final_alpha_cumprod

    def level(self, i: int) -> float:
        """Return the cumulative product of level ``i`` (0 to T)."""
        return self.alpha_bar(self.timesteps[i] if i < self.steps else self.timesteps[-1] - self.stride)

    def split(self, x: Tensor, out: Tensor, alpha_bar: float, told: float | None = None) -> tuple[Tensor, Tensor]:
        """Split ``x`` at the level ``alpha_bar`` into (x0, eps) by the network's output ``out`` (shapes as ``x``).

        ``told`` is the level that the network was asked at, where it is another one: a velocity mixes clean part and
        noise by that level's shares, v = alpha * eps - sigma * x0 (Salimans and Ho 2022, appendix D).
        """
        alpha, sigma = sqrt(alpha_bar), sqrt(1 - alpha_bar)
        if self.prediction == "epsilon":
            return (x - sigma * out) / alpha, out
        if told is None or told == alpha_bar:
            return alpha * x - sigma * out, alpha * out + sigma * x
        signal, noise = sqrt(told), sqrt(1 - told)
        both = alpha * signal + sigma * noise
        return (signal * x - sigma * out) / both, (noise * x + alpha * out) / both

    def advance(self, x: Tensor, out: Tensor, i: int) -> Tensor:
        """Move ``x`` from level ``i`` to level ``i + 1`` (Song et al. 2021, DDIM, Eq. 12 with eta = 0)."""
        x0, eps = self.split(x, out, self.level(i))
        return self.join_at(x0, eps, i + 1)

    def deviation(self, i: int) -> float:
        """Return the standard deviation of step ``i`` of ancestral sampling (Song et al. 2021, Eq. 16, eta = 1)."""
        left, reached = self.level(i), self.level(i + 1)
        return sqrt((1 - reached) / (1 - left) * (1 - left / reached))

    def ancestral_mean(self, x0: Tensor, eps: Tensor, i: int) -> Tensor:
        """Return what step ``i`` of ancestral sampling adds noise to (Song et al. 2021, Eq. 12, eta = 1)."""
        level, sigma = self.level(i + 1), self.deviation(i)
        return sqrt(level) * x0 + sqrt(1 - level - sigma**2) * eps

    def join_at(self, x0: Tensor, eps: Tensor, i: int) -> Tensor:
        """Return the latent at level ``i`` made of clean part ``x0`` and noise ``eps``."""
        return join(x0, eps, self.level(i))


def join(x0: Tensor, eps: Tensor, alpha_bar: float) -> Tensor:
    """Return the latent at the level ``alpha_bar`` made of clean part ``x0`` and noise ``eps``."""
    alpha, sigma = sqrt(alpha_bar), sqrt(1 - alpha_bar)
    return alpha * x0 + sigma * eps


def leading(train_steps: int, steps: int, offset: int) -> tuple[int, ...]:
    """Return Stable Diffusion's "leading" timesteps, noisiest first: 981, 961, ..., 1 for 1000, 50, 1.

    Raises:
        ValueError: ``steps`` is below 1 or above what the training schedule holds.
    """
    stride = train_steps // steps if steps > 0 else 0
    if stride == 0 or offset + stride * (steps - 1) >= train_steps:
        raise ValueError(f"The number of steps must lie between 1 and {train_steps - offset}, not {steps}.")
    return tuple(offset + stride * k for k in reversed(range(steps)))
