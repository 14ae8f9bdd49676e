"""No inversion: the photograph under fresh noise (SDEdit, Meng et al. 2022; pix2pix-zero's ablation A)."""

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal, final

from pydantic import ConfigDict, Field, StrictFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.noise import random_start
from zeroshift.diffusion.schedule import join
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, Inversion, InversionContext
from zeroshift.options.shares import whole_steps


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class NoisedStart(Inversion):
    """The photograph under fresh noise at the level where sampling begins."""

    seeded: ClassVar[bool] = True
    kind: Literal["noised"] = "noised"
    """name of this start"""
    noise_strength: Annotated[StrictFloat, Field(gt=0, le=1)] = 1.0
    """share of the sampling steps that are taken; the fewer, the more of the photograph stays"""

    def check(self, steps: int) -> None:
        if whole_steps(self.noise_strength, steps) < 1:
            raise ValueError(
                f"A noise strength of {self.noise_strength:g} leaves none of {steps} steps; take a larger one, "
                "or more steps."
            )

    def stages(self, steps: int) -> int:
        return 1

    def first(self, steps: int) -> int:
        return steps - whole_steps(self.noise_strength, steps)

    def begins(self, steps: int, strength: float) -> int:
        """The weaker the edit, the less noise: fresh noise does not lead back to the photograph, whatever the words."""
        return steps - whole_steps(self.noise_strength * min(strength, 1.0), steps)

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        schedule = backbone.schedule(plan.steps)
        first = self.first(plan.steps)
        noise = random_start(photograph.x0.shape[1:], plan.seeds).to(photograph.x0)
        x = join(photograph.x0, noise, schedule.level(first))
        yield x
        return Trajectory(schedule, (x,), first=first)


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class RandomStart(Inversion):
    """Pure noise: nothing of the photograph but what refinement, an extra, brings in."""

    empty: ClassVar[bool] = True

    seeded: ClassVar[bool] = True
    kind: Literal["random"] = "random"
    """name of this start"""

    def stages(self, steps: int) -> int:
        return 1

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        noise = random_start(photograph.x0.shape[1:], plan.seeds).to(photograph.x0)
        yield noise
        return Trajectory(backbone.schedule(plan.steps), (noise,))
