"""Edit-friendly DDPM inversion (Huberman-Spiegelglas et al., arXiv:2304.06140), alone and with Prompt-to-Prompt.

The noise of all T steps is found one step after the other, also of those that the edit skips. The inversion has the
library's attention; the edit writes it out and adds maps up, also where no controller asks for them.
"""

from collections.abc import Generator, Sequence
from math import sqrt

import torch
from torch import Tensor

from benchmarks.official.model import Look, Model, Work, Written, attention
from benchmarks.official.prompt_to_prompt import Controller


def units(steps: int, skip: int) -> dict[str, int]:
    return {"inversion": steps, "edit": steps - skip}


@torch.no_grad()
def edit(
    model: Model,
    x0: Tensor,
    source: Tensor,
    target: Tensor,
    empty: Tensor,
    noise: Sequence[Tensor],
    *,
    skip: int = 36,
    source_scale: float = 3.5,
    target_scale: float = 15.0,
    controller: Controller | None = None,
) -> Work:
    """Edit the photograph ``x0``; ``noise`` is what it is seen under at each of the T steps, noisiest first.

    With a controller the source is sampled beside the target, each at its own scale.
    """
    steps = len(noise)
    latents, maps = yield from inverted(model, x0, source, empty, noise, source_scale)
    sources = [] if controller is None else [source]
    scales = x0.new_tensor([source_scale, target_scale][-1 - len(sources) :]).view(-1, 1, 1, 1)
    x = latents[skip].repeat(len(scales), 1, 1, 1)
    text = torch.cat([*[empty] * len(scales), *sources, target])
    look = storing(x0.shape[-2] * x0.shape[-1] // 4) if controller is None else controller
    with attention(model.unet, lambda name: Written(name, look)):
        for t, z in list(zip(model.timesteps(steps), maps, strict=True))[skip:]:
            other, prompt = model(torch.cat([x, x]), t, text).chunk(2)
            mean, sigma = ancestral(model, x, other + scales * (prompt - other), t, steps)
            x = mean + sigma * z
            if controller is not None:
                controller.step += 1
            yield "edit"
    return x[-1:]


def storing(pixels: int) -> Look:
    """Add up the maps of the prompt's row in layers of at most ``pixels`` pixels, which nobody looks at."""
    sums: dict[str, Tensor] = {}

    def look(name: str, probs: Tensor) -> Tensor:
        own = probs[len(probs) // 2 :]
        if own.shape[1] <= pixels:
            sums[name] = sums[name] + own if name in sums else own
        return probs

    return look


def inverted(
    model: Model, x0: Tensor, source: Tensor, empty: Tensor, noise: Sequence[Tensor], scale: float
) -> Generator[str, None, tuple[list[Tensor], list[Tensor]]]:
    """The noised photographs, noisiest first, and the noise that leads from each to the next."""
    steps, text = len(noise), torch.cat([empty, source])
    levels = [model.level(t) for t in model.timesteps(steps)]
    latents = [sqrt(a) * x0 + sqrt(1 - a) * eta for a, eta in zip(levels, noise, strict=True)] + [x0]
    maps = list[Tensor]()
    for i, t in enumerate(model.timesteps(steps)):
        other, prompt = model(torch.cat([latents[i]] * 2), t, text).chunk(2)
        mean, sigma = ancestral(model, latents[i], other + scale * (prompt - other), t, steps)
        maps.append((latents[i + 1] - mean) / sigma)
        latents[i + 1] = mean + sigma * maps[i]
        yield "inversion"
    maps[-1] = torch.zeros_like(x0)
    return latents, maps


def ancestral(model: Model, x: Tensor, out: Tensor, t: int, steps: int) -> tuple[Tensor, float]:
    """Mean and deviation of DDIM's step with eta = 1."""
    a, b = model.level(t), model.level(t - model.stride(steps))
    eps, variance = model.noise(x, out, a), (1 - b) / (1 - a) * (1 - a / b)
    clean = (x - sqrt(1 - a) * eps) / sqrt(a)
    return sqrt(b) * clean + sqrt(1 - b - variance) * eps, sqrt(variance)
