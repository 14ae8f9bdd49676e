"""DDIM with word swap: the baseline that every method is measured against.

The photograph is inverted by DDIM under its own prompt (Song et al. 2021) and sampled again under the target prompt,
with nothing that keeps its structure but the noise it came from.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import Prompts
from zeroshift.control import NoControl
from zeroshift.inversion import DDIMInversion
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class DDIM(Method):
    """DDIM with word swap: inversion, then sampling under the target prompt (arXiv:2010.02502)."""

    name: ClassVar[str] = "ddim"
    title: ClassVar[str] = "DDIM inversion with word swap (Song et al., ICLR 2021, arXiv:2010.02502)"

    steps: Steps = 50
    guidance_scale: GuidanceScale = 5.0
    inversion: InversionPart = DDIMInversion()
    conditioning: ConditioningPart = Prompts()
    control: ControlPart = NoControl()
