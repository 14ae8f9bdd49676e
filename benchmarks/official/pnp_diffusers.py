"""Plug-and-Play (Tumanyan et al., arXiv:2211.12572), the authors' second code on diffusers.

999 steps of inversion, 999 of reconstruction (for a picture to look at), then three rows per step: the stored latent,
the negative prompt's and the target's; feature, q and k of the first row overwrite those of the others. Attention is
written out in the layers whose q and k are overwritten, at every step of the edit; elsewhere it is the library's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from benchmarks.official.model import Model, Work, Written, attention, guided


def units(steps: int, inversion_steps: int = 999) -> dict[str, int]:
    return {"inversion": inversion_steps, "reconstruction": inversion_steps, "edit": steps}


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
    scale: float = 7.5,
    feature_until: float = 0.8,
    attention_until: float = 0.5,
) -> Work:
    """Edit the photograph ``x0``; the inversion's prompt is empty."""
    stored, x = dict[int, Tensor](), x0
    for t in reversed(model.timesteps(inversion_steps)):
        x = model.up(x, model(x, t, empty), t, inversion_steps)
        stored[t] = x
        yield "inversion"
    for t in model.timesteps(inversion_steps):
        x = model.down(x, model(x, t, empty), t, inversion_steps)
        yield "reconstruction"
    x, text = stored[model.timesteps(steps)[0]], torch.cat([empty, negative, target])
    features, maps = int(feature_until * steps), int(attention_until * steps)
    at = [0]
    with injected(model.unet, lambda: at[0] < features, lambda: at[0] < maps):
        for i, t in enumerate(model.timesteps(steps)):
            at[0] = i
            out = model(torch.cat([stored[t], x, x]), t, text)
            x = model.down(x, guided(out[1:], scale), t, steps)
            yield "edit"
    return x


def layers(unet: UNet2DConditionModel) -> tuple[nn.Module, list[str]]:
    """The feature's convolution and the names of the self-attention layers after it.

    In Stable Diffusion up_blocks.1.resnets.1.conv2 and the eight layers from up_blocks.1.attentions.1 on; in other
    networks likewise, in the decoder stage at a quarter of the latent's side.
    """
    stage = len(unet.up_blocks) - 3
    early = [f"up_blocks.{i}." for i in range(stage)] + [f"up_blocks.{stage}.attentions.0."]
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    later = [n for n in names if n.endswith("attn1") and n.startswith("up_blocks") and not n.startswith(tuple(early))]
    return unet.up_blocks[stage].resnets[1].conv2, later


class FirstRow(Written):
    """Self-attention whose other rows take the first one's q and k while it is on."""

    def __init__(self, name: str, on: Callable[[], bool]) -> None:
        super().__init__(name)
        self.on = on

    def projected(self, attn: Attention, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = super().projected(attn, x, context)
        if self.on():
            q, k = (part[: attn.heads].repeat(len(x), 1, 1) for part in (q, k))
        return q, k, v


@contextmanager
def injected(
    unet: UNet2DConditionModel, features_on: Callable[[], bool], maps_on: Callable[[], bool]
) -> Iterator[None]:
    """Overwrite the other rows' feature, q and k by the first row's while they are on."""
    convolution, names = layers(unet)

    def first_row(_module: nn.Module, _args: object, out: Tensor) -> Tensor | None:
        return out[:1].repeat(len(out), 1, 1, 1) if features_on() else None

    handle = convolution.register_forward_hook(first_row)
    try:
        with attention(unet, lambda name: FirstRow(name, maps_on) if name in names else None):
            yield
    finally:
        handle.remove()
