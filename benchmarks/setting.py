"""Where zeroshift and the authors' procedures meet: one model, one photograph, one pair of prompts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import torch
from torch import Tensor

from benchmarks.official.model import Model, Work
from benchmarks.official.prompt_to_prompt import Controller
from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import make_task
from zeroshift.control import PromptToPrompt
from zeroshift.inversion.base import CleanLatents, finished
from zeroshift.methods import Method
from zeroshift.methods.base import edit_of, inversion_plan
from zeroshift.running.sampling import sample

TASK = make_task("cat", "dog")
SEED = 0
Official: TypeAlias = Callable[[Tensor], Work]


@dataclass(frozen=True, eq=False)
class Setting:
    """Where both run."""

    backbone: StableDiffusion
    pictures: Tensor
    """the photograph, (1, 3, H, W) in [-1, 1]"""
    direction: Direction
    steps: int | None = None
    """sampling steps; None stands for each method's own"""
    inversion_steps: int = 999
    """steps of Plug-and-Play's inversion"""
    inner_steps: int | None = None
    """most optimisation steps per sampling step; None stands for each method's own"""

    @property
    def model(self) -> Model:
        scheduler = self.backbone.scheduler
        return Model(self.backbone.unet, tuple(scheduler.alphas_cumprod.tolist()), scheduler.config.prediction_type)

    def text(self, prompt: str) -> Tensor:
        return self.backbone.embed([prompt]).tokens

    def prompts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Source, target and empty prompt."""
        return self.text(TASK.source_prompt), self.text(TASK.target_prompt), self.text("")

    def controller(self, steps: int, control: PromptToPrompt) -> Controller:
        """Prompt-to-Prompt's controller; "cat" and "dog" are one token each, so tokens stand for themselves."""
        length, like = self.backbone.tokenizer.model_max_length, self.text("")
        mapper, share = torch.eye(length).to(like), torch.ones(length).to(like)
        pixels = prod(side // self.backbone.factor // control.self_scale for side in self.pictures.shape[-2:])
        return Controller(steps, mapper, share, pixels, control.cross_until, control.self_until)


@dataclass(frozen=True, eq=False)
class Pair:
    """One row of the table."""

    method: Method
    """zeroshift's"""
    official: Official
    """the authors' procedure from the clean latent on"""
    units: Mapping[str, int]
    """how often the procedure does each of its units of work"""
    equal: bool = True
    """whether both compute the same"""


def ours(at: Setting, method: Method, x0: Tensor) -> Tensor:
    """Edit the clean latent ``x0`` (1, C, h, w) with zeroshift."""
    backbone, prompt = at.backbone, at.backbone.embed([TASK.source_prompt])
    plan = inversion_plan(method, backbone, [SEED])
    trajectory = finished(method.inversion.invert(backbone, CleanLatents(at.pictures, x0, prompt), plan))
    direction = at.direction if method.conditioning.kind == "direction" else None
    run = EditContext(backbone, TASK, prompt, trajectory, method.guidance_scale, True, direction, at.pictures)
    *_, last = sample(backbone, trajectory, [edit_of(method, run)])
    return last.targets[0]
