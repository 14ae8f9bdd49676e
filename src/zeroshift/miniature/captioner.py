"""Captions from the small classifier that judges the shipped model: animal, coat and style, in that model's words."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from zeroshift.image import flatten
from zeroshift.miniature.vocabulary import STYLES, Scene

if TYPE_CHECKING:
    from zeroshift.miniature.classifier import Classifier

COAT_FROM = 0.6
"""probability from which on a coat is said: on ``val`` that is 59 of 80 photographs, nine tenths of them rightly"""


@final
@dataclass(frozen=True, eq=False)
class HeadsCaptioner:
    """Composes captions of what the heads of a classifier find; what it was not trained on is never said."""

    classifier: "Classifier"
    coat_from: float = COAT_FROM
    """probability of a coat from which on it is said, 0 to 1"""

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Return one sentence per picture, of its centred square."""
        side = (self.classifier.size, self.classifier.size)
        squares = [ImageOps.fit(flatten(picture), side, Image.Resampling.LANCZOS) for picture in pictures]
        arrays = [torch.from_numpy(np.array(square)).permute(2, 0, 1) for square in squares]
        return [scene.caption for scene in self.scenes(torch.stack(arrays))] if arrays else []

    def scenes(self, pictures: Tensor) -> list[Scene]:
        """Return what uint8 pictures (N, 3, H, W) show."""
        animals, coats, styles = self.classifier.logits(pictures)
        labels = self.classifier.named(animals.sigmoid())
        return [self._scene(*row) for row in zip(labels, coats.softmax(1), styles, strict=True)]

    def _scene(self, animal: str, coats: Tensor, styles: Tensor) -> Scene:
        known = self.classifier
        style = known.styles[int(styles.argmax())] if known.styles else STYLES[0]
        # coats were learned from photographs alone: a sketch has none, and at night all cats are grey
        sure = style == STYLES[0] and known.coats and float(coats.max()) >= self.coat_from
        return Scene(f"{known.coats[int(coats.argmax())]} {animal}" if sure else animal, style)


@final
@dataclass(frozen=True)
class FolderCaptioner:
    """The captioner of a classifier's folder, which is read at the first caption."""

    folder: Path

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """Return one sentence per picture, of its centred square.

        Raises:
            ValueError: a file of the classifier is missing.
        """
        return self._heads.captions(pictures)

    @cached_property
    def _heads(self) -> HeadsCaptioner:
        from zeroshift.miniature.classifier import load_classifier

        return HeadsCaptioner(load_classifier(self.folder))
