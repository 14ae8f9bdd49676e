"""Rows that differ in their prompts alone: what a UNet computes before its first cross-attention is computed once.

Classifier-free guidance asks about several prompts at one latent and timestep. Text comes in at the first
cross-attention layer; the layers before it get equal rows, here the first of them, and their output is repeated.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any
from weakref import WeakKeyDictionary

import torch
from diffusers import Transformer2DModel, UNet2DConditionModel
from diffusers.models.unets.unet_2d_blocks import CrossAttnDownBlock2D, DownBlock2D
from torch import Tensor, nn


@contextmanager
def sharing(unet: UNet2DConditionModel, blocks: int, tapped: Collection[str]) -> Iterator[None]:
    """Compute once what comes before the text, in passes whose rows are ``blocks`` equal blocks in all but the text.

    It ends at the first layer that one of the ``tapped`` sites opens: what is done there may tell rows apart.
    """
    early = [once for _, once in takewhile(lambda layer: layer[0] not in tapped, layers_before_text(unet))]
    try:
        for once in early:
            once.blocks = blocks
        yield
    finally:
        for once in early:
            once.rest()


_LAYERS: WeakKeyDictionary[UNet2DConditionModel, list[tuple[str | None, "Once"]]] = WeakKeyDictionary()


def layers_before_text(unet: UNet2DConditionModel) -> "list[tuple[str | None, Once]]":
    """The layers up to the first cross-attention's queries, in running order, each with its site.

    Their hooks are put in once for a network, at the first call, and do nothing but in ``sharing``: several passes of
    every step would put them in and take them out.
    """
    if unet not in _LAYERS:
        _LAYERS[unet] = [(site, Once(unet.get_submodule(name))) for name, site in before_text(unet)]
    return _LAYERS[unet]


def before_text(unet: UNet2DConditionModel) -> Iterator[tuple[str, str | None]]:
    """Yield the modules up to the first cross-attention's queries, in running order, and the site that each has."""
    yield "conv_in", None
    if unet.config.addition_embed_type is not None:  # the timestep's embedding then holds text
        return
    for n, block in enumerate(unet.down_blocks):
        path, attends = f"down_blocks.{n}", isinstance(block, CrossAttnDownBlock2D)
        if not isinstance(block, CrossAttnDownBlock2D | DownBlock2D):
            return
        for k, _ in enumerate(block.resnets[:1] if attends else block.resnets):
            yield f"{path}.resnets.{k}", f"{path}.resnets.{k}.conv2"
        if attends:
            yield from _before_text_in(block.attentions[0], f"{path}.attentions.0")
            return
        yield from ((f"{path}.downsamplers.{k}", None) for k, _ in enumerate(block.downsamplers or ()))


def _before_text_in(transformer: nn.Module, path: str) -> Iterator[tuple[str, str | None]]:
    if not isinstance(transformer, Transformer2DModel):
        return
    yield from ((f"{path}.{name}", None) for name in ("norm", "proj_in"))
    block, first = transformer.transformer_blocks[0], f"{path}.transformer_blocks.0"
    if block.norm_type == "layer_norm" and not block.only_cross_attention:
        yield f"{first}.norm1", None
        yield f"{first}.attn1", f"{first}.attn1"
        yield from ((f"{first}.{name}", None) for name in ("norm2", "attn2.to_q"))


class Once:
    """A module's two hooks: while there are several ``blocks`` of rows, it gets the first, and its output is all's."""

    def __init__(self, module: nn.Module) -> None:
        self.blocks = 1
        self._given: tuple[Tensor, Tensor] | None = None
        """all rows of a pass, and what the module gets of them"""
        module.register_forward_pre_hook(self.narrow)
        module.register_forward_hook(self.widen)

    def rest(self) -> None:
        """Let every pass through from here on, and hold nothing of the last."""
        self.blocks, self._given = 1, None

    def narrow(self, _module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The first block of every argument; the first argument's begins a graph of its own."""
        if self.blocks == 1:
            return args
        rows, (x, *rest) = args[0], (arg[: len(arg) // self.blocks] for arg in args)
        # one graph for all rows; Repeated takes each block's gradient through it
        self._given = rows, x.detach().requires_grad_() if _differentiates(rows) else x
        return (self._given[1], *rest)

    def widen(self, _module: nn.Module, _args: object, out: Tensor) -> Tensor:
        """The output of every row."""
        if self._given is None:
            return out
        rows, x = self._given
        self._given = None
        if not _differentiates(rows):
            return repeated(out, self.blocks)
        every: Tensor = Repeated.apply(rows, (x, out), self.blocks)  # type: ignore[no-untyped-call]
        return every


def _differentiates(rows: Tensor) -> bool:
    return torch.is_grad_enabled() and rows.requires_grad


class Repeated(torch.autograd.Function):
    """The output of equal rows, computed once; each row keeps its own gradient, as if it had been computed too."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, once: tuple[Tensor, Tensor], blocks: int) -> Tensor:  # noqa: ANN401
        ctx.once, ctx.blocks = once, blocks
        return repeated(once[1].detach(), blocks)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        x, out = ctx.once
        found = [torch.autograd.grad(out, x, g, retain_graph=True)[0] for g in gradients[0].chunk(ctx.blocks)]
        return torch.cat(found), None, None


def repeated(out: Tensor, blocks: int) -> Tensor:
    """(N, ...) ``blocks`` times, (blocks * N, ...): a view for one row."""
    return out.expand(blocks, *out.shape).flatten(0, 1)
