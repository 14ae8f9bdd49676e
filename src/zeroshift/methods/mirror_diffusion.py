"""MirrorDiffusion (Lin et al., IEEE Signal Processing Letters 2024, arXiv:2401.03221).

The photograph is inverted with KL regularisation alone. On the way back the prompt's embedding is rewritten at every
step so that the reconstruction runs through the inverted latents (L_rewrite, c_rewrite = c - lambda grad L_rewrite);
the edit samples beside it under c_rewrite + w_i delta against c_rewrite, z' = Sample(eps, z, c_rewrite + delta, t).
The paper's code adds what the formulas do not have: the schedule w_i, cross-attention guidance and cycle steps.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import EditDirection
from zeroshift.control import MirrorGuidance
from zeroshift.inversion import Redescription
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class MirrorDiffusion(Method):
    """MirrorDiffusion: prompt redescription, scheduled edit direction, guidance with cycles (arXiv:2401.03221)."""

    name: ClassVar[str] = "mirror-diffusion"
    title: ClassVar[str] = "MirrorDiffusion (Lin et al., IEEE SPL 2024, arXiv:2401.03221)"

    steps: Steps = 60
    guidance_scale: GuidanceScale = 5.0
    inversion: InversionPart = Redescription()
    conditioning: ConditioningPart = EditDirection(strength_schedule="mirror")
    control: ControlPart = MirrorGuidance()
