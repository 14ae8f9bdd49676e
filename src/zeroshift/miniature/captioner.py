"""Captions from the small classifier that judges the shipped model: animal, coat and style, in that model's words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from zeroshift.conditioning.task import Task
from zeroshift.image import flatten
from zeroshift.miniature import reading
from zeroshift.miniature.vocabulary import STYLES, Scene

if TYPE_CHECKING:
    from zeroshift.miniature.classifier import Classifier

COAT_FROM = 0.6
"""probability from which on a coat is said: on ``val`` that is 59 of 80 photographs, nine tenths of them rightly"""


@final
@dataclass(frozen=True, eq=False)
class HeadsCaptioner:
    """Composes captions of what the heads of a classifier find; what it was not trained on is never said."""

    open_classifier: Callable[[], "Classifier"]
    """reads it, at the first caption"""
    coat_from: float = COAT_FROM
    """probability of a coat from which on it is said, 0 to 1"""

    @cached_property
    def classifier(self) -> "Classifier":
        """The classifier, read once."""
        return self.open_classifier()

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One sentence per picture, of its centred square.

        Raises:
            ValueError: a file of the classifier is missing.
        """
        side = (self.classifier.size, self.classifier.size)
        squares = [ImageOps.fit(flatten(picture), side, Image.Resampling.LANCZOS) for picture in pictures]
        arrays = [torch.from_numpy(np.array(square)).permute(2, 0, 1) for square in squares]
        return [scene.caption for scene in self.scenes(torch.stack(arrays))] if arrays else []

    def retarget(self, caption: str, target: str) -> Task:
        """The edit of a picture with this caption, in the shipped model's words; see ``miniature.reading``."""
        return reading.retarget(caption, target)

    def source_prompt(self, caption: str) -> str:
        """The caption without its noun's attributes."""
        return reading.source_prompt(caption)

    def changes_all(self, source: str | None, target: str) -> bool:
        """Whether a target is a style, a light or a background; see ``miniature.reading``."""
        return reading.changes_all(source, target)

    def scenes(self, pictures: Tensor) -> list[Scene]:
        """What uint8 pictures (N, 3, H, W) show."""
        animals, coats, styles = self.classifier.logits(pictures)
        labels = self.classifier.named(animals.sigmoid())
        return [self._scene(*row) for row in zip(labels, coats.softmax(1), styles, strict=True)]

    def _scene(self, animal: str, coats: Tensor, styles: Tensor) -> Scene:
        known = self.classifier
        style = known.styles[int(styles.argmax())] if known.styles else STYLES[0]
        # coats were learned from photographs alone: a sketch has none, and at night all cats are grey
        sure = style == STYLES[0] and known.coats and float(coats.max()) >= self.coat_from
        return Scene(f"{known.coats[int(coats.argmax())]} {animal}" if sure else animal, style)


def read_captioner(folder: str | Path) -> HeadsCaptioner:
    """The captioner of a classifier's folder, which is read at the first caption."""

    def read() -> "Classifier":
        from zeroshift.miniature.classifier import load_classifier

        return load_classifier(folder)

    return HeadsCaptioner(read)
