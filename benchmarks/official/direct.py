"""Direct inversion (Ju et al., PnP Inversion, arXiv:2310.01506), then Prompt-to-Prompt.

A pass with both prompts finds what the source row misses at every step, a second one with the offsets reconstructs, a
third one edits; each has four rows.
"""

import torch
from torch import Tensor

from benchmarks.official.model import Model, Work, Written, attention, guided
from benchmarks.official.prompt_to_prompt import Controller, inverted


def units(steps: int) -> dict[str, int]:
    return {"inversion": steps, "offset": steps, "reconstruction": steps, "edit": steps}


@torch.no_grad()
def edit(
    model: Model, x0: Tensor, source: Tensor, target: Tensor, empty: Tensor, controller: Controller, scale: float = 7.5
) -> Work:
    """Edit the photograph ``x0``."""
    steps, text, offsets = controller.steps, torch.cat([empty, empty, source, target]), list[Tensor]()

    def stepped(x: Tensor, t: int) -> Tensor:
        return model.down(x, guided(model(torch.cat([x, x]), t, text), scale), t, steps)

    with attention(model.unet, Written):
        levels = yield from inverted(model, x0, source, steps)
        x = torch.cat([levels[-1]] * 2)
        for i, t in enumerate(model.timesteps(steps)):
            reached = stepped(x, t)
            offsets.append(levels[-2 - i] - reached)
            x = reached + offsets[-1]
            yield "offset"
        x = torch.cat([levels[-1]] * 2)
        for t, offset in zip(model.timesteps(steps), offsets, strict=True):
            x = put_back(stepped(x, t), offset)
            yield "reconstruction"
    x = torch.cat([levels[-1]] * 2)
    with attention(model.unet, lambda name: Written(name, controller)):
        for t, offset in zip(model.timesteps(steps), offsets, strict=True):
            x = put_back(stepped(x, t), offset)
            controller.step += 1
            yield "edit"
    return x[1:]


def put_back(x: Tensor, offset: Tensor) -> Tensor:
    """Add the source row's offset to it."""
    return torch.cat([x[:1] + offset[:1], x[1:]])
