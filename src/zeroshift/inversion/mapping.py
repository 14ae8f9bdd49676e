"""What StyleDiffusion learns (Li et al., arXiv:2303.15649, section 3.2): scale and shift of the value input.

A small network M_t makes them from the picture's CLIP tokens. Tokens are its channels, their features its positions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.diffusion.noise import random_start
from zeroshift.inversion.optimising import Params

Mapping = Literal["affine", "direct"]


@dataclass(frozen=True, eq=False)
class Learner:
    """Parameters of every picture, and how they are read."""

    start: Params
    read: Callable[[Params, Tensor], tuple[Tensor, Tensor]]
    """scale and shift, (n, L, D) each, from the parameters of the pictures with the given indices (n,)"""
    limit: float | None = None
    """what the parameters' size is kept below"""


def network_learner(tokens: Tensor, length: int, mapping: Mapping, blocks: int, seeds: Sequence[int]) -> Learner:
    """Learn a mapping network per picture from its image tokens (B, N, D); ``seeds`` are of their first weights.

    ``affine`` gives c * s + b as the official code does, ``direct`` the value input itself as the paper's text does.
    """
    outputs = 2 * length if mapping == "affine" else length
    networks = [draw_network(tokens.shape[1], 2 * length, outputs, blocks, seed) for seed in seeds]

    def read(params: Params, rows: Tensor) -> tuple[Tensor, Tensor]:
        out = network(params, tokens[rows])
        if mapping == "direct":
            return torch.zeros_like(out), out
        scale, shift = out.chunk(2, 1)
        return scale, shift

    return Learner(tuple(torch.stack(p).to(tokens) for p in zip(*networks, strict=True)), read)


def free_learner(prompt: Tensor) -> Learner:
    """Learn scale and shift themselves for a prompt (B, L, D), begun at 1 and 0."""
    return Learner((torch.ones_like(prompt), torch.zeros_like(prompt)), lambda params, _: (params[0], params[1]))


def clamped_learner(prompt: Tensor, seeds: Sequence[int]) -> Learner:
    """Learn the value input itself, begun at normal noise and kept in [-1, 1]."""
    drawn = random_start(prompt.shape[1:], seeds).clamp(-1, 1)

    def read(params: Params, _: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(params[0]), params[0]

    return Learner((drawn.to(prompt),), read, limit=1.0)


def draw_network(inputs: int, hidden: int, outputs: int, blocks: int, seed: int) -> Params:
    """A network's weights as torch initialises Conv1d and BatchNorm1d, drawn on the CPU.

    In order: weight and bias of the first convolution; weight, bias, gamma and beta of each block; weight and bias of
    the last convolution. Weights are (out, in), the others (out, 1).
    """
    generator = torch.Generator().manual_seed(seed)

    def conv(into: int, out: int) -> Params:
        return tuple((2 * torch.rand(out, n, generator=generator) - 1) / sqrt(into) for n in (into, 1))

    params = conv(inputs, hidden)
    for _ in range(blocks):
        params += (*conv(hidden, hidden), torch.ones(hidden, 1), torch.zeros(hidden, 1))
    return params + conv(hidden, outputs)


def network(params: Params, tokens: Tensor) -> Tensor:
    """Run every picture's network on its tokens (n, N, D): (n, outputs, D)."""
    x = torch.baddbmm(params[1], params[0], tokens)
    for k in range(2, len(params) - 2, 4):
        weight, bias, gamma, beta = params[k : k + 4]
        # batch normalisation of one picture in training mode, at all times: over positions, channel by channel
        normal = F.layer_norm(torch.baddbmm(bias, weight, x), x.shape[-1:])
        x = F.leaky_relu(normal * gamma + beta, 0.01)
    return torch.baddbmm(params[-1], params[-2], x)
