"""Photographs without edits: of targets, which adversaries compare with, and of sources, which are edited unpaired.

They lie in folders that somebody names; by default they are those of the pairs, without the pairs' edits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zeroshift.distillation.examples import Examples
from zeroshift.image import find_pictures, load_image
from zeroshift.image.framing import frame
from zeroshift.image.tensors import to_tensor
from zeroshift.words import listed


@dataclass(frozen=True, eq=False)
class Reals:
    """Photographs of every direction's target and source."""

    targets: tuple[tuple[Path, ...], ...]
    """by direction; empty where no adversary asks for them"""
    sources: tuple[tuple[Path, ...], ...]
    """by direction; empty where nothing is learned from them"""
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


def reals_of(examples: Examples, folders: Mapping[str, Path], *, targets: bool = True, sources: bool = True) -> Reals:
    """Photographs of every word: those in ``folders`` by the word, else those of pairs whose source it is.

    Args:
        targets: whether those of targets are asked for.
        sources: whether those of sources are.

    Raises:
        ValueError: there are none of a target that is asked for, or a folder is not there, or is of a word that is not
            asked for.
    """
    asked = [*((target for _, target in examples.directions) if targets else ())]
    asked += [*((source for source, _ in examples.directions) if sources else ())]
    for word in folders:
        if word not in asked:
            known = f"it looks at those of {listed(list(dict.fromkeys(asked)))}" if asked else "it looks at none"
            raise ValueError(f"This training looks at no photographs of {word}, which `reals` names; {known}.")
    own = {word: files_of(word, folder) for word, folder in folders.items()}
    found = {word: own.get(word) or tuple(examples.photographs_of(word)) for word in asked}
    for word, files in found.items():
        if not files:
            raise ValueError(
                f"There are no photographs of {word} to compare edits with; name a folder of some with `reals`, add "
                "pairs whose source it is, or train with `adversary` 0."
            )
    return Reals(
        tuple(found[target] for _, target in examples.directions) if targets else (),
        tuple(found[source] for source, _ in examples.directions) if sources else (),
        examples.size,
    )


def files_of(word: str, folder: Path) -> tuple[Path, ...]:
    """The photographs of a word in a folder.

    Raises:
        ValueError: it is not there, or has none.
    """
    found = tuple(one.path for one in find_pictures([folder]))
    if not all(path.is_file() for path in found):
        raise ValueError(f"There is no folder {folder}; name that of photographs of {word} with `reals`.")
    return found
