"""Local blend: outside of where two words look, the target is the source (Prompt-to-Prompt, arXiv:2208.01626).

The mask of section 3, as its code computes it from all maps so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from zeroshift.diffusion.backbone import Unsupported
from zeroshift.diffusion.sites import Site, quarter_cross


def blend_sites(sites: Sequence[Site]) -> frozenset[Site]:
    """The layers whose maps make the mask: cross-attention in encoder and decoder at a quarter of the latent.

    Where there are none, those of the coarsest grid that both have.

    Raises:
        Unsupported: no grid has both.
    """
    found = quarter_cross(sites)
    if not found:
        raise Unsupported(
            "Local blend needs cross-attention in encoder and decoder at one size, and this network has none; "
            "leave `blend_words` out."
        )
    return found


@dataclass(eq=False)
class LocalBlend:
    """The mask of one run; it holds the sums of the maps so far."""

    sites: frozenset[Site]
    words: tuple[Tensor, Tensor]
    """1 where a token belongs to the mask's words or to those taken out of it, for source and target, (L, 2) each"""
    threshold: float
    """what share of its maximum a map must exceed"""
    start: int
    """how many steps are only looked at"""
    subtracts: bool
    """whether something is taken out of the mask"""
    sums: list[Tensor] = field(default_factory=list)
    """maps of source and target so far, summed over layers and heads, (B, S, 2) each"""

    def look(self, source: Tensor, target: Tensor) -> None:
        """Add one layer's probabilities (B, heads, S, L) of both branches."""
        maps = [(probs @ words).sum(1) for probs, words in zip((source, target), self.words, strict=True)]
        self.sums = [old + new for old, new in zip(self.sums, maps, strict=True)] if self.sums else maps

    def mask(self, height: int, width: int) -> Tensor:
        """Where the target stays, (B, 1, height, width), bool: where the words of either branch look."""
        mask = self._where(0, height, width, pooled=True)
        return mask & ~self._where(1, height, width, pooled=False) if self.subtracts else mask

    def _where(self, column: int, height: int, width: int, pooled: bool) -> Tensor:
        scale = next(iter(self.sites)).scale
        found = torch.zeros((), dtype=torch.bool, device=self.sums[0].device)
        for maps in self.sums:
            grid = maps[..., column].unflatten(1, (1, height // scale, width // scale))
            grid = F.max_pool2d(grid, 3, stride=1, padding=1) if pooled else grid
            found = found | (grid > self.threshold * grid.amax((2, 3), keepdim=True))
        return F.interpolate(found.to(maps), size=(height, width)) > 0

    def __call__(self, x: Tensor, source: Tensor, step: int) -> Tensor:
        """Put the source's latent where the mask is not; ``step`` counts from the first one taken."""
        return x if step < self.start else torch.where(self.mask(*x.shape[-2:]), x, source)
