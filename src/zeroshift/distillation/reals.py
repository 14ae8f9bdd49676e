"""Real photographs of the targets, which an adversary compares edits with."""

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
    """Photographs of every direction's target."""

    files: tuple[tuple[Path, ...], ...]
    """by direction"""
    size: int

    def drawn(self, directions: Sequence[int]) -> Tensor:
        """One for each of ``directions`` (B, 3, S, S) in [-1, 1], half of them mirrored, by torch's generator."""
        return torch.cat([self._one(self.files[n]) for n in directions])

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


def reals_of(examples: Examples, folders: Mapping[str, Path]) -> Reals:
    """Photographs of every target: those in ``folders`` by its word, else those that other pairs have as their source.

    Raises:
        ValueError: there are none of a target.
    """
    found = []
    for _, target in examples.directions:
        given = [one.path for one in find_pictures([folders[target]])] if target in folders else []
        own = given or examples.photographs_of(target)
        if not own:
            raise ValueError(
                f"There are no photographs of {target} to compare edits with; name a folder of some with `reals`, add "
                "pairs whose source it is, or train with `adversary` 0."
            )
        found.append(tuple(own))
    return Reals(tuple(found), examples.size)
