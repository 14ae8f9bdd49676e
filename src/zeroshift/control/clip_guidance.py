"""CLIP guidance: every step moves towards what CLIP finds like the target prompt. Not part of any method's paper.

At the guided steps the estimate of the clean picture is shown to CLIP, L = 1 - cos(image, target prompt), and
eps <- eps + s * sqrt(1 - alpha_bar_t) * dL/dx, as classifier guidance does (Dhariwal and Nichol 2021, Alg. 2).
"""

from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Annotated, Literal, final

import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.control.base import Control, ControlOptions, StepContext
from zeroshift.control.losses import clip_distance, crop
from zeroshift.control.perceptual import Vgg
from zeroshift.control.steering import cheap_gradient, full_gradient, normalised, steered
from zeroshift.diffusion.backbone import Backbone
from zeroshift.options.shares import nearest_steps

SMALLEST = 0.6
"""smallest side of a crop, as a share of the picture's"""


@final
@dataclass(frozen=True, kw_only=True, config=ConfigDict(use_attribute_docstrings=True, extra="forbid"))
class ClipGuidance(ControlOptions):
    """Every step moves towards what CLIP finds like the target prompt."""

    kind: Literal["clip-guidance"] = "clip-guidance"
    """name of this extra"""
    clip_scale: Annotated[StrictFloat, Field(ge=0, le=100_000)] = 0.1
    """how far, as a share of the noise (0.1 to 1 is useful); 0 is off"""
    clip_unit: Literal["noise", "gradient"] = "noise"
    """whether the gradient is first brought to the size of the noise, or clip-scale multiplies it as it is"""
    clip_gradient: Literal["cheap", "full"] = "cheap"
    """whether the predicted noise counts as constant, or the gradient passes through the network"""
    clip_from: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.0
    """share of the steps before the first guided one"""
    clip_until: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """share of the steps before the last guided one ends"""
    clip_preview: Literal["vae", "linear"] = "vae"
    """how the estimate becomes a picture: decoded, or by a linear map fitted to the decoding of the first one"""
    clip_crops: Annotated[StrictInt, Field(ge=0, le=64)] = 0
    """how many random crops are shown instead of the whole picture"""
    clip_seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    """seed of the crops"""

    def __post_init__(self) -> None:
        if self.clip_from >= self.clip_until:
            raise ValueError("CLIP guidance ends before it begins; give `clip_until` a larger share than `clip_from`.")

    def check_helpers(self, backbone: Backbone, vgg: Vgg | None) -> None:
        if self.clip_scale:
            _ = backbone.clip  # raises where there is none

    def bind(self, run: EditContext) -> Control:
        if not self.clip_scale:
            return Control()
        wanted = run.backbone.clip.text_features([run.task.target_prompt])
        first, end = (nearest_steps(share, run.steps) for share in (self.clip_from, self.clip_until))
        return BoundClipGuidance(self, wanted, range(max(first, run.trajectory.first), end))


@plain_dataclass(eq=False)
class BoundClipGuidance(Control):
    """CLIP guidance in one run."""

    options: ClipGuidance
    wanted: Tensor
    """the target prompt's features, (1, P)"""
    guided: range
    """the guided steps"""
    fitted: Tensor | None = field(default=None, init=False)
    """the linear preview's matrix, (B, C + 1, 3), from the first guided step on"""

    def differentiates(self, i: int) -> bool:
        return i in self.guided and self.options.clip_gradient == "full"

    def steer(self, x0: Tensor, eps: Tensor, x: Tensor, here: StepContext) -> tuple[Tensor, Tensor]:
        if here.i not in self.guided or not here.level.alpha:  # in pure noise nothing moves the clean part
            return x0, eps

        def losses(at: Tensor) -> Tensor:
            return self.losses(at, here)

        full = self.options.clip_gradient == "full"
        gradient = full_gradient(losses, x0, x) if full else cheap_gradient(losses, x0, here.level)
        direction = normalised(gradient) if self.options.clip_unit == "noise" else gradient
        return steered(x0, eps, self.options.clip_scale * direction, here)

    def losses(self, x0: Tensor, here: StepContext) -> Tensor:
        """Each picture's distance to the prompt (B,), the mean over what is shown of it."""
        pictures, count = self.shown(x0, here), self.options.clip_crops
        generator = torch.Generator().manual_seed(self.options.clip_seed * 1000 + here.i)
        views = [random_crop(pictures, generator) for _ in range(count)] or [pictures]
        return torch.stack([clip_distance(here.backbone.clip, view, self.wanted) for view in views]).mean(0)

    def shown(self, x0: Tensor, here: StepContext) -> Tensor:
        """Latents (B, C, h, w) as pictures: decoded (B, 3, H, W), or mapped cell by cell (B, 3, h, w)."""
        if self.options.clip_preview == "vae":
            return here.backbone.decode(x0)
        if self.fitted is None:
            with torch.no_grad():
                self.fitted = fit_preview(x0, here.backbone.decode(x0))
        return linear_preview(x0, self.fitted)


def random_crop(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """The same random part of every picture, at least ``SMALLEST`` of its sides."""
    share = SMALLEST + (1 - SMALLEST) * float(torch.rand((), generator=generator))
    height, width = (max(1, round(share * side)) for side in pictures.shape[-2:])
    return crop(pictures, height, width, generator)


def fit_preview(latents: Tensor, pictures: Tensor) -> Tensor:
    """Each picture's matrix (B, C + 1, 3) that takes latent cells closest to the mean colour they decode to."""
    height, width = latents.shape[-2:]
    colours = F.adaptive_avg_pool2d(pictures.to(latents), (height, width)).flatten(2).mT  # (B, h * w, 3)
    cells = _cells(latents)
    gram = cells.mT @ cells
    # cells of one colour leave the matrix open: a little of the identity decides for the smallest one
    ridge = 1e-6 * cells.shape[1] * torch.eye(cells.shape[2]).to(gram)
    home = "cpu" if latents.device.type == "mps" else latents.device  # MPS may not solve; these are five unknowns
    fitted: Tensor = torch.linalg.solve((gram + ridge).to(home), (cells.mT @ colours).to(home))
    return fitted.to(latents.device)


def linear_preview(latents: Tensor, matrix: Tensor) -> Tensor:
    """(B, 3, h, w): every latent cell through its picture's ``matrix``."""
    colours = (_cells(latents) @ matrix).mT
    return colours.reshape(len(latents), 3, *latents.shape[-2:])


def _cells(latents: Tensor) -> Tensor:
    """(B, h * w, C + 1): the cells, and a one beside each."""
    cells = latents.flatten(2).mT
    return torch.cat([cells, torch.ones_like(cells[..., :1])], -1)
