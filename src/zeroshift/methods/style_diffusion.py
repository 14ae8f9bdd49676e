"""StyleDiffusion (Li et al., StyleDiffusion: Prompt-Embedding Inversion for Text-Based Editing, arXiv:2303.15649).

Only the input of cross-attention's value projection is learned, c * s + b, one pair per step, until guided sampling
returns the photograph (section 3.2); keys stay the prompt's, so attention maps stay editable. The edit is
Prompt-to-Prompt on both of guidance's branches (section 3.3, P2Plus): tau_v is ``values_until``, tau_c
``cross_until``, tau_s ``self_until``, tau_u ``uncond_self_until``.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import Prompts
from zeroshift.control import PromptToPrompt
from zeroshift.inversion import ValueEmbedding
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class StyleDiffusion(Method):
    """StyleDiffusion: a learned value input, Prompt-to-Prompt on both branches (arXiv:2303.15649)."""

    name: ClassVar[str] = "style-diffusion"
    title: ClassVar[str] = "StyleDiffusion (Li et al., 2023, arXiv:2303.15649)"

    steps: Steps = 30
    guidance_scale: GuidanceScale = 7.5
    inversion: InversionPart = ValueEmbedding()
    conditioning: ConditioningPart = Prompts(values_until=0.5)
    control: ControlPart = PromptToPrompt(cross_until=0.6, self_until=0.6)
