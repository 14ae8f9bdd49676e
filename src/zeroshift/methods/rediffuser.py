"""ReDiffuser (Lin et al., ReGeneration Learning of Diffusion Models with Rich Prompts, 2023, arXiv:2305.04651).

As in pix2pix-zero the photograph is inverted under its caption c with regularised DDIM and sampled again under
c + delta, and a gradient step on x_t keeps the cross-attention maps close to a reference. The reference is not the
reconstruction's maps M^X alone: they are regenerated under rich prompts, c + rho delta (M^Y') and c + delta (M^Y), and
fused over a sliding window of three steps,

    M_ref = w_X M^X_t + w_Y' mean(M^Y'_t+1, M^Y'_t-1) + w_Y mean(M^Y_t+1, M^Y_t-1).

No code is published. Everything else is pix2pix-zero's.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import RichPrompts
from zeroshift.control import FusedGuidance
from zeroshift.inversion import RegularisedInversion
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class ReDiffuser(Method):
    """ReDiffuser: guidance to attention maps regenerated under rich prompts, fused over steps (arXiv:2305.04651)."""

    name: ClassVar[str] = "rediffuser"
    title: ClassVar[str] = "ReDiffuser (Lin et al., 2023, arXiv:2305.04651)"

    steps: Steps = 50
    guidance_scale: GuidanceScale = 5.0
    inversion: InversionPart = RegularisedInversion()
    conditioning: ConditioningPart = RichPrompts()
    control: ControlPart = FusedGuidance()
