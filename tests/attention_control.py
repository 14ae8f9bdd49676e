"""Prompt-to-Prompt's attention control in plain loops, written from its description: nothing of the package is used.

All branches in one batch, negative rows first, every attention map computed in the open and edited token by token.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor

from tests.oracles import Network

Groups = Sequence[Sequence[int]]
"""token positions of every word"""


def official_mapper(source: Groups, target: Groups, changed: Sequence[int], length: int) -> Tensor:
    """Return the authors' table for replaced words, (source token, target token)."""
    table, i, j, n = torch.zeros(length, length, dtype=torch.float64), 0, 0, 0
    while i < length and j < length:
        if n < len(changed) and source[changed[n]][0] == i:
            s, g = source[changed[n]], target[changed[n]]
            for k, a in enumerate(s):
                for m, b in enumerate(g):
                    if len(s) != len(g):
                        table[a, b] = 1 / len(g)
                    elif k == m:
                        table[a, b] = 1
            i, j, n = i + len(s), j + len(g), n + 1
        else:
            at = i if n < len(changed) else j
            table[at, j] = 1
            i, j = i + 1, j + 1
    return table


def fixed_mapper(source: Groups, target: Groups, length: int) -> Tensor:
    """Return the table of words in turn, then of what is behind them in turn, nothing lost at the end."""
    table = torch.zeros(length, length, dtype=torch.float64)
    table[0, 0] = 1
    for s, g in zip(source, target, strict=True):
        for k, a in enumerate(s):
            for m, b in enumerate(g):
                table[a, b] = float(k == m) if len(s) == len(g) else 1 / len(g)
    behind = range(source[-1][-1] + 1, length), range(target[-1][-1] + 1, length)
    for a, b in zip(*behind, strict=False):
        table[a, b] = 1
    for a in behind[0][len(behind[1]) :]:
        table[a, length - 1] = 1
    extra = len(behind[1]) - len(behind[0])
    if extra > 0:
        table[length - 1, length - 1 - extra :] = 1 / (extra + 1)
    return table


@dataclass(eq=False)
class Target:
    """What is done to one target's maps."""

    table: Tensor | None = None
    """replaced words, (source token, target token)"""
    sources: Sequence[int] = ()
    """refined prompts: each target token's source, -1 for none"""
    factors: Sequence[float] = ()
    windows: Sequence[tuple[int, int]] = ()
    """each target token's first step and the one after the last"""
    blend: Sequence[int] = ()
    subtract: Sequence[int] = ()


