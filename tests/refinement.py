"""Short runs with refinement, of random pictures."""

from dataclasses import replace

import torch

from tests.runs import TASK, clean, inverted, last, prompts
from zeroshift.conditioning.base import EditContext
from zeroshift.control import Refinement
from zeroshift.control.base import Control, Stack, StepContext
from zeroshift.control.perceptual import Vgg
from zeroshift.diffusion.sites import Taps
from zeroshift.methods import DDIM, Method
from zeroshift.methods.base import plan

STEPS = 4
PLAIN = DDIM(steps=STEPS, guidance_scale=3.0)
CPU = torch.device("cpu")


def seeded(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def photographs(count: int, side: int = 32) -> torch.Tensor:
    return torch.stack([seeded(20 + k, 3, side, side).tanh() for k in range(count)])


def refined(**options: object) -> DDIM:
    return replace(PLAIN, extras=(Refinement(**options),))


def run_of(
    backbone, method: Method, x0: torch.Tensor, pictures: torch.Tensor | None, vgg: Vgg | None = None
) -> EditContext:
    trajectory = inverted(backbone, method, x0)
    prompt, seen = prompts(backbone, len(x0)), pictures is not None
    return EditContext(backbone, TASK, prompt, trajectory, method.guidance_scale, seen, pictures=pictures, vgg=vgg)


def edited(backbone, method: Method, x0: torch.Tensor, pictures: torch.Tensor | None) -> torch.Tensor:
    run = run_of(backbone, method, x0, pictures)
    return last(backbone, run.trajectory, [plan(method, run).branch], reconstruct=False).targets[0]


def at_end(backbone, method: Method, pictures: torch.Tensor, vgg: Vgg | None = None) -> tuple[StepContext, Control]:
    """Return the last step's surroundings, and the extra."""
    run = run_of(backbone, method, clean(len(pictures)), pictures, vgg)
    branch = plan(method, run).branch
    here = StepContext(backbone, run.trajectory, Taps(()), STEPS - 1, branch.conditioning.target(0), ())
    assert isinstance(branch.control, Stack)
    return here, branch.control.controls[-1]
