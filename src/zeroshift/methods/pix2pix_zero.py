"""pix2pix-zero (Parmar et al., Zero-shot Image-to-Image Translation, SIGGRAPH 2023, arXiv:2302.03027).

The photograph is inverted under its caption c with regularised DDIM (section 3.1), reconstructed, and beside that
sampled again under c + delta, where delta is the mean difference of target and source sentences. At every step the
cross-attention maps of the reconstruction are the reference that a gradient step on x_t keeps those of the edit
close to (section 3.2, Alg. 1).

The paper's ablation: A ``noised`` start with ``words="swap"`` and ``lambda_xa=0``; B with ``ddim`` inversion;
C with ``regularised`` inversion; D with ``words="sentences"``; E everything.
"""

from typing import Annotated, ClassVar, final

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from zeroshift.backbones.base import Backbone
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import Task
from zeroshift.control.guidance import AttentionGuidance
from zeroshift.embedding import Embedding
from zeroshift.inversion.ddim import DDIMInversion, NoisedStart
from zeroshift.inversion.regularised import RegularisedInversion
from zeroshift.methods.base import Planned
from zeroshift.sampling import Edit


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class Pix2PixZero:
    """pix2pix-zero: regularised inversion, edit direction, cross-attention guidance (arXiv:2302.03027)."""

    name: ClassVar[str] = "pix2pix-zero"
    title: ClassVar[str] = "pix2pix-zero (Parmar et al., SIGGRAPH 2023, arXiv:2302.03027)"

    steps: Annotated[int, Field(ge=1, le=999)] = 50
    """sampling steps, and as many inversion steps"""
    guidance_scale: Annotated[float, Field(ge=1, le=50)] = 5.0
    """classifier-free guidance, negative + scale * (prompt - negative); 1 is off"""
    inversion: Annotated[RegularisedInversion | DDIMInversion | NoisedStart, Field(discriminator="kind")] = (
        RegularisedInversion()
    )
    """how the photograph becomes noise"""
    conditioning: EditDirection = EditDirection()
    """where the target lies"""
    control: AttentionGuidance = AttentionGuidance()
    """how the picture's structure is kept"""

    def __post_init__(self) -> None:
        self.inversion.check(self.steps)

    def source_key(self, photograph: bool) -> tuple[object, ...]:
        negative = self.conditioning.negative
        if negative is None and photograph:  # its own prompt is the negative one: guidance cancels out
            return self.inversion, self.steps
        return self.inversion, self.steps, negative or "", self.guidance_scale

    def edit(
        self,
        backbone: Backbone,
        task: Task,
        prompt: Embedding,
        *,
        photograph: bool,
        direction: Direction | None = None,
    ) -> Planned:
        direction = direction or self.conditioning.direction(backbone, task)
        prompts = self.conditioning.bind(
            backbone,
            prompt,
            direction,
            steps=self.steps,
            guidance_scale=self.guidance_scale,
            photograph=photograph,
        )
        return Planned(Edit(prompts, self.control), {"direction_sha256": direction.sha256})
