"""Plug-and-Play as its authors' second code runs it: source and target rows in one batch, plain hooks, explicit maps.

Written from the description alone; one picture, nothing of the package is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from tests.oracles import Network

FEATURE = "up_blocks.0.resnets.1.conv2"
"""the layer of the tiny network whose output is injected, and those of which the maps are"""
MAPS = tuple(f"up_blocks.{block}.attentions.{k}.transformer_blocks.0.attn1" for block in (1, 2) for k in (0, 1))
Rows = Callable[[int], tuple[Sequence[Tensor], Sequence[float]]]


@dataclass(eq=False)
class Injection:
    """What the target rows of a batch take from its first rows at the moment, as shares."""

    pairs: tuple[int, ...]
    """the source row that each target row takes from"""
    sources: int
    feature: float = 0.0
    maps: float = 0.0

    def mix(self, x: Tensor, share: float) -> Tensor:
        """Return rows (S + R, ...) of which the last R are share * their source row + (1 - share) * themselves."""
        source, target = x[: self.sources], x[self.sources :]
        wanted = torch.stack([source[pair] for pair in self.pairs])
        return torch.cat([source, share * wanted + (1 - share) * target])

    def on_feature(self, _module: nn.Module, _args: object, out: Tensor) -> Tensor:
        return self.mix(out, self.feature)

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: None = None, attention_mask: None = None
    ) -> Tensor:
        q, k, v = (attn.head_to_batch_dim(to(hidden_states)) for to in (attn.to_q, attn.to_k, attn.to_v))
        probs = attn.get_attention_scores(q, k).unflatten(0, (len(hidden_states), -1))
        probs = self.mix(probs, self.maps).flatten(0, 1)
        return attn.to_out[0](attn.batch_to_head_dim(torch.bmm(probs, v)))


@torch.no_grad()
def invert(net: Network, x0: Tensor, text: Tensor, steps: int) -> list[Tensor]:
    """Return the latents of DDIM inversion, noisiest first, asked at the level reached."""
    x, latents, stride = x0, [x0], 1000 // steps
    for t in range(1, 2 + (steps - 1) * stride, stride):
        a, b = net.alpha(t - stride), net.alpha(t)
        x = net.move(x, net.noise_told(x, net(x, t, text), a, b), a, b)
        latents.append(x)
    return latents[::-1]


@torch.no_grad()
def edit(
    net: Network,
    latents: Sequence[Tensor],
    source: tuple[Sequence[Tensor], Sequence[float]],
    rows: Rows,
    *,
    feature: Sequence[float],
    maps: Sequence[float],
    pairs: tuple[int, ...],
    layers: Sequence[str] = (FEATURE,),
    start: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return (source, edit); with one latent the source is sampled by its weights, with all it runs through them.

    ``feature`` and ``maps`` hold the source's share at every step, ``rows(i)`` the target's texts and weights.
    """
    texts, weights = source
    injection = Injection(pairs, len(texts))
    handles = [net.unet.get_submodule(name).register_forward_hook(injection.on_feature) for name in layers]
    plain = {name: net.unet.get_submodule(name).processor for name in MAPS}
    for name in MAPS:
        net.unet.get_submodule(name).set_processor(injection)
    steps = len(feature)
    own, x = latents[0], latents[0] if start is None else start
    for i, t in enumerate(1 + 1000 // steps * k for k in reversed(range(steps))):
        injection.feature, injection.maps = feature[i], maps[i]
        wanted, shares = rows(i)
        out = net(torch.cat([own] * len(texts) + [x] * len(wanted)), t, torch.cat([*texts, *wanted]))
        mine, theirs = out[: len(texts)], out[len(texts) :]
        x = step(net, x, theirs, shares, t, steps)
        own = latents[i + 1] if len(latents) > 1 else step(net, own, mine, weights, t, steps)
    for handle in handles:
        handle.remove()
    for name, processor in plain.items():
        net.unet.get_submodule(name).set_processor(processor)
    return own, x


def step(net: Network, x: Tensor, out: Tensor, weights: Sequence[float], t: int, steps: int) -> Tensor:
    """Return the next latent from the rows' outputs and their weights."""
    mixed = sum(w * row for w, row in zip(weights, out, strict=True))[None]
    a, b = net.alpha(t), net.alpha(t - 1000 // steps)
    return net.move(x, net.noise(x, mixed, a), a, b)
