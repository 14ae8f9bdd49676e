"""Real photographs without edits: of targets, which adversaries compare with, and of sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zeroshift.distillation.examples import Examples
from zeroshift.image import find_pictures, load_image
from zeroshift.image.framing import frame
from zeroshift.image.tensors import to_tensor


@dataclass(frozen=True, eq=False)
class Reals:
    """Photographs of every direction's target and source."""

    targets: tuple[tuple[Path, ...], ...]
    """by direction; empty where no adversary asks for them"""
    sources: tuple[tuple[Path, ...], ...]
    """by direction"""
    size: int

    def drawn(self, directions: Sequence[int]) -> Tensor:
        """Targets of ``directions``, (B, 3, S, S) in [-1, 1], half of them mirrored, by torch's generator."""
        return torch.cat([self._one(self.targets[n]) for n in directions])

    def _one(self, files: Sequence[Path]) -> Tensor:
        place, mirrored = torch.rand(2).tolist()
        picture = self.opened(files[int(place * len(files))])
        return picture.flip(3) if mirrored < 0.5 else picture

    def opened(self, file: Path) -> Tensor:
        """One of them (1, 3, S, S) in [-1, 1]."""
        picture = load_image(file).image
        if picture.size != (self.size, self.size):
            picture, _ = frame(picture, "crop", size=self.size, multiple=1)
        return to_tensor([picture])


def reals_of(examples: Examples, folders: Mapping[str, Path], *, targets: bool = True) -> Reals:
    """Photographs of every word: those in ``folders`` by the word, else those of pairs whose source it is.

    Raises:
        ValueError: there are none of a target, and ``targets`` are asked for.
    """
    known = {word: tuple(one.path for one in find_pictures([folder])) for word, folder in folders.items()}

    def photographs_of(word: str) -> tuple[Path, ...]:
        return known.get(word) or tuple(examples.photographs_of(word))

    sources = tuple(photographs_of(source) for source, _ in examples.directions)
    if not targets:
        return Reals((), sources, examples.size)
    found = tuple(photographs_of(target) for _, target in examples.directions)
    for (_, target), own in zip(examples.directions, found, strict=True):
        if not own:
            raise ValueError(
                f"There are no photographs of {target} to compare edits with; name a folder of some with `reals`, add "
                "pairs whose source it is, or train with `adversary` 0."
            )
    return Reals(found, sources, examples.size)
