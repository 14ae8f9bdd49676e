"""Taps into diffusers' UNet2DConditionModel: attention through processors, residual blocks by standing in for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from zeroshift.backbones.deep import deep_site, opened
from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.sites import Compute, Part, Site, Taps


def find_sites(unet: UNet2DConditionModel) -> tuple[Site, ...]:
    """List attention layers and the last convolution of every residual block, in running order, then the deep half."""
    found: list[Site] = []
    depth = len(unet.down_blocks)
    for index, block in enumerate(unet.down_blocks):
        found += _block_sites(block, f"down_blocks.{index}", "down", 2**index, len(found))
    if unet.mid_block is not None:
        found += _block_sites(unet.mid_block, "mid_block", "mid", 2 ** (depth - 1), len(found))
    for index, block in enumerate(unet.up_blocks):
        found += _block_sites(block, f"up_blocks.{index}", "up", 2 ** (depth - 1 - index), len(found))
    deep = deep_site(unet, len(found))
    return (*found, deep) if deep else tuple(found)


def _block_sites(
    block: nn.Module, path: str, stage: Literal["down", "mid", "up"], scale: int, first: int
) -> list[Site]:
    names: list[tuple[str, Literal["self", "cross", "conv"]]] = []
    resnets, attentions = list(getattr(block, "resnets", [])), list(getattr(block, "attentions", []))
    lead = len(resnets) - len(attentions) if stage == "mid" else 0  # the middle begins with a residual block
    for k, _ in enumerate(resnets):
        names.append((f"{path}.resnets.{k}.conv2", "conv"))
        if lead <= k + 1 and k < len(attentions):
            names += _attention_names(attentions[k], f"{path}.attentions.{k}")
    return [Site(name, kind, stage, scale, first + n) for n, (name, kind) in enumerate(names)]


def _attention_names(module: nn.Module, path: str) -> list[tuple[str, Literal["self", "cross", "conv"]]]:
    layers = [(name, m) for name, m in module.named_modules() if isinstance(m, Attention)]
    return [(f"{path}.{name}", "cross" if m.is_cross_attention else "self") for name, m in layers]


@contextmanager
def tap(unet: UNet2DConditionModel, site: Site, taps: Taps) -> Iterator[None]:
    """Install ``taps`` at one site; put the layer back as it was on exit.

    Raises:
        Unsupported: the layer's processor holds weights of its own (IP-Adapter), which a tap would silently drop, or
            the residual block is not Stable Diffusion's.
    """
    if site.kind == "deep":
        with opened(unet, site, taps):
            yield
        return
    if site.kind == "conv":
        with _tapped_block(unet, site, taps):
            yield
        return
    module = unet.get_submodule(site.name)
    assert isinstance(module, Attention)
    before = module.processor
    if not isinstance(before, (AttnProcessor, AttnProcessor2_0)):
        raise Unsupported(
            f"The attention layer {site.name} runs {type(before).__name__}, which this edit would drop; "
            "load the checkpoint without adapters."
        )
    try:
        module.set_processor(TappedAttention(site, taps))
        yield
    finally:
        module.set_processor(before)


@contextmanager
def _tapped_block(unet: UNet2DConditionModel, site: Site, taps: Taps) -> Iterator[None]:
    path, index = site.name.removesuffix(".conv2").rsplit(".", 1)
    blocks = unet.get_submodule(path)
    assert isinstance(blocks, nn.ModuleList)
    before = blocks[int(index)]
    if not isinstance(before, ResnetBlock2D) or not _is_plain(before):
        raise Unsupported(
            f"The residual block {path}.{index} is not built as Stable Diffusion's; load another checkpoint."
        )
    try:
        blocks[int(index)] = TappedResidual(before, site, taps)
        yield
    finally:
        blocks[int(index)] = before


def _is_plain(block: ResnetBlock2D) -> bool:
    timed = block.time_embedding_norm == "default" and block.time_emb_proj is not None and not block.skip_time_act
    return timed and not block.up and not block.down


class TappedResidual(nn.Module):
    """A residual block whose output before the shortcut is open to taps; replaced, neither convolution is run."""

    def __init__(self, block: ResnetBlock2D, site: Site, taps: Taps) -> None:
        super().__init__()
        self.block, self.site, self.taps = block, site, taps

    def forward(self, x: Tensor, temb: Tensor) -> Tensor:
        feature = self.taps(self.site, "feature", lambda: residual(self.block, x, temb))
        shortcut = x if self.block.conv_shortcut is None else self.block.conv_shortcut(x)
        out: Tensor = (shortcut + feature) / self.block.output_scale_factor
        return out


def residual(block: ResnetBlock2D, x: Tensor, temb: Tensor) -> Tensor:
    """What the block adds to its shortcut, operation by operation as it does."""
    hidden = block.conv1(block.nonlinearity(block.norm1(x)))
    hidden = block.norm2(hidden + block.time_emb_proj(block.nonlinearity(temb))[:, :, None, None])
    out: Tensor = block.conv2(block.dropout(block.nonlinearity(hidden)))
    return out


class TappedAttention:
    """Plain Stable Diffusion attention with q, k, v, probabilities and output (per head) open to taps.

    Fused attention stays the path unless probabilities are asked for; those are computed in float32 at least. Of what
    is replaced nothing is computed: q and k neither where the probabilities are.
    """

    def __init__(self, site: Site, taps: Taps) -> None:
        self.site, self.taps = site, taps

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        **_: Any,  # noqa: ANN401 - diffusers' signature
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        seen = context if self.taps.values is None or self.site.kind == "self" else self.taps.values.to(context.dtype)
        q = self.part("q", lambda: self.heads(attn, attn.to_q(hidden_states)))  # (N, heads, S, d)
        k = self.part("k", lambda: self.heads(attn, attn.to_k(context)))
        v = self.part("v", lambda: self.heads(attn, attn.to_v(seen)))
        mixed = self.taps(self.site, "output", lambda: self.mix(attn, q, k, v))  # (N, heads, S, d)
        merged = mixed.transpose(1, 2).flatten(2)  # (N, S, heads * d)
        out: Tensor = attn.to_out[1](attn.to_out[0](merged))
        return out

    def part(self, part: Part, compute: Compute) -> Compute:
        """What gives a part: at once if it is listened to, else not before somebody needs it."""
        if not self.taps.wants(self.site, part):
            return compute
        x = self.taps(self.site, part, compute)
        return lambda: x

    def mix(self, attn: Attention, q: Compute, k: Compute, v: Compute) -> Tensor:
        """The values mixed by attention, (N, heads, S, d)."""
        if not self.taps.wants(self.site, "probs"):
            return F.scaled_dot_product_attention(q(), k(), v())  # default scale, as the processor replaced: equal bits
        probs = self.taps(self.site, "probs", lambda: probabilities(q(), k(), attn.scale))  # (N, heads, S, L)
        values = v()
        return probs.to(values.dtype) @ values

    @staticmethod
    def heads(attn: Attention, x: Tensor) -> Tensor:
        """Split (N, S, heads * d) into (N, heads, S, d)."""
        split: Tensor = x.unflatten(2, (attn.heads, -1))
        return split.transpose(1, 2)


def probabilities(q: Tensor, k: Tensor, scale: float) -> Tensor:
    """Softmax(q k^T * scale), (N, heads, S, L), in float32 for half-precision inputs."""
    if q.dtype in (torch.float16, torch.bfloat16):
        q, k = q.float(), k.float()
    return (q @ k.transpose(-1, -2) * scale).softmax(-1)
