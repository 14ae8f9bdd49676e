"""Text as the network takes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Embedding:
    """Encoded prompts, one per picture."""

    tokens: Tensor
    """hidden states of the text encoder, (B, L, D), padding included"""
    values: Tensor | None = None
    """what the value projections of cross-attention see instead of the tokens, (B, L, D) (StyleDiffusion, Eq. 5)"""
    pooled: Tensor | None = None
    """one vector per prompt, (B, P), that the network takes beside the tokens; None for a network that takes none"""

    def shift(self, direction: "Embedding", scale: float) -> "Embedding":
        """Add ``scale * direction`` (1, L, D), token position by token position (pix2pix-zero, section 3.1).

        The pooled vectors move along the direction's, if it has any.
        """
        tokens, pooled = self.tokens + scale * direction.tokens.to(self.tokens), self.pooled
        if pooled is not None and direction.pooled is not None:
            pooled = pooled + scale * direction.pooled.to(pooled)
        return Embedding(tokens, pooled=pooled)

    def like(self, other: "Embedding") -> "Embedding":
        """The same on the device and in the precision of ``other``; without pooled vectors if that has none."""
        own, theirs = self.pooled, other.pooled
        return Embedding(self.tokens.to(other.tokens), pooled=None if own is None or theirs is None else own.to(theirs))

    def towards(self, other: "Embedding", share: float) -> "Embedding":
        """What lies between this (``share`` 0) and ``other`` (1)."""
        tokens, pooled, values = torch.lerp(self.tokens, other.tokens, share), self.pooled, None
        if pooled is not None and other.pooled is not None:
            pooled = torch.lerp(pooled, other.pooled, share)
        if self.values is not None or other.values is not None:
            values = torch.lerp(self.for_values, other.for_values, share)
        return Embedding(tokens, values, pooled)

    def of(self, tokens: Tensor, rows: Tensor | slice = slice(None)) -> "Embedding":
        """Put other ``tokens`` (n, L, D) in the place of those of the prompts ``rows``, whose pooled vectors stay."""
        return Embedding(tokens, pooled=None if self.pooled is None else self.pooled[rows])

    @property
    def for_values(self) -> Tensor:
        """What the value projections see, (B, L, D)."""
        return self.tokens if self.values is None else self.values

    def row(self, k: int) -> "Embedding":
        """Picture ``k``'s prompt, (1, L, D)."""
        return replace(self, **{name: x[k : k + 1] for name, x in vars(self).items() if x is not None})

    def repeat(self, count: int) -> "Embedding":
        """Give each of ``count`` pictures the one prompt (1, L, D)."""
        return Embedding(
            self.tokens.expand(count, -1, -1), pooled=None if self.pooled is None else self.pooled.expand(count, -1)
        )


@dataclass(frozen=True, eq=False)
class TextRows:
    """The prompts that one noise prediction is mixed from: ``sum(weight * prediction)`` over one to four rows.

    The last row is the prompt's; rows before it are what it is held against.
    """

    embeddings: tuple[Embedding, ...]
    weights: tuple[float, ...]

    @property
    def tokens(self) -> Tensor:
        """All rows, row by row: (R * B, L, D)."""
        return torch.cat([e.tokens for e in self.embeddings])

    @property
    def values(self) -> Tensor | None:
        """What value projections see, (R * B, L, D); None where that is the tokens in every row."""
        if all(e.values is None for e in self.embeddings):
            return None
        return torch.cat([e.for_values for e in self.embeddings])

    @property
    def pooled(self) -> Tensor | None:
        """The rows' pooled vectors, (R * B, P); None where the network takes none."""
        found = [e.pooled for e in self.embeddings if e.pooled is not None]
        return torch.cat(found) if found else None

    @property
    def stacked(self) -> Embedding:
        """All rows as the prompts of one pass, R * B of them."""
        return Embedding(self.tokens, self.values, self.pooled)

    @property
    def prompt(self) -> "TextRows":
        """The prompt's row alone."""
        return TextRows(self.embeddings[-1:], (1.0,))

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


def guidance_with_empty(
    empty: Embedding, negative: Embedding, prompt: Embedding, scale: float, share: float
) -> TextRows:
    """Classifier-free guidance away from ``share * empty + (1 - share) * negative``, as in Plug-and-Play's first code.

    Rows of weight 0 are left out.
    """
    if share in (0, 1) or scale == 1:
        return guidance_rows(empty if share == 1 else negative, prompt, scale)
    return TextRows((empty, negative, prompt), ((1 - scale) * share, (1 - scale) * (1 - share), scale))


def between(source: TextRows, target: TextRows, share: float) -> TextRows:
    """The target's rows moved towards the source's: at ``share`` 0 they predict as the source's do.

    Rows are paired from the last, which is the prompt's; the source's first stands for those that it lacks.
    """
    if share == 1:
        return target
    missing = len(target) - len(source)
    rows: Sequence[Embedding] = (*source.embeddings[:1] * missing, *source.embeddings)[-len(target) :]
    return TextRows(tuple(s.towards(t, share) for s, t in zip(rows, target.embeddings, strict=True)), target.weights)
