"""Which options suit a model: candidates measured on photographs, and the rule that chooses one."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from remake.kept import edited
from remake.sitting import Sitting
from zeroshift import Progress
from zeroshift.editor import Editor
from zeroshift.edits import EditSpec
from zeroshift.image import Photo
from zeroshift.image.tensors import psnr
from zeroshift.miniature.classifier import Classifier

STEADY = 1
"""grey levels that batches and single runs may lie apart"""


@dataclass(frozen=True)
class Figures:
    """What a candidate is worth."""

    flipped: int
    """edits that take the other animal by the classifier"""
    psnr_db: float
    """mean over the pictures, edit to source"""
    apart: int | None = None
    """largest difference in grey levels between batches and single runs; None where that was not measured"""

    @property
    def steady(self) -> bool:
        return self.apart is None or self.apart <= STEADY


@dataclass(frozen=True, eq=False)
class Sitter:
    """A photograph to edit."""

    pixels: Tensor
    """uint8 (3, S, S) at the model's size"""
    animal: str

    @property
    def source(self) -> Photo:
        return Photo.of(Image.fromarray(self.pixels.permute(1, 2, 0).contiguous().numpy()))


@dataclass(frozen=True, eq=False)
class Bench:
    """What candidates are measured with."""

    editor: Editor
    classifier: Classifier
    sitters: Sequence[Sitter]
    """all of the first animal, then all of the second"""
    folder: Path
    """of the edits that are kept"""

    def singles(self, wishes: Sequence[Sequence[EditSpec]]) -> Generator[Progress, None, list[Tensor]]:
        """Edit every photograph alone, ``wishes[candidate][photograph]``; return uint8 (N, 3, S, S) per candidate."""
        rows: list[list[Tensor]] = [[] for _ in wishes]
        for n, sitter in enumerate(self.sitters):
            sitting = Sitting(self.editor, [sitter.source])  # candidates share what inversions they can
            for k, candidate in enumerate(wishes):
                rows[k].append(edited(sitting, candidate[n], self.folder))
                yield Progress("edits", n * len(wishes) + k + 1, len(self.sitters) * len(wishes), None)
        return [torch.cat(row) for row in rows]

    def batches(self, wishes: Sequence[Sequence[EditSpec]], size: int) -> Generator[Progress, None, list[Tensor]]:
        """Do the same with up to ``size`` photographs of one animal at a time."""
        groups = [group for animal in self.classifier.classes for group in chunks(self.of(animal), size)]
        rows: list[list[Tensor]] = [[] for _ in wishes]
        for n, group in enumerate(groups):
            sitting = Sitting(self.editor, [self.sitters[m].source for m in group])
            for k, candidate in enumerate(wishes):
                rows[k].append(edited(sitting, candidate[group[0]], self.folder))
                yield Progress("batches", n * len(wishes) + k + 1, len(groups) * len(wishes), None)
        return [torch.cat(row) for row in rows]

    def of(self, animal: str) -> list[int]:
        return [m for m, sitter in enumerate(self.sitters) if sitter.animal == animal]

    def figures(self, alone: Tensor, together: Tensor | None = None) -> Figures:
        """Judge one candidate's edits, uint8 (N, 3, S, S)."""
        found = zip(self.classifier.labels(alone), self.sitters, strict=True)
        sources = torch.stack([sitter.pixels for sitter in self.sitters])
        apart = None if together is None else int((alone.int() - together.int()).abs().max())
        flipped = sum(label != sitter.animal for label, sitter in found)
        return Figures(flipped, float(psnr(alone, sources).mean()), apart)


def chunks(members: Sequence[int], size: int) -> list[Sequence[int]]:
    return [members[k : k + size] for k in range(0, len(members), size)]


def best(figures: Sequence[Figures], present: int | None = None) -> int:
    """Return which candidate is to be taken; ``present`` is the one that is in use.

    Of those whose batches are what their single runs are, those within one edit of the most that take the other
    animal. The one in use stays if it is among them: a person chose it by its look, and figures alone prefer edits
    that are half of both animals. Else the one nearest to its sources; look at the sheet then.

    Raises:
        ValueError: batches differ from single runs under every candidate.
    """
    steady = [k for k, one in enumerate(figures) if one.steady]
    if not steady:
        raise ValueError(
            f"Batches and single runs lie more than {STEADY} grey level apart under every candidate; add gentler ones."
        )
    most = max(figures[k].flipped for k in steady)
    able = [k for k in steady if figures[k].flipped >= most - 1]
    return present if present in able else max(able, key=lambda k: figures[k].psnr_db)
