"""Edits of photographs of both animals, and what they are worth."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from remake.asked import asked
from remake.place import Place
from remake.sitting import Sitting
from zeroshift import Progress
from zeroshift.editor import Editor
from zeroshift.image import Photo
from zeroshift.image.tensors import psnr, to_bytes, to_tensor
from zeroshift.miniature.classifier import Classifier, load_classifier
from zeroshift.miniature.data import CaptionedFolder, rows_of
from zeroshift.miniature.training.export import step_size

SPLIT = "val"


@dataclass(frozen=True)
class Figures:
    """What a way to edit is worth."""

    flipped: int
    """edits that take the other animal by the classifier"""
    psnr_db: float
    """mean over the pictures, edit to source"""

    def __str__(self) -> str:
        return f"{self.flipped}, {self.psnr_db:.1f} dB"


@dataclass(frozen=True, eq=False)
class Bench:
    """Photographs, half of each animal, and the classifier that judges their edits."""

    editor: Editor
    classifier: Classifier
    pixels: Tensor
    """uint8 (N, 3, S, S) at the model's size"""
    animals: Sequence[str]

    def edited(self, ways: Sequence[str]) -> Generator[Progress, None, list[Tensor]]:
        """Edit every photograph, alone, into the other animal; return uint8 (N, 3, S, S) for each of ``ways``.

        Ways are in words of ``zeroshift edit``; they share what inversions they can.
        """
        found: list[list[Tensor]] = [[] for _ in ways]
        for n, (pixels, animal) in enumerate(zip(self.pixels, self.animals, strict=True)):
            sitting = Sitting(self.editor, [Photo.of(Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy()))])
            (other,) = (name for name in self.classifier.classes if name != animal)
            for k, way in enumerate(ways):
                (result,) = sitting.edit(asked(f"--source {animal} --target {other} --fit stretch {way}"))
                found[k].append(to_bytes((to_tensor([result.native]) + 1) * 127.5))
                yield Progress("edits", n * len(ways) + k + 1, len(self.animals) * len(ways), None)
        return [torch.cat(edits) for edits in found]

    def figures(self, edits: Tensor) -> Figures:
        """Judge the edits, uint8 (N, 3, S, S), of one way."""
        labels = self.classifier.labels(edits)
        flipped = sum(label != animal for label, animal in zip(labels, self.animals, strict=True))
        return Figures(flipped, float(psnr(edits, self.pixels).mean()))


def bench_of(place: Place, count: int) -> Bench:
    """The first photographs of both animals in ``val``.

    Raises:
        ValueError: there is no data folder, or it has too few.
    """
    classifier, editor = load_classifier(place.model / "classifier"), place.editor()
    if place.data is None:
        raise ValueError("Edits are measured on photographs; add --data FOLDER.")
    data = CaptionedFolder.open(place.data)
    rows = rows_of(data, (SPLIT,), classifier.classes)
    chosen = [row for c in classifier.classes for row in [r for r in rows if r.labels["species"] == c][: count // 2]]
    if len(chosen) < count:
        raise ValueError(
            f"{place.data} has too few pictures in {SPLIT}; edits of {count // 2} per animal are measured."
        )
    pixels = data.read(chosen, editor.backbone.size)
    return Bench(editor, classifier, pixels, [row.labels["species"] for row in chosen])


def regularisation(place: Place) -> float:
    """Step size of regularised inversion for the model's number of latent values."""
    backbone = place.backbone
    return step_size(backbone.latent_channels * (backbone.size // backbone.factor) ** 2)
