"""Bound conditionings: the text rows of both branches at every step."""

from dataclasses import dataclass

from torch import Tensor

from zeroshift.embedding import Embedding, TextRows, guidance_rows


@dataclass(frozen=True, eq=False)
class FixedPrompts:
    """The same source and target prompts at every step."""

    source_rows: TextRows
    target_rows: TextRows

    def source(self, i: int) -> TextRows:
        return self.source_rows

    def target(self, i: int) -> TextRows:
        return self.target_rows


@dataclass(frozen=True, eq=False)
class ShiftedPrompt:
    """The source prompt, and as target the same prompt moved along an edit direction by a strength per step."""

    negative: Embedding
    prompt: Embedding
    delta: Tensor
    strengths: tuple[float, ...]
    """how far the target lies along the direction at each step; 1 is the direction as it was found"""
    guidance_scale: float

    def source(self, i: int) -> TextRows:
        return guidance_rows(self.negative, self.prompt, self.guidance_scale)

    def target(self, i: int) -> TextRows:
        shifted = self.prompt.shift(self.delta, self.strengths[i])
        return guidance_rows(self.negative, shifted, self.guidance_scale)
