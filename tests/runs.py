"""Short runs of the real loop on tiny latents."""

from collections.abc import Sequence

import torch
from torch import Tensor

from zeroshift.backbones.stable_diffusion import StableDiffusion
from zeroshift.conditioning.base import EditContext
from zeroshift.conditioning.shift import EditDirection
from zeroshift.conditioning.task import Task, make_task
from zeroshift.cost.flops import flops_of, forward_flops
from zeroshift.diffusion.embedding import Embedding, guidance_rows
from zeroshift.diffusion.prediction import guided
from zeroshift.diffusion.sites import Taps
from zeroshift.diffusion.source_branch import SourceBranch
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.inversion.base import CleanLatents, finished
from zeroshift.methods.base import Method, Planned, inversion_plan
from zeroshift.methods.base import plan as plan_of
from zeroshift.methods.pix2pix_zero import Pix2PixZero
from zeroshift.running.sampling import Branch, Step, sample

TASK: Task = make_task("cat", "dog")
STEPS = 4
SAVINGS: tuple[dict[str, object], ...] = (
    {},
    {"guidance_until": 0.5},
    {"guided_layers": "coarse"},
    {"reuse_noise": True},
)
"""what a guided edit may leave out; the first leaves nothing out"""


def method(steps: int = STEPS, conditioning: EditDirection | None = None, **options: object) -> Pix2PixZero:
    """Return pix2pix-zero with few steps and few sentences."""
    return Pix2PixZero(steps=steps, conditioning=conditioning or EditDirection(sentences=20), **options)


def clean(count: int, height: int = 8, width: int = 8) -> Tensor:
    """Return ``count`` different latents (B, 4, height, width) in float64."""
    one_by_one = [torch.randn(4, height, width, generator=torch.Generator().manual_seed(k)) for k in range(count)]
    return torch.stack(one_by_one).double()


def prompts(backbone: StableDiffusion, count: int = 1, prompt: str = TASK.source_prompt) -> Embedding:
    return backbone.embed([prompt]).repeat(count)


def start(backbone: StableDiffusion, count: int = 1) -> Trajectory:
    """Return what sampling begins with where nothing is inverted."""
    return Trajectory(backbone.schedule(STEPS), (clean(count),))


def inverted(
    backbone: StableDiffusion,
    chosen: Method,
    x0: Tensor,
    seed: int = 3,
    prompt: str = TASK.source_prompt,
    seeds: Sequence[int] | None = None,
) -> Trajectory:
    height, width = (side * backbone.factor for side in x0.shape[-2:])
    pictures = torch.zeros(len(x0), 3, height, width, dtype=x0.dtype)
    photograph = CleanLatents(pictures, x0, prompts(backbone, len(x0), prompt))
    return finished(
        chosen.inversion.invert(backbone, photograph, inversion_plan(chosen, backbone, seeds or [seed] * len(x0)))
    )


def plan(
    backbone: StableDiffusion,
    chosen: Method,
    trajectory: Trajectory,
    photograph: bool = True,
    task: Task = TASK,
) -> Planned:
    """Return the target branch of every picture of the trajectory."""
    prompt = prompts(backbone, len(trajectory.start), task.source_prompt)
    direction = chosen.conditioning.direction(backbone, task)
    return plan_of(
        chosen, EditContext(backbone, task, prompt, trajectory, chosen.guidance_scale, photograph, direction)
    )


def source_of(backbone: StableDiffusion, taps: Taps, trajectory: Trajectory, branch: Branch) -> SourceBranch:
    """Return the source branch as ``branch`` has it walked."""
    control = branch.control
    return SourceBranch(backbone, taps, trajectory, branch.conditioning, control.records, control.prompt_only)


def last(backbone: StableDiffusion, trajectory: Trajectory, edits: Sequence[Branch], reconstruct: bool = True) -> Step:
    """Walk to the end and return the last step."""
    *_, step = sample(backbone, trajectory, edits, reconstruct=reconstruct)
    return step


def translated(
    backbone: StableDiffusion, chosen: Method, x0: Tensor, seed: int = 3, task: Task = TASK, reconstruct: bool = True
) -> Step:
    """Invert ``x0`` and edit it."""
    trajectory = inverted(backbone, chosen, x0, seed, task.source_prompt)
    branch = plan(backbone, chosen, trajectory, task=task).branch
    return last(backbone, trajectory, [branch], reconstruct)


def further_row(backbone: StableDiffusion, x: Tensor) -> float:
    """Return what a second prompt at the same latent (1, C, h, w) costs, in SF."""
    text = guidance_rows(prompts(backbone, prompt=""), prompts(backbone), 5.0)
    with torch.no_grad():
        two = flops_of(lambda: guided(backbone, Taps(()), (x,), 1, text))
    return two / forward_flops(backbone, x) - 1


def apart(a: Tensor, b: Tensor) -> float:
    """Return the largest difference."""
    return float((a - b).detach().abs().max())
