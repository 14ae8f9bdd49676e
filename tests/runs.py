"""Short runs of the real loop on tiny latents."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import Task, make_task
from zeroshift.embedding import Embedding
from zeroshift.methods.base import Planned
from zeroshift.methods.pix2pix_zero import Pix2PixZero
from zeroshift.sampling import Edit, Step, sample
from zeroshift.trajectory import Trajectory

TASK: Task = make_task("cat", "dog")
STEPS = 4


def method(steps: int = STEPS, conditioning: EditDirection | None = None, **options: object) -> Pix2PixZero:
    """Return pix2pix-zero with few steps and few sentences."""
    return Pix2PixZero(steps=steps, conditioning=conditioning or EditDirection(sentences=20), **options)


def clean(count: int, height: int = 8, width: int = 8) -> Tensor:
    """Return ``count`` different latents (B, 4, height, width) in float64."""
    one_by_one = [torch.randn(4, height, width, generator=torch.Generator().manual_seed(k)) for k in range(count)]
    return torch.stack(one_by_one).double()


def prompts(backbone: StableDiffusion, count: int = 1, prompt: str = TASK.source_prompt) -> Embedding:
    return backbone.embed([prompt]).repeat(count)


def inverted(backbone: StableDiffusion, chosen: Pix2PixZero, x0: Tensor, seed: int = 3) -> Trajectory:
    source = prompts(backbone, len(x0))
    latents = list(chosen.inversion.steps(backbone, x0, source, chosen.steps, seed))
    return chosen.inversion.trajectory(backbone, latents, chosen.steps)


def plan(backbone: StableDiffusion, chosen: Pix2PixZero, count: int = 1, photograph: bool = True) -> Planned:
    return chosen.edit(backbone, TASK, prompts(backbone, count), photograph=photograph)


def last(backbone: StableDiffusion, trajectory: Trajectory, edits: Sequence[Edit]) -> Step:
    """Walk to the end and return the last step."""
    *_, step = sample(backbone, trajectory, edits)
    return step


def translated(backbone: StableDiffusion, chosen: Pix2PixZero, x0: Tensor, seed: int = 3) -> Step:
    """Invert ``x0`` and edit it."""
    trajectory = inverted(backbone, chosen, x0, seed)
    return last(backbone, trajectory, [plan(backbone, chosen, len(x0)).branch])


def apart(a: Tensor, b: Tensor) -> float:
    """Return the largest difference."""
    return float((a - b).abs().max())
