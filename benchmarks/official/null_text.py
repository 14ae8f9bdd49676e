"""Null-text inversion (Mokady et al., arXiv:2211.09794), then Prompt-to-Prompt.

No weight of the UNet is frozen, so every backward pass computes their gradients too; the conditional prediction is made
twice per step.
"""

import torch
from torch import Tensor

from benchmarks.official.model import Model, Work, Written, attention, guided, trainable
from benchmarks.official.prompt_to_prompt import Controller, inverted


def units(steps: int, inner_steps: int = 10) -> dict[str, int]:
    return {"inversion": steps, "fixed": steps, "inner": steps * inner_steps, "step": steps, "edit": steps}


@torch.no_grad()
def edit(
    model: Model,
    x0: Tensor,
    source: Tensor,
    target: Tensor,
    empty: Tensor,
    controller: Controller,
    *,
    scale: float = 7.5,
    inner_steps: int = 10,
    stop: float = 1e-5,
) -> Work:
    """Edit the photograph ``x0``; 0 for ``stop`` never stops early."""
    steps, learned = controller.steps, list[Tensor]()
    with trainable(model.unet.parameters()), attention(model.unet, Written):
        levels = yield from inverted(model, x0, source, steps)
        x, null = levels[-1], empty
        for i, t in enumerate(model.timesteps(steps)):
            fixed, wanted = model(x, t, source), levels[-2 - i]
            yield "fixed"
            null = null.clone().requires_grad_()
            optimiser = torch.optim.Adam([null], lr=1e-2 * (1 - i / 100))
            for _ in range(inner_steps):
                with torch.enable_grad():
                    other = model(x, t, null)
                    reached = model.down(x, other + scale * (fixed - other), t, steps)
                    loss = (reached - wanted).square().mean()
                    optimiser.zero_grad()
                    loss.backward()
                optimiser.step()
                yield "inner"
                if stop and loss.item() < stop * (1 + 2 * i):
                    break
            null = null.detach()
            learned.append(null)
            x = model.down(x, guided(model(torch.cat([x, x]), t, torch.cat([null, source])), scale), t, steps)
            yield "step"
    x = torch.cat([levels[-1]] * 2)
    with attention(model.unet, lambda name: Written(name, controller)):
        for t, null in zip(model.timesteps(steps), learned, strict=True):
            text = torch.cat([null, null, source, target])
            x = model.down(x, guided(model(torch.cat([x, x]), t, text), scale), t, steps)
            controller.step += 1
            yield "edit"
    return x[1:]
