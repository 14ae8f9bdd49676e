"""What Prompt-to-Prompt makes of a cross-attention map, step by step (Hertz et al., arXiv:2208.01626, section 3)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zeroshift.control.alignment import Alignment
from zeroshift.diffusion.sites import Compute

Window = tuple[int, int]
"""first step and the one after the last, counted from the first step that sampling takes"""


@dataclass(frozen=True, eq=False)
class CrossEdit:
    """What becomes of a cross-attention map at every step."""

    alignment: Alignment
    factors: Tensor
    """what each target token's map is multiplied by, without normalising again, (L,)"""
    windows: tuple[Window, ...]
    """the steps in which each target token's map is edited"""
    strength: Callable[[int], float]
    """how far the target's prompt lies from the source's at a step: at 0 every token stands for itself"""
    placed: Callable[[Tensor], Tensor]
    """brings a tensor to the maps' device and precision"""
    steps: int
    """how many steps sampling takes"""

    def active(self, step: int) -> bool:
        """Whether any token's map is edited."""
        return any(begin <= step < end for begin, end in self.windows)

    def at(self, step: int) -> "Change":
        """What is done to the maps of a step in which any is edited."""
        return self._changes[step]

    @cached_property
    def _changes(self) -> "list[Change]":
        """The changes of all steps up to the last that is edited, brought to the device in one go."""
        steps = range(min(self.steps, max(end for _, end in self.windows)))
        kept = [self._kept(step) for step in steps]
        taken, left = self.placed(torch.stack([self._taken(step) for step in steps])), self.placed(torch.stack(kept))
        return [Change(taken[step], left[step] if kept[step].any() else None) for step in steps]

    def _taken(self, step: int) -> Tensor:
        matrix = self.alignment.matrix
        moved = torch.lerp(torch.eye(len(matrix)).to(matrix), matrix, self._share(step))
        return moved * (self._on(step) * self._factors(step) * self.alignment.share)

    def whole(self, step: int) -> bool:
        """Whether nothing of the target's own map is left."""
        return not self._kept(step).any()

    def _kept(self, step: int) -> Tensor:
        on = self._on(step)
        return on * self._factors(step) * (1 - self.alignment.share) + (1 - on)

    def _factors(self, step: int) -> Tensor:
        return torch.lerp(torch.ones_like(self.factors), self.factors, self._share(step))

    def _share(self, step: int) -> float:
        return min(self.strength(step), 1.0)

    def _on(self, step: int) -> Tensor:
        return torch.tensor([float(begin <= step < end) for begin, end in self.windows]).to(self.factors)


@dataclass(frozen=True, eq=False)
class Change:
    """The edit of one step's maps: ``source @ taken + target * kept``."""

    taken: Tensor
    """(L, L)"""
    kept: Tensor | None
    """(L,); None where it is 0 for every token, so that the target's own map need not be known"""

    def of(self, source: Tensor, own: Compute) -> Tensor:
        """The edited map (B, heads, S, L)."""
        moved = source @ self.taken
        return moved if self.kept is None else moved + own() * self.kept
