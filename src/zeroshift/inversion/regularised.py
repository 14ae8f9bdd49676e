"""pix2pix-zero's inversion: DDIM, every predicted noise pushed towards white (Parmar et al. 2023, section 3.1)."""

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal, final

from pydantic import ConfigDict, Field, StrictBool, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.noise import generators
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, InversionContext
from zeroshift.inversion.ddim import GridInversion, walk_up
from zeroshift.inversion.noise import draw_rolls, regularise


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class RegularisedInversion(GridInversion):
    """DDIM inversion whose predicted noise is regularised by autocorrelation and KL divergence at every step."""

    seeded: ClassVar[bool] = True
    kind: Literal["regularised"] = "regularised"
    """name of this inversion"""
    lambda_ac: Annotated[StrictFloat, Field(ge=0, le=1000)] = 20.0
    """step size of the autocorrelation loss; 0 is off"""
    lambda_kl: Annotated[StrictFloat, Field(ge=0, le=1000)] = 20.0
    """step size of the KL loss; 0 is off"""
    reg_steps: Annotated[StrictInt, Field(ge=0, le=100)] = 5
    """rounds of regularisation per inversion step"""
    ac_rolls: Annotated[StrictInt, Field(ge=1, le=100)] = 5
    """autocorrelation steps per round, each with fresh random offsets"""
    regularise_final: StrictBool = False
    """regularise the noisiest latent, once, instead of the noise predicted at every step"""

    def invert(
        self, backbone: Backbone, photograph: CleanLatents, plan: InversionContext
    ) -> Generator[Tensor, None, Trajectory]:
        drawn_by = generators(plan.seeds)

        def regulariser(eps: Tensor) -> Tensor:
            rolls = draw_rolls(self.reg_steps, self.ac_rolls, eps.shape[2], eps.shape[1], drawn_by)
            return regularise(eps, rolls, self.lambda_ac, self.lambda_kl)

        schedule = backbone.schedule(plan.steps)
        levels = yield from walk_up(
            backbone,
            photograph.x0,
            photograph.prompt,
            schedule,
            self.grid,
            regulariser=None if self.regularise_final else regulariser,
            keep=plan.keep,
        )
        noisiest, *others = levels.latents
        latents = (regulariser(noisiest), *others) if self.regularise_final else levels.latents
        return Trajectory(schedule, latents, maps=levels.kept, multistep=self.multistep)
