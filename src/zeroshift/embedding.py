"""Text as the network takes it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Embedding:
    """Encoded prompts, one per picture."""

    tokens: Tensor
    """last hidden states of the text encoder, (B, L, D), padding included"""

    def shift(self, direction: Tensor, scale: float) -> "Embedding":
        """Add ``scale * direction`` (1, L, D), token position by token position (pix2pix-zero, section 3.1)."""
        return Embedding(self.tokens + scale * direction.to(self.tokens))

    def repeat(self, count: int) -> "Embedding":
        """Give each of ``count`` pictures the one prompt (1, L, D)."""
        return Embedding(self.tokens.expand(count, -1, -1))


@dataclass(frozen=True, eq=False)
class TextRows:
    """The prompts that one noise prediction is mixed from: ``sum(weight * prediction)`` over one to three rows."""

    embeddings: tuple[Embedding, ...]
    weights: tuple[float, ...]

    @property
    def tokens(self) -> Tensor:
        """Return all rows, row by row: (R * B, L, D)."""
        return torch.cat([e.tokens for e in self.embeddings])

    def __len__(self) -> int:
        return len(self.embeddings)


def guidance_rows(negative: Embedding, prompt: Embedding, scale: float) -> TextRows:
    """Classifier-free guidance, ``negative + scale * (prompt - negative)`` (Ho and Salimans 2022, Eq. 6).

    ``scale`` 1 is off, as in diffusers. Rows that cannot matter are left out: the negative one at scale 1, and one
    of two that are the same object.
    """
    if scale == 1 or negative is prompt:
        return TextRows((prompt,), (1.0,))
    return TextRows((negative, prompt), (1 - scale, scale))
