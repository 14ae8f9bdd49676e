"""Plug-and-Play (Tumanyan et al., Plug-and-Play Diffusion Features, CVPR 2023, arXiv:2211.12572).

The guidance image is inverted by DDIM under an empty prompt. Its inverted latents run through the network once more
beside the edit; while the target prompt is sampled from the same noise, one residual feature of the decoder (first 80 %
of the steps) and the queries and keys of the decoder's self-attention (first 50 %) are the guidance image's (section 4,
Alg. 1). Defaults are those of the authors' second code, pnp-diffusers, but for the number of inversion steps.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import Prompts
from zeroshift.control import Replay
from zeroshift.inversion import DirectInversion
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class PlugAndPlay(Method):
    """Plug-and-Play: features and self-attention of the inverted picture replayed in the decoder (arXiv:2211.12572)."""

    name: ClassVar[str] = "plug-and-play"
    title: ClassVar[str] = "Plug-and-Play (Tumanyan et al., CVPR 2023, arXiv:2211.12572)"

    steps: Steps = 50
    guidance_scale: GuidanceScale = 7.5
    inversion: InversionPart = DirectInversion(inversion_prompt="")
    conditioning: ConditioningPart = Prompts(source_text="", negative="ugly, blurry, black, low res, unrealistic")
    control: ControlPart = Replay()
