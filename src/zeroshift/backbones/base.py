"""What the rest of the package knows of a loaded checkpoint."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from zeroshift.embedding import Embedding
from zeroshift.schedule import Schedule
from zeroshift.sites import Site, Taps


class Unsupported(ValueError):
    """A method asks for what this checkpoint's network does not have."""


@dataclass(frozen=True)
class Identity:
    """Which weights made a picture."""

    name: str
    """hub id, name of the local folder, or "shipped" """
    sha256: str
    """hash of every weight and configuration file, or of their names where nothing is loaded"""
    revision: str | None = None
    """commit of a hub checkpoint"""


class Backbone(Protocol):
    """A checkpoint family behind one interface. Pictures are (B, 3, H, W) in [-1, 1], latents (B, C, h, w)."""

    @property
    def identity(self) -> Identity: ...

    @property
    def size(self) -> int:
        """Return the side in pixels that the checkpoint was trained at."""

    @property
    def multiple(self) -> int:
        """Return what the sides of a picture must be a multiple of."""

    @property
    def latent_channels(self) -> int: ...

    @property
    def factor(self) -> int:
        """Return how many pixels one latent cell covers per side."""

    @property
    def device(self) -> torch.device: ...

    @property
    def precision(self) -> str:
        """Return the networks' precision: fp32, fp16, bf16 or fp64."""

    @property
    def sites(self) -> tuple[Site, ...]: ...

    def tap(self, site: Site, taps: Taps) -> AbstractContextManager[None]: ...

    def schedule(self, steps: int) -> Schedule: ...

    def encode(self, pictures: Tensor) -> Tensor: ...

    def decode(self, latents: Tensor) -> Tensor: ...

    def embed(self, prompts: Sequence[str]) -> Embedding: ...

    def predict(self, x: Tensor, timestep: int, tokens: Tensor) -> Tensor:
        """Return the network's raw output for latents (N, C, h, w) and prompts (N, L, D)."""
