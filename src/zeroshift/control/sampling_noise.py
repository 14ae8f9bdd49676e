"""Fresh noise at every step: ancestral instead of deterministic sampling (Song et al. 2021, Eq. 12)."""

from dataclasses import dataclass as plain_dataclass
from math import sqrt
from typing import Annotated, Literal, final

import torch
from pydantic import ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, StepContext


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class SamplingNoise(ControlOptions):
    """Part of the predicted noise is replaced by fresh noise, the same for every picture."""

    kind: Literal["sampling-noise"] = "sampling-noise"
    """name of this extra"""
    eta: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.5
    """how much: 0 is DDIM, 1 ancestral sampling"""
    noise_seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    """seed of the fresh noise"""

    def bind(self, run: EditContext) -> Control:
        return FreshNoise(self.eta, torch.Generator().manual_seed(self.noise_seed))


@plain_dataclass(frozen=True, eq=False)
class FreshNoise(Control):
    """Fresh noise in one run."""

    eta: float
    generator: torch.Generator

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        """The same clean part, and noise of the same variance of which eta's share is new."""
        share = self.eta * sqrt(1 - here.schedule.kept(here.i) ** 2)
        fresh = torch.randn(eps.shape[1:], generator=self.generator).to(eps)
        return x0, sqrt(1 - share**2) * eps + share * fresh
