"""pix2pix-zero's inversion: DDIM, every predicted noise pushed towards white (Parmar et al. 2023, section 3.1)."""

from collections.abc import Iterator
from typing import Annotated, Literal, final

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.backbones.base import Backbone
from zeroshift.embedding import Embedding
from zeroshift.inversion.ddim import Grid, check_grid, invert
from zeroshift.inversion.noise import draw_rolls, regularise
from zeroshift.trajectory import Trajectory


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class RegularisedInversion:
    """DDIM inversion whose predicted noise is regularised by autocorrelation and KL divergence at every step."""

    kind: Literal["regularised"] = "regularised"
    """name of this inversion"""
    grid: Grid = "aligned"
    """noise levels of the inversion: the sampler's own, or those of pix2pix-zero's script (T - 2 steps)"""
    lambda_ac: Annotated[float, Field(ge=0, le=1000)] = 20.0
    """step size of the autocorrelation loss; 0 is off"""
    lambda_kl: Annotated[float, Field(ge=0, le=1000)] = 20.0
    """step size of the KL loss; 0 is off"""
    reg_steps: Annotated[int, Field(ge=0, le=100)] = 5
    """rounds of regularisation per inversion step"""
    ac_rolls: Annotated[int, Field(ge=1, le=100)] = 5
    """autocorrelation steps per round, each with fresh random offsets"""

    def check(self, steps: int) -> None:
        check_grid(self.grid, steps)

    def steps(self, backbone: Backbone, x0: Tensor, source: Embedding, steps: int, seed: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(seed)

        def regulariser(eps: Tensor) -> Tensor:
            rolls = draw_rolls(self.reg_steps, self.ac_rolls, eps.shape[2], eps.shape[1], generator)
            return regularise(eps, rolls, self.lambda_ac, self.lambda_kl)

        return invert(backbone, x0, source, backbone.schedule(steps), self.grid, regulariser)

    def trajectory(self, backbone: Backbone, latents: list[Tensor], steps: int) -> Trajectory:
        return Trajectory(backbone.schedule(steps), tuple(reversed(latents)))
