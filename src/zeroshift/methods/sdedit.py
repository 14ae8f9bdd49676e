"""SDEdit (Meng et al., ICLR 2022, arXiv:2108.01073) with a text-to-image model: Stable Diffusion's img2img.

The photograph is put under fresh noise of a level in the middle of the schedule and denoised under the target prompt.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import Prompts
from zeroshift.control import NoControl
from zeroshift.inversion import NoisedStart
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class SDEdit(Method):
    """SDEdit: noise to the middle of the schedule, then sampling under the target prompt (arXiv:2108.01073)."""

    name: ClassVar[str] = "sdedit"
    title: ClassVar[str] = "SDEdit (Meng et al., ICLR 2022, arXiv:2108.01073)"

    steps: Steps = 50
    guidance_scale: GuidanceScale = 7.5
    inversion: InversionPart = NoisedStart(noise_strength=0.75)
    conditioning: ConditioningPart = Prompts()
    control: ControlPart = NoControl()
