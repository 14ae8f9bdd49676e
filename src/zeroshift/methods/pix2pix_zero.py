"""pix2pix-zero (Parmar et al., Zero-shot Image-to-Image Translation, SIGGRAPH 2023, arXiv:2302.03027).

The photograph is inverted under its caption c with regularised DDIM (section 3.1), reconstructed, and beside that
sampled again under c + delta, where delta is the mean difference of target and source sentences. At every step the
cross-attention maps of the reconstruction are the reference that a gradient step on x_t keeps those of the edit
close to (section 3.2, Alg. 1).

The paper's ablation: A ``noised`` start with ``words="swap"`` and ``lambda_xa=0``; B with ``ddim`` inversion;
C with ``regularised`` inversion; D with ``words="sentences"``; E everything.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import EditDirection
from zeroshift.control import AttentionGuidance
from zeroshift.inversion import RegularisedInversion
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class Pix2PixZero(Method):
    """pix2pix-zero: regularised inversion, edit direction, cross-attention guidance (arXiv:2302.03027)."""

    name: ClassVar[str] = "pix2pix-zero"
    title: ClassVar[str] = "pix2pix-zero (Parmar et al., SIGGRAPH 2023, arXiv:2302.03027)"

    steps: Steps = 50
    guidance_scale: GuidanceScale = 5.0
    inversion: InversionPart = RegularisedInversion()
    conditioning: ConditioningPart = EditDirection()
    control: ControlPart = AttentionGuidance()
