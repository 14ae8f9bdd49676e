"""Layers that students share: blocks told by an embedding, attention among places, and what intensities become."""

import math
from abc import ABC, abstractmethod
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)
GROUPS = 8
"""of channels, each with its own mean and variance"""


def laid(network: N, layout: torch.memory_format) -> N:
    """The network with its weights in that layout; convolutions on a CPU are fastest with the channels last."""
    network.to(memory_format=layout)  # type: ignore[call-overload]
    return network


class MaskedEdit(nn.Module, ABC):
    """A network that makes an edit and says where it is."""

    @abstractmethod
    def edited(self, x: Tensor, direction: Tensor, intensity: Tensor) -> tuple[Tensor, Tensor]:
        """Edits (B, 3, H, W), and where they are, (B, 1, H, W) from 0 to 1; the arguments are those of ``forward``."""

    def forward(self, x: Tensor, direction: Tensor, intensity: Tensor) -> Tensor:
        """Edited pictures (B, 3, H, W).

        Args:
            x: pictures (B, 3, H, W) in [-1, 1], sides multiples of ``multiple``.
            direction: (B,), int64, which of ``directions``.
            intensity: (B,) from 0, the photograph, to 1.
        """
        return self.edited(x, direction, intensity)[0]


class Modulated(nn.Module):
    """A residual block of two 3x3 convolutions between which FiLM scales and shifts every channel (Perez et al. 2018).

    Starts as the identity: the last convolution is zero.
    """

    def __init__(self, channels: int, told: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, channels), nn.GroupNorm(GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = nn.Linear(told, 2 * channels)
        for parameter in (*self.conv2.parameters(), *self.film.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Features (B, C, h, w), told by (B, E)."""
        scale, shift = self.film(told)[:, :, None, None].chunk(2, 1)
        h = self.norm2(self.conv1(F.silu(self.norm1(x))))
        y: Tensor = x + self.conv2(F.silu(h * (1 + scale) + shift))
        return y


class Level(nn.ModuleList):
    """Blocks one after another."""

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Features (B, C, h, w), told by (B, E)."""
        for block in self:
            x = block(x, told)
        return x


class Attention(nn.Module):
    """Self-attention among the places of a coarse map, in heads of 32 channels; starts as the identity."""

    def __init__(self, channels: int, head: int = 32) -> None:
        super().__init__()
        self.heads, self.norm = channels // head, nn.GroupNorm(GROUPS, channels)
        self.qkv, self.out = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, h, w)."""
        q, k, v = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3 * self.heads, -1)).mT.chunk(3, 1)  # (B, n, S, c)
        found = F.scaled_dot_product_attention(q, k, v).mT.flatten(1, 2).unflatten(2, x.shape[2:])
        y: Tensor = x + self.out(found)
        return y


class Told(nn.Module):
    """What all blocks are told: the direction and the intensity, as one vector."""

    frequencies: Tensor
    waves = 8
    """frequencies that an intensity is told by"""

    def __init__(self, directions: int, width: int) -> None:
        super().__init__()
        self.direction = nn.Embedding(directions, width)
        self.intensity, self.both = nn.Linear(2 * self.waves, width), nn.Linear(width, width)
        self.register_buffer("frequencies", math.pi * torch.arange(1, self.waves + 1) / 2, persistent=False)

    def forward(self, direction: Tensor, intensity: Tensor) -> Tensor:
        """(B, width) of directions (B,) by number and intensities (B,) from 0 to 1."""
        phase = intensity[:, None] * self.frequencies
        h = self.direction(direction) + self.intensity(torch.cat([phase.sin(), phase.cos()], 1))
        return F.silu(self.both(F.silu(h)))
