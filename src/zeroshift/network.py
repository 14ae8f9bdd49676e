"""Asking the network: one forward pass for rows of prompts, and their weighted mix."""

import torch
from torch import Tensor

from zeroshift.backbones.base import Backbone
from zeroshift.embedding import Embedding, TextRows
from zeroshift.sites import Taps


def predict(backbone: Backbone, taps: Taps, x: Tensor, timestep: int | Tensor, text: TextRows | Embedding) -> Tensor:
    """Return the network's raw output for latents (N, C, h, w) and as many prompts; one timestep, or one per row."""
    with taps.seeing(text.values):
        return backbone.predict(x, timestep, text.tokens)


def guided(backbone: Backbone, taps: Taps, rows: tuple[Tensor, ...], timestep: int | Tensor, text: TextRows) -> Tensor:
    """Return the weighted prediction; ``rows`` holds one latent for all prompts or one per prompt."""
    latents = rows if len(rows) == len(text) else rows * len(text)
    return mixed(predict(backbone, taps, torch.cat(latents), timestep, text), text)


def mixed(out: Tensor, text: TextRows) -> Tensor:
    """Return the weighted sum of the rows' outputs (R * B, C, h, w): (B, C, h, w)."""
    parts = out.chunk(len(text))
    return sum((w * p for w, p in zip(text.weights[1:], parts[1:], strict=True)), text.weights[0] * parts[0])