@dataclass(eq=False)
class Controller:
    """Sees every attention map of one call of the network, (rows, heads, pixels, keys), in running order."""

    targets: Sequence[Target]
    self_steps: int
    uncond_steps: int
    finest: int
    """the most pixels of a layer whose self-attention is replaced"""
    mask_pixels: int
    """pixels of the layers that the mask is made of"""
    source_blend: Sequence[int] = ()
    source_subtract: Sequence[int] = ()
    threshold: float = 0.3
    start: int = 0
    step: int = 0
    stored: list[list[Tensor]] = field(default_factory=list)
    """by step, the prompts' rows of all layers that the mask is made of"""

    def __call__(self, maps: Tensor, cross: bool, place: str) -> Tensor:
        rows = len(self.targets) + 1
        out = maps.clone()
        for n, target in enumerate(self.targets, 1):
            if cross:
                out[rows + n] = self.crossed(maps[rows], maps[rows + n], target)
            elif maps.shape[2] <= self.finest:
                if self.step < self.self_steps:
                    out[rows + n] = maps[rows]
                if self.step < self.uncond_steps:
                    out[n] = maps[0]
        if cross and place != "mid" and maps.shape[2] == self.mask_pixels:
            self.stored[-1].append(out[rows:])
        return out

    def crossed(self, source: Tensor, own: Tensor, target: Target) -> Tensor:
        out = own.clone()
        for j in range(own.shape[-1]):
            begin, end = target.windows[j]
            if not begin <= self.step < end:
                continue
            if target.table is not None:
                taken = sum(source[..., i] * target.table[i, j] for i in range(own.shape[-1]))
            else:
                taken = own[..., j] if target.sources[j] < 0 else source[..., target.sources[j]]
            out[..., j] = taken * target.factors[j]
        return out

    def blended(self, x: Tensor) -> Tensor:
        """Return all branches' latents after the step, (branches, C, h, w)."""
        if not self.source_blend or self.step < self.start:
            return x
        out = x.clone()
        for n, target in enumerate(self.targets, 1):
            mask = self.mask(0, self.source_blend, x, True) | self.mask(n, target.blend, x, True)
            if self.source_subtract:
                mask &= ~(self.mask(0, self.source_subtract, x, False) | self.mask(n, target.subtract, x, False))
            out[n] = x[0] + mask * (x[n] - x[0])
        return out

    def mask(self, row: int, tokens: Sequence[int], x: Tensor, pooled: bool) -> Tensor:
        maps = [sum(step[layer] for step in self.stored)[row] for layer in range(len(self.stored[0]))]
        mean = torch.cat(maps)[..., list(tokens)].sum(-1).mean(0)  # over layers and heads
        height, width = x.shape[-2:]
        scale = round((height * width / self.mask_pixels) ** 0.5)
        grid = mean.reshape(1, 1, height // scale, width // scale)
        if pooled:
            grid = F.max_pool2d(grid, 3, 1, 1)
        grid = F.interpolate(grid, size=(height, width))[0, 0]
        return grid / grid.max() > self.threshold


class Controlled:
    """Attention whose maps pass through a controller."""

    def __init__(self, place: str, cross: bool) -> None:
        self.place, self.cross = place, cross
        self.controller: Controller | None = None

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None,
    ) -> Tensor:
        context = encoder_hidden_states if self.cross else hidden_states
        q, k, v = (
            x.unflatten(2, (attn.heads, -1)) for x in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        maps = torch.softmax(torch.einsum("bqhd,bkhd->bhqk", q, k) * attn.scale, -1)
        if self.controller is not None:
            maps = self.controller(maps, self.cross, self.place)
        return attn.to_out[0](torch.einsum("bhqk,bkhd->bqhd", maps, v).flatten(2))


def controlled(unet: UNet2DConditionModel) -> tuple[UNet2DConditionModel, list[Controlled]]:
    """Return a copy of ``unet`` with every attention layer open."""
    copied, layers = deepcopy(unet), []
    for name, module in copied.named_modules():
        if isinstance(module, Attention):
            place = "mid" if name.startswith("mid") else name.split("_")[0]
            layers.append(Controlled(place, name.endswith("attn2")))
            module.set_processor(layers[-1])
    return copied, layers


@torch.no_grad()
def edit(
    net: Network,
    layers: Sequence[Controlled],
    controller: Controller,
    start: Tensor,
    negative: Tensor,
    texts: Sequence[Tensor],
    *,
    guidance: float,
    steps: int,
    replayed: Sequence[Tensor] = (),
) -> Tensor:
    """Return the latents of all branches, source first, (branches, C, h, w); ``texts`` (1, L, D) in that order.

    With ``replayed``, the source's latents after every step, the source is put onto them.
    """
    branches = len(texts)
    x = start.repeat(branches, 1, 1, 1)
    tokens = torch.cat([negative.repeat(branches, 1, 1), *texts])
    for layer in layers:
        layer.controller = controller
    for n, t in enumerate(1 + 1000 // steps * k for k in reversed(range(steps))):
        controller.step = n
        controller.stored.append([])
        out = net(torch.cat([x, x]), t, tokens)
        out = out[:branches] + guidance * (out[branches:] - out[:branches])
        left, reached = net.alpha(t), net.alpha(t - 1000 // steps)
        x = net.move(x, net.noise(x, out, left), left, reached)
        if replayed:
            x[0] = replayed[n][0]
        x = controller.blended(x)
    return x
