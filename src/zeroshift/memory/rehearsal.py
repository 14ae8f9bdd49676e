"""A method's own code on shapes: what stands in for the photograph and the edit where nothing is computed."""

import torch
from torch import Tensor

from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.direction import Direction
from zeroshift.conditioning.task import Task
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion import CleanLatents
from zeroshift.methods import Method
from zeroshift.methods.base import edit_of
from zeroshift.running.sampling import Branch

NOTHING_SAID = Task("a photo", "a picture", "a photo", "a picture", None)
"""an edit that swaps no word"""


def photograph_of(backbone: Backbone, x0: Tensor, prompt: Embedding) -> CleanLatents:
    """Black pictures of the size of the latents ``x0`` (B, C, h, w)."""
    height, width = (side * backbone.factor for side in x0.shape[-2:])
    return CleanLatents(torch.zeros(len(x0), 3, height, width, device=x0.device), x0, prompt)


def edit_along_nothing(
    backbone: Backbone, method: Method, prompt: Embedding, trajectory: Trajectory, vgg: Vgg | None = None
) -> Branch:
    """Plan an edit along a direction of zeros: making one is work for the text encoder alone."""
    pooled = None if prompt.pooled is None else torch.zeros(prompt.pooled[:1].shape)
    direction = Direction(torch.zeros(prompt.tokens[:1].shape), {}, pooled)
    pictures = photograph_of(backbone, trajectory.start, prompt).pictures
    scale = method.guidance_scale
    run = EditContext(backbone, NOTHING_SAID, prompt, trajectory, scale, True, direction, pictures=pictures, vgg=vgg)
    return edit_of(method, run)
