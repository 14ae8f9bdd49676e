"""Direct inversion: the source branch is put onto the inverted latents (Ju et al., PnP Inversion, arXiv:2310.01506)."""

from collections.abc import Generator
from typing import Literal, final

from pydantic import ConfigDict, StrictBool
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, InversionContext
from zeroshift.inversion.ddim import FinerInversion, walk_up


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class DirectInversion(FinerInversion):
    """DDIM inversion whose latents the source branch runs through again, so that it ends at the photograph exactly."""

    kind: Literal["direct"] = "direct"
    """name of this inversion"""
    grid: Literal["aligned", "diffusers", "source", "multistep"] = "aligned"
    """timestep that each step asks at: of the level reached, also as diffusers reads a v-prediction there, or of the
    level left, also with steps of second order, in sampling too (DPM-Solver++ 2M)"""
    inversion_prompt: str | None = None
    """what the photograph is inverted under; by default the source prompt"""
    offset_target: StrictBool = False
    """give the target branch, too, what puts the source back at every step: an edit of strength 0 is the photograph"""

    def returns_at(self, guidance_scale: float) -> float:
        """With the offset the source's own scale: what puts that branch back is added to the target."""
        return guidance_scale if self.offset_target else 1.0

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        schedule = backbone.schedule(plan.steps)
        prompt = photograph.prompt
        if self.inversion_prompt is not None:
            prompt = backbone.embed([self.inversion_prompt]).repeat(len(photograph.x0))
        levels = yield from walk_up(
            backbone,
            photograph.x0,
            prompt,
            schedule,
            self.grid,
            inversion_steps=self.inversion_steps,
            keep=plan.keep,
        )
        return Trajectory(
            schedule,
            levels.latents,
            replayed=True,
            offset_target=self.offset_target,
            maps=levels.kept,
            multistep=self.multistep,
        )
