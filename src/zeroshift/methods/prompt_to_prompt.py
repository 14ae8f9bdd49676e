"""Prompt-to-Prompt (Hertz et al., Prompt-to-Prompt Image Editing with Cross Attention Control, arXiv:2208.01626).

Source and target are sampled side by side from one noise. For most of the steps the target's cross-attention maps
are the source's, word by word (Alg. 1; "word swap", "adding a new phrase", "attention re-weighting" of section 3),
and for fewer of them its self-attention maps; a mask of where the changed words look keeps everything else ("local
editing"). A photograph is inverted by DDIM first; ``DirectInversion`` keeps it exactly.

P2Plus (StyleDiffusion, arXiv:2303.15649) is ``uncond_self_until`` above 0.
"""

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from zeroshift.conditioning import Prompts
from zeroshift.control import PromptToPrompt as PromptToPromptControl
from zeroshift.inversion import DDIMInversion
from zeroshift.methods.base import ConditioningPart, ControlPart, GuidanceScale, InversionPart, Method, Steps


@final
@dataclass(frozen=True, kw_only=True)
class PromptToPrompt(Method):
    """Prompt-to-Prompt: the target's words attend as the source's do (arXiv:2208.01626)."""

    name: ClassVar[str] = "prompt-to-prompt"
    title: ClassVar[str] = "Prompt-to-Prompt (Hertz et al., ICLR 2023, arXiv:2208.01626)"

    steps: Steps = 50
    guidance_scale: GuidanceScale = 7.5
    inversion: InversionPart = DDIMInversion()
    conditioning: ConditioningPart = Prompts()
    control: ControlPart = PromptToPromptControl()
