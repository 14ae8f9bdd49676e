"""What a student learns from: pairs of one or several directions, read from disk as they are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from zeroshift.distillation.pairs import Pair, kept, read_about, read_pairs
from zeroshift.files import regular

WHOLE, KNOWN = 0.6, 0.25
"""shares of examples at intensity 1, and at another that the teacher made; the others lie between two of these"""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some examples, B of them."""

    photographs: Tensor
    """(B, 3, S, S) in [-1, 1]"""
    edits: Tensor
    """(B, 3, S, S), at the intensity that is asked for"""
    masks: Tensor
    """(B, 1, S, S), 1 where the teacher changed something"""
    directions: Tensor
    """(B,), int64"""
    intensities: Tensor
    """(B,), above 0"""

    def to(self, device: torch.device) -> "Batch":
        """The same on a device."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})

    def halved(self) -> "Batch":
        """The same at half the size."""
        names = ("photographs", "edits", "masks")
        return replace(self, **{name: F.avg_pool2d(getattr(self, name), 2) for name in names})


class Memory:
    """Decoded pictures, as many as fit: decoding takes as long as a third of a small student's step."""

    def __init__(self, most: int = 2**30) -> None:
        """``most`` bytes are kept."""
        self.left, self.known = most, dict[Path, Tensor]()

    def read(self, path: Path) -> Tensor:
        """A picture's bytes (3, H, W)."""
        if (found := self.known.get(path)) is not None:
            return found
        pixels = torch.from_numpy(np.array(Image.open(regular(path)).convert("RGB"))).permute(2, 0, 1)
        if pixels.nbytes <= self.left:
            self.left -= pixels.nbytes
            self.known[path] = pixels
        return pixels


@dataclass(frozen=True, eq=False)
class Examples:
    """Pairs to learn from."""

    roots: tuple[Path, ...]
    """of every pair"""
    pairs: tuple[Pair, ...]
    directions: tuple[tuple[str, str], ...]
    """source and target of each direction"""
    numbers: tuple[int, ...]
    """the direction of every pair"""
    size: int
    memory: Memory = field(default_factory=Memory)

    @cached_property
    def weights(self) -> Tensor:
        """Sampling weights (N,) that make directions equally likely."""
        counts = torch.bincount(torch.tensor(self.numbers), minlength=len(self.directions))
        return 1 / counts[list(self.numbers)].double()

    def photographs_of(self, word: str) -> list[Path]:
        """Photographs of a word among the pairs: those of which it is the source."""
        return [
            pair.file(root, 0)
            for root, pair, n in zip(self.roots, self.pairs, self.numbers, strict=True)
            if self.directions[n][0] == word
        ]

    def read(self, indices: Sequence[int]) -> Batch:
        """Read some, each at an intensity drawn from torch's global generator."""
        return self._batch(indices, [drawn_intensity(self.pairs[k].intensities) for k in indices])

    def whole(self, indices: Sequence[int]) -> Batch:
        """Read the whole edits of some."""
        return self._batch(indices, [1.0] * len(indices))

    def _batch(self, indices: Sequence[int], intensities: Sequence[float]) -> Batch:
        return Batch(
            torch.stack([self.opened(k, 0.0) for k in indices]),
            torch.stack([self.at(k, intensity) for k, intensity in zip(indices, intensities, strict=True)]),
            torch.stack([self.mask(k) for k in indices]),
            torch.tensor([self.numbers[k] for k in indices]),
            torch.tensor(intensities),
        )

    def mask(self, k: int) -> Tensor:
        """Where a pair's edit is (1, S, S), from 0 to 1."""
        return self.memory.read(self.pairs[k].mask_file(self.roots[k]))[:1] / 255

    def at(self, k: int, intensity: float) -> Tensor:
        """A pair's edit (3, S, S): the teacher's, or between two of these and the photograph."""
        knots = (0.0, *self.pairs[k].intensities)
        if intensity in knots:
            return self.opened(k, intensity)
        n = next(n for n, knot in enumerate(knots) if knot > intensity)
        share = (intensity - knots[n - 1]) / (knots[n] - knots[n - 1])
        return torch.lerp(self.opened(k, knots[n - 1]), self.opened(k, knots[n]), share)

    def opened(self, k: int, intensity: float) -> Tensor:
        """A pair's picture (3, S, S) in [-1, 1]."""
        return self.memory.read(self.pairs[k].file(self.roots[k], intensity)) / 127.5 - 1


def open_examples(folders: Sequence[Path]) -> Examples:
    """The kept pairs of folders that ``collect`` has filled.

    Raises:
        ValueError: a folder has none, or two have pictures of different sizes.
    """
    told = [read_about(folder) for folder in folders]
    if len({about.size for about in told}) > 1:
        raise ValueError("These folders have pairs of different sizes; train a student for each size.")
    directions = list(dict.fromkeys((about.source, about.target) for about in told))
    roots, pairs, numbers = list[Path](), list[Pair](), list[int]()
    for folder, about in zip(folders, told, strict=True):
        own = list(kept(read_pairs(folder)))
        if not own:
            raise ValueError(f"{folder} has no pairs that were kept; collect more, or with other filters.")
        roots += [folder] * len(own)
        pairs += own
        numbers += [directions.index((about.source, about.target))] * len(own)
    return Examples(tuple(roots), tuple(pairs), tuple(directions), tuple(numbers), told[0].size)


def drawn_intensity(known: Sequence[float]) -> float:
    """An intensity above 0: mostly 1, else one of ``known``, else any."""
    kind, place = torch.rand(2).tolist()
    between = known[:-1]
    if kind < WHOLE or (kind < WHOLE + KNOWN and not between):
        return 1.0
    return between[int(place * len(between))] if kind < WHOLE + KNOWN else max(place, 0.01)
