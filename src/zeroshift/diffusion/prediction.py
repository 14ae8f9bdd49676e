"""Asking the network: one forward pass for rows of prompts, and their weighted mix."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.diffusion.embedding import Embedding, TextRows
from zeroshift.diffusion.sites import Taps


def predict(
    backbone: Backbone,
    taps: Taps,
    x: Tensor,
    timestep: float | Tensor,
    text: TextRows | Embedding,
    *,
    blocks: int = 1,
) -> Tensor:
    """The network's raw output for latents (N, C, h, w) and as many prompts; one timestep, or one per row.

    Latents and timesteps that are ``blocks`` equal blocks are computed once until prompts come in.
    """
    rows = text.stacked if isinstance(text, TextRows) else text
    with asking(backbone, taps, rows, blocks):
        return backbone.predict(x, timestep, rows)


@contextmanager
def asking(backbone: Backbone, taps: Taps, rows: Embedding, blocks: int) -> Iterator[None]:
    """What a pass for ``rows`` finds in the network; also while its gradient is taken, if layers run again for that."""
    shared = backbone.sharing(blocks, taps.listened) if blocks > 1 else nullcontext()
    with taps.seeing(rows.values), shared:
        yield


def guided(
    backbone: Backbone, taps: Taps, rows: tuple[Tensor, ...], timestep: float | Tensor, text: TextRows
) -> Tensor:
    """The weighted prediction; ``rows`` holds one latent for all prompts or one per prompt.

    The timestep is one, or one per latent's row, repeated for every prompt.
    """
    x, blocks = joined(rows if len(rows) == len(text) else rows * len(text))
    return mixed(predict(backbone, taps, x, timestep, text, blocks=blocks), text)


def joined(rows: Sequence[Tensor]) -> tuple[Tensor, int]:
    """The prompts' latents as one (R * B, C, h, w), and how many equal blocks it has: R if all are one."""
    return torch.cat(tuple(rows)), len(rows) if all(row is rows[0] for row in rows) else 1


def mixed(out: Tensor, text: TextRows) -> Tensor:
    """The weighted sum of the rows' outputs (R * B, C, h, w): (B, C, h, w)."""
    parts = out.chunk(len(text))
    return sum((w * p for w, p in zip(text.weights[1:], parts[1:], strict=True)), text.weights[0] * parts[0])
