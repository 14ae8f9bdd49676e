"""What is read from the source branch and done to the target branch."""

from typing import Annotated, TypeAlias

from pydantic import Field

from zeroshift.control.clip_guidance import ClipGuidance
from zeroshift.control.deep_cache import DeepCache
from zeroshift.control.fused_guidance import FusedGuidance
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.control.mirror_guidance import MirrorGuidance
from zeroshift.control.none import NoControl
from zeroshift.control.prompt_to_prompt import PromptToPrompt
from zeroshift.control.refinement import Refinement
from zeroshift.control.replay import Replay
from zeroshift.control.sampling_noise import SamplingNoise
from zeroshift.control.second_order import SecondOrder

AnyControl: TypeAlias = Annotated[
    AttentionGuidance | FusedGuidance | MirrorGuidance | NoControl | PromptToPrompt | Replay,
    Field(discriminator="kind"),
]
AnyExtra: TypeAlias = Annotated[
    ClipGuidance | DeepCache | Refinement | SamplingNoise | SecondOrder, Field(discriminator="kind")
]

__all__ = [
    "AnyControl",
    "AnyExtra",
    "AttentionGuidance",
    "ClipGuidance",
    "DeepCache",
    "FusedGuidance",
    "MirrorGuidance",
    "NoControl",
    "PromptToPrompt",
    "Refinement",
    "Replay",
    "SamplingNoise",
    "SecondOrder",
]
