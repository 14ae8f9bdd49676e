"""Negative-prompt inversion (Miyake et al., arXiv:2305.16807): null-text inversion without the optimisation."""

from collections.abc import Generator
from typing import Literal, final

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.trajectory import Learned, Trajectory
from zeroshift.inversion.base import CleanLatents, InversionContext
from zeroshift.inversion.ddim import GridInversion, walk_up


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class NegativePromptInversion(GridInversion):
    """DDIM inversion; the source prompt takes the negative prompt's place, so that guidance leaves the source alone."""

    kind: Literal["negative-prompt"] = "negative-prompt"
    """name of this inversion"""

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        schedule = backbone.schedule(plan.steps)
        levels = yield from walk_up(backbone, photograph.x0, photograph.prompt, schedule, self.grid, keep=plan.keep)
        learned = Learned(prompt_as_negative=True)
        return Trajectory(schedule, levels.latents, learned=learned, maps=levels.kept, multistep=self.multistep)
