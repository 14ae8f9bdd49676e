"""What a student learns from: pairs of one or several directions, read from disk as they are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from zeroshift.distillation.pairs import Pair, kept, read_about, read_pairs
from zeroshift.image.tensors import to_tensor

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
        drawn, edits = [drawn_intensity(self.pairs[k].intensities) for k in indices], []
        for k, intensity in zip(indices, drawn, strict=True):
            edits.append(self.at(k, intensity))
        return Batch(
            to_tensor([self.pairs[k].picture(self.roots[k], 0) for k in indices]),
            torch.cat(edits),
            torch.cat([_mask(self.pairs[k].mask_file(self.roots[k])) for k in indices]),
            torch.tensor([self.numbers[k] for k in indices]),
            torch.tensor(drawn),
        )

    def at(self, k: int, intensity: float) -> Tensor:
        """A pair's edit (1, 3, S, S): the teacher's, or between two of these and the photograph."""
        pair, root = self.pairs[k], self.roots[k]
        if intensity in pair.intensities:
            return to_tensor([pair.picture(root, intensity)])
        knots = (0.0, *pair.intensities)
        n = next(n for n, knot in enumerate(knots) if knot > intensity)
        low, high = to_tensor([pair.picture(root, knots[n - 1])]), to_tensor([pair.picture(root, knots[n])])
        return torch.lerp(low, high, (intensity - knots[n - 1]) / (knots[n] - knots[n - 1]))


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


def _mask(path: Path) -> Tensor:
    return (to_tensor([Image.open(path).convert("RGB")])[:, :1] + 1) / 2
