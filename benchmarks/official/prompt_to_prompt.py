"""Prompt-to-Prompt (Hertz et al., arXiv:2208.01626) on a photograph inverted by DDIM.

Four rows per step: unconditional and conditional, source and target each. Local blend and reweighting, which need no
network, are left out.
"""

from collections.abc import Generator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.official.model import Look, Model, Work, Written, attention, guided, is_cross


@dataclass
class Controller:
    """Edits the target's conditional row; it counts steps and stores the sum of every small map, as the code does."""

    steps: int
    mapper: Tensor
    """how much of each source token (row) each target token (column) takes, (L, L)"""
    share: Tensor
    """1 for a target token that has a source, 0 for one that keeps its own map, (L,)"""
    pixels: int
    """the largest self-attention layer that is replaced"""
    cross_until: float = 0.8
    self_until: float = 0.4
    step: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, name: str, probs: Tensor) -> Tensor:
        """Edit the maps of rows (other source, other target, source, target)."""
        self.pair(name, probs[len(probs) // 2 :])
        return probs

    def pair(self, name: str, probs: Tensor) -> Tensor:
        """Edit the maps of rows (source, target)."""
        source, target = probs.chunk(2)
        target.copy_(self.edited(name, source, target))
        if probs.shape[1] <= self.pixels:
            self.sums[name] = self.sums[name] + probs if name in self.sums else probs.clone()
        return probs

    def unconditional(self, steps: int) -> Look:
        """Edit self-attention of the unconditional rows (source, target) in the first ``steps`` (P2Plus)."""

        def look(name: str, probs: Tensor) -> Tensor:
            if self.step < steps and not is_cross(name) and probs.shape[1] <= self.pixels:
                source, target = probs.chunk(2)
                target.copy_(source)
            return probs

        return look

    def edited(self, name: str, source: Tensor, target: Tensor) -> Tensor:
        """The target's map."""
        if is_cross(name):
            on = float(self.step < int(self.cross_until * (self.steps + 1)))
            taken = (source @ self.mapper) * self.share + target * (1 - self.share)
            return on * taken + (1 - on) * target
        replaced = source.shape[1] <= self.pixels and self.step < int(self.self_until * self.steps)
        return source if replaced else target


def units(steps: int) -> dict[str, int]:
    return {"inversion": steps, "edit": steps}


@torch.no_grad()
def edit(
    model: Model, x0: Tensor, source: Tensor, target: Tensor, empty: Tensor, controller: Controller, scale: float = 7.5
) -> Work:
    """Edit the photograph ``x0``."""
    with attention(model.unet, Written):
        levels = yield from inverted(model, x0, source, controller.steps)
    x, text = torch.cat([levels[-1]] * 2), torch.cat([empty, empty, source, target])
    with attention(model.unet, lambda name: Written(name, controller)):
        for t in model.timesteps(controller.steps):
            x = model.down(x, guided(model(torch.cat([x, x]), t, text), scale), t, controller.steps)
            controller.step += 1
            yield "edit"
    return x[1:]


@torch.no_grad()
def inverted(model: Model, x: Tensor, prompt: Tensor, steps: int) -> Generator[str, None, list[Tensor]]:
    """Invert without guidance, asked at the level reached; return the T + 1 latents, cleanest first."""
    levels = [x]
    for t in reversed(model.timesteps(steps)):
        x = model.up(x, model(x, t, prompt), t, steps)
        levels.append(x)
        yield "inversion"
    return levels
