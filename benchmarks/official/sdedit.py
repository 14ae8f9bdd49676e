"""SDEdit (Meng et al., arXiv:2108.01073) with Stable Diffusion: noise to the middle of the schedule, then sampling."""

from math import sqrt

import torch
from torch import Tensor

from benchmarks.official.model import Model, Work, guided


def units(steps: int, strength: float) -> dict[str, int]:
    return {"edit": min(int(steps * strength), steps)}


@torch.no_grad()
def edit(
    model: Model,
    x0: Tensor,
    target: Tensor,
    empty: Tensor,
    noise: Tensor,
    *,
    steps: int = 50,
    strength: float = 0.75,
    scale: float = 7.5,
) -> Work:
    """Edit the photograph ``x0`` under ``noise``."""
    timesteps = model.timesteps(steps)[steps - min(int(steps * strength), steps) :]
    a = model.level(timesteps[0])
    x, text = sqrt(a) * x0 + sqrt(1 - a) * noise, torch.cat([empty, target])
    for t in timesteps:
        x = model.down(x, guided(model(torch.cat([x, x]), t, text), scale), t, steps)
        yield "edit"
    return x
