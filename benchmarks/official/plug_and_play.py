"""Plug-and-Play (Tumanyan et al., arXiv:2211.12572), the authors' first code, a photograph.

999 steps of inversion, asked at the level left; the way back in 999 steps with two equal guidance rows, features of the
sampling timesteps stored; then two calls of two rows per step: (negative, empty) and (empty, target).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from benchmarks.official.model import Model, Work, Written, attention, guided
from benchmarks.official.pnp_diffusers import layers

Seen = dict[str, tuple[Tensor, ...]]


def units(steps: int, inversion_steps: int = 999) -> dict[str, int]:
    return {"inversion": inversion_steps, "extraction": inversion_steps, "edit": steps}


@torch.no_grad()
def edit(
    model: Model,
    x0: Tensor,
    target: Tensor,
    negative: Tensor,
    empty: Tensor,
    *,
    steps: int = 50,
    inversion_steps: int = 999,
    scale: float = 10.0,
    feature_until: float = 0.8,
    attention_until: float = 0.5,
    empty_share: float = 1.0,
) -> Work:
    """Edit the photograph ``x0``; the empty prompt's share falls linearly from ``empty_share``."""
    stride, x, twice = model.stride(inversion_steps), x0, torch.cat([empty, empty])
    seen, stored, replayed = Seen(), dict[int, Seen](), Seen()
    wanted = set(model.timesteps(steps))
    with stored_or_replayed(model.unet, seen, replayed):
        for t in reversed(model.timesteps(inversion_steps)):
            x = model.move(x, model(x, t - stride, empty), model.level(t - stride), model.level(t))
            yield "inversion"
        start = x
        for t in model.timesteps(inversion_steps):
            x = model.down(x, guided(model(torch.cat([x, x]), t, twice), 1.0), t, inversion_steps)
            if t in wanted:
                stored[t] = dict(seen)
            yield "extraction"
        x = start
        for i, t in enumerate(model.timesteps(steps)):
            for name, parts in stored[t].items():
                until = attention_until if name.endswith("attn1") else feature_until
                if i <= int(until * steps):
                    replayed[name] = parts
            against, _ = model(torch.cat([x, x]), t, torch.cat([negative, empty])).chunk(2)
            other, prompt = model(torch.cat([x, x]), t, torch.cat([empty, target])).chunk(2)
            share = empty_share * (1 - i / max(steps - 1, 1))
            other = share * other + (1 - share) * against
            x = model.down(x, other + scale * (prompt - other), t, steps)
            replayed.clear()
            yield "edit"
    return x


class Stored(Written):
    """Self-attention that stores its q and k, and takes others where there are some."""

    def __init__(self, name: str, seen: Seen, replayed: Seen) -> None:
        super().__init__(name)
        self.seen, self.replayed = seen, replayed

    def projected(self, attn: Attention, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().projected(attn, x, context)
        self.seen[self.name] = (q, k)
        q, k = self.replayed.get(self.name, (q, k))
        return q, k, v


@contextmanager
def stored_or_replayed(unet: UNet2DConditionModel, seen: Seen, replayed: Seen) -> Iterator[None]:
    """Store the feature, q and k of every call in ``seen``, and put what ``replayed`` holds in their place."""
    convolution, names = layers(unet)

    def feature(_module: nn.Module, _args: object, out: Tensor) -> Tensor:
        seen["feature"] = (out,)
        return replayed.get("feature", (out,))[0]

    def made(name: str) -> Written:
        return Stored(name, seen, replayed) if name in names else Written(name)

    handle = convolution.register_forward_hook(feature)
    try:
        with attention(unet, made):
            yield
    finally:
        handle.remove()
