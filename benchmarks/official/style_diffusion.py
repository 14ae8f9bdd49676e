"""StyleDiffusion (Li et al., arXiv:2303.15649): training, then the edit with P2Plus.

The image encoder and the mapping network are called inside every cross-attention layer, under autograd, and no weight
of UNet or encoder is frozen; the photograph is inverted for training and, by another process with the library's own
attention, again for the edit.
"""

from collections.abc import Callable, Generator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import ceil, exp

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from benchmarks.official.model import Look, Model, Work, Written, attention, is_cross, trainable, untouched
from benchmarks.official.prompt_to_prompt import Controller, inverted

Maps = dict[str, Tensor]


@dataclass(frozen=True)
class Image:
    """The photograph as the image encoder sees it, and the mapping network's first weights."""

    encode: Callable[[], Tensor]
    """runs the encoder: (1, N, D)"""
    weights: Sequence[nn.Parameter]
    """the encoder's"""
    start: Sequence[Tensor]
    """in the order of the network's parameters, without the axis of length 1"""
    pixels: int
    """size of the cross-attention layers in encoder and decoder whose maps are compared"""

    def network(self) -> nn.Sequential:
        """The first mapping network; tokens are channels, batch norm stays in training mode."""
        hidden, inputs = self.start[0].shape
        middle = (nn.Conv1d(hidden, hidden, 1), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.01))
        made = nn.Sequential(nn.Conv1d(inputs, hidden, 1), *middle, nn.Conv1d(hidden, hidden, 1)).to(self.start[0])
        for parameter, first in zip(made.parameters(), self.start, strict=True):
            parameter.data.copy_(first.view_as(parameter))
        return made


@dataclass
class State:
    """What the attention layers do at the moment."""

    network: nn.Module
    learned: Sequence[bool] = ()
    """for each row whether its values see c * s + b; empty: the network is not asked"""
    look: Look = untouched


class Seeing(Written):
    """Attention that calls encoder and network for every row that sees what was learned."""

    def __init__(self, name: str, image: Image, state: State) -> None:
        super().__init__(name, lambda name, probs: state.look(name, probs))
        self.image, self.state = image, state

    def projected(self, attn: Attention, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k = attn.to_q(x), attn.to_k(context)
        v = attn.to_v(self.seen(context) if is_cross(self.name) and self.state.learned else context)
        return attn.head_to_batch_dim(q), attn.head_to_batch_dim(k), attn.head_to_batch_dim(v)

    def seen(self, context: Tensor) -> Tensor:
        rows = []
        for row, learned in zip(context.split(1), self.state.learned, strict=True):
            rows.append(self.modulated(row) if learned else row)
        return torch.cat(rows)

    def modulated(self, row: Tensor) -> Tensor:
        scale, shift = self.state.network(self.image.encode()).chunk(2, 1)
        values: Tensor = row * scale + shift
        return values


def most(i: int, inner_steps: int) -> int:
    """The most iterations at step ``i``."""
    return ceil(inner_steps * exp(-0.1 * i))


def units(steps: int, inner_steps: int = 100, values_until: float = 0.5) -> dict[str, int]:
    """Count the work; the target sees what was learned in "edit" steps, and the encoder not for it in "late" ones."""
    iterations, early = sum(most(i, inner_steps) for i in range(steps)), ceil(values_until * steps)
    training = {"inversion": 2 * steps, "fixed": steps, "inner": iterations, "step": steps}
    return {**training, "edit": early, "late": steps - early}


@torch.no_grad()
def edit(
    model: Model,
    x0: Tensor,
    source: Tensor,
    target: Tensor,
    empty: Tensor,
    image: Image,
    controller: Controller,
    *,
    scale: float = 7.5,
    inner_steps: int = 100,
    stop: float = 1e-5,
    values_until: float = 0.5,
    uncond_self_until: float = 0.0,
) -> Work:
    """Edit the photograph ``x0``; 0 for ``stop`` never stops early."""
    steps, state = controller.steps, State(image.network())

    def seeing(name: str) -> Seeing:
        return Seeing(name, image, state)

    with trainable([*model.unet.parameters(), *image.weights]), attention(model.unet, seeing):
        networks = yield from trained(model, x0, source, empty, image, state, steps, scale, inner_steps, stop)
    levels = yield from inverted(model, x0, source, steps)
    with attention(model.unet, seeing):
        x, uncond = torch.cat([levels[-1]] * 2), controller.unconditional(int(uncond_self_until * steps))
        for i, t in enumerate(model.timesteps(steps)):
            state.look, state.learned = uncond, ()
            other = model(x, t, torch.cat([empty, empty]))
            state.look, state.learned, state.network = controller.pair, (True, i < values_until * steps), networks[i]
            x = model.down(x, other + scale * (model(x, t, torch.cat([source, target])) - other), t, steps)
            controller.step += 1
            yield "edit" if i < values_until * steps else "late"
    return x[1:]


def trained(
    model: Model,
    x0: Tensor,
    source: Tensor,
    empty: Tensor,
    image: Image,
    state: State,
    steps: int,
    scale: float,
    inner_steps: int,
    stop: float,
) -> Generator[str, None, list[nn.Module]]:
    """The network of every step."""
    maps, networks = Maps(), list[nn.Module]()
    state.look = keeping(maps, image.pixels)
    levels, seen = yield from seen_inverted(model, x0, source, steps, maps)
    x = levels[-1]
    for i, t in enumerate(model.timesteps(steps)):
        other, wanted, reference = model(x, t, empty), levels[-2 - i], seen[-1 - i]
        yield "fixed"
        state.network, state.learned = deepcopy(state.network), (True,)
        optimiser = torch.optim.Adam(state.network.parameters(), lr=1e-2 * (1 - i / 100))
        for _ in range(most(i, inner_steps)):
            with torch.enable_grad():
                out = other + scale * (model(x, t, source) - other)
                loss = (model.down(x, out, t, steps) - wanted).square().mean() + apart(maps, reference)
                optimiser.zero_grad()
                loss.backward()
            optimiser.step()
            yield "inner"
            if stop and loss.item() < stop * (1 + 2 * i):
                break
        networks.append(state.network)
        out, state.learned = model(x, t, source), ()
        other = model(x, t, empty)
        x = model.down(x, other + scale * (out - other), t, steps)
        yield "step"
    state.look = untouched
    return networks


def seen_inverted(
    model: Model, x: Tensor, source: Tensor, steps: int, maps: Maps
) -> Generator[str, None, tuple[list[Tensor], list[Maps]]]:
    """Invert; return latents and their maps, cleanest first. The last latent has none and takes those before it."""
    seen, walk = list[Maps](), inverted(model, x, source, steps)
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return end.value, [*seen, seen[-1]]
        seen.append(dict(maps))
        yield "inversion"


def keeping(maps: Maps, pixels: int) -> Look:
    """Keep the maps of encoder and decoder layers of one size."""

    def look(name: str, probs: Tensor) -> Tensor:
        if is_cross(name) and probs.shape[1] == pixels and not name.startswith("mid"):
            maps[name] = probs
        return probs

    return look


def apart(maps: Maps, reference: Maps) -> Tensor:
    """The sum over layers of the mean squared differences."""
    return torch.stack([(maps[name] - reference[name]).square().mean() for name in reference]).sum()
