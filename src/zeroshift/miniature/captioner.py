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

from zeroshift.captioning.base import Seen
from zeroshift.conditioning.task import Task
from zeroshift.image import flatten
from zeroshift.image.framing import Within
from zeroshift.miniature import reading
from zeroshift.miniature.judging import (
    CLEAR,
    CLEARER_BY,
    ENOUGH,
    HARDLY,
    NEARER_BY,
    Shown,
    Wanted,
    clarity,
    missing,
    wanted_by,
)
from zeroshift.miniature.vocabulary import BIG_CATS, STYLES, Scene

if TYPE_CHECKING:
    from zeroshift.miniature.classifier import Classifier, Heads

COAT_FROM = 0.6
"""probability from which on a coat is said: on ``val`` that is 59 of 80 photographs, nine tenths of them rightly"""

CLEARER = 1.5
"""logits of presence by which an animal must be clearer in a result than in a photograph: what is drawn without a face
has an animal's fur, and lies between"""

SURE_FROM = 0.2
"""how far from the decision, 0 to 1, an animal's probability must lie: on ``bench-val`` that is 129 of 139"""


@final
@dataclass(frozen=True, eq=False)
class HeadsCaptioner:
    """Composes captions of what the heads of a classifier find; what it was not trained on is never said."""

    open_classifier: Callable[[], "Classifier"]
    """reads it, at the first caption"""
    coat_from: float = COAT_FROM
    """probability of a coat from which on it is said, 0 to 1"""
    sure_from: float = SURE_FROM
    """how far from the decision an animal's probability must lie, 0 to 1, so that it is no guess"""

    @cached_property
    def classifier(self) -> "Classifier":
        """The classifier, read once."""
        return self.open_classifier()

    def captions(self, pictures: Sequence[Image.Image]) -> list[str]:
        """One sentence per picture, of its centred square.

        Raises:
            ValueError: a file of the classifier is missing.
        """
        return [seen.caption for seen in self.see(pictures)]

    def see(self, pictures: Sequence[Image.Image]) -> list[Seen]:
        """Caption and probabilities of each picture's centred square.

        It is not sure of a picture that shows no animal, by the head for that if there is one, nor of one whose animal
        is less likely than ``sure_from``.
        """
        if not pictures:
            return []
        squares = self._squares(pictures)
        heads = self.classifier.logits(squares)
        rows = zip(self._scenes(heads), heads[0].sigmoid().tolist(), self._there(squares), strict=True)
        return [self._seen(*row) for row in rows]

    def lacking(
        self, pictures: Sequence[Image.Image], prompt: str, source: str = "", unknown: Sequence[str] = ()
    ) -> list[str]:
        """What each result does not show of animal and style, as in "a dog (cat 0.93)"; see ``miniature.judging``."""
        wanted = wanted_by(prompt, source, unknown, self.classifier.classes, self.classifier.styles)
        return [missing(wanted, shown) for shown in self._shown(pictures, wanted)]

    @property
    def enough(self) -> float:
        """How clearly a target is to be seen, so that no other inversion need be tried."""
        return ENOUGH

    @property
    def hardly(self) -> float:
        """Less clearly than this, a target can hardly be seen, and a method is tried that keeps less."""
        return HARDLY

    @property
    def clearer_by(self) -> float:
        """By how much more clearly it is to be seen in what is tried, so that this is taken instead."""
        return CLEARER_BY

    @property
    def clear(self) -> float:
        """How clearly a target is to be seen, so that it is not tried from nearer."""
        return CLEAR

    @property
    def nearer_by(self) -> float:
        """By how much more clearly it is to be seen from nearer, so that this is taken instead."""
        return NEARER_BY

    def clarity(self, pictures: Sequence[Image.Image], prompt: str, source: str = "") -> list[float] | None:
        """How clearly each result shows the animal of a prompt: below 0 it cannot be seen.

        None where the classifier was not trained on that: the more a tiger looks like a cat, the clearer it is to it.
        """
        wanted = wanted_by(prompt, source, (), self.classifier.classes, self.classifier.styles)
        return [clarity(wanted, shown) for shown in self._shown(pictures, wanted)] if wanted.animal else None

    def _shown(self, pictures: Sequence[Image.Image], wanted: Wanted) -> list[Shown]:
        """What results show; drawings, and animals that it was not trained on, need not be clearer than photographs."""
        if not pictures:
            return []
        squares, known = self._squares(pictures), self.classifier
        heads, there = known.logits(squares), known.presence(squares)
        least = known.sure_from + (0 if wanted.style or wanted.called in BIG_CATS else CLEARER)
        clear = [0.0] * len(squares) if there is None else (there - least).tolist()
        found = []
        for second, styles, presence in zip(heads[0].sigmoid().tolist(), known.styles_of(heads), clear, strict=True):
            animal, likely = (known.classes[1], second) if second >= known.threshold else (known.classes[0], 1 - second)
            found.append(Shown(animal, likely, presence, self._decided(second), styles))
        return found

    def _there(self, squares: Tensor) -> list[bool]:
        """Whether there is an animal in each picture; in all where no head tells."""
        there = self.classifier.presence(squares)
        return [True] * len(squares) if there is None else (there >= self.classifier.sure_from).tolist()

    def _squares(self, pictures: Sequence[Image.Image]) -> Tensor:
        side = (self.classifier.size, self.classifier.size)
        squares = [ImageOps.fit(flatten(picture), side, Image.Resampling.LANCZOS) for picture in pictures]
        return torch.stack([torch.from_numpy(np.array(square)).permute(2, 0, 1) for square in squares])

    def _seen(self, scene: Scene, second: float, shown: bool) -> Seen:
        first, other = self.classifier.classes
        likely, sure = {first: 1 - second, other: second}, shown and self._decided(second)
        return Seen(scene.caption, likely, sure, scene.empty, "" if shown else f"{first} or {other}")

    def _decided(self, second: float) -> bool:
        """Whether the second class's probability lies far enough from the decision."""
        middle = self.classifier.threshold
        certainty = (second - middle) / (1 - middle) if second >= middle else (middle - second) / middle
        return certainty >= self.sure_from

    def retarget(self, caption: str, target: str) -> Task:
        """The edit of a picture with this caption, in the shipped model's words; see ``miniature.reading``."""
        return reading.retarget(caption, target)

    def source_prompt(self, caption: str) -> str:
        """The caption without its noun's attributes."""
        return reading.source_prompt(caption)

    def changes_all(self, source: str | None, target: str) -> bool:
        """Whether a target is a style, a light or a background; see ``miniature.reading``."""
        return reading.changes_all(source, target)

    def within(self, target: str) -> Within:
        """As near as an animal is known; see ``miniature.reading``."""
        return reading.within(target)

    def kinds(self, target: str) -> tuple[str, ...]:
        """Breeds and coats of an animal; see ``miniature.reading``."""
        return reading.kinds(target)

    def targets(self) -> dict[str, tuple[str, ...]]:
        """Coats, styles, light, closeness and backgrounds; see ``miniature.reading``."""
        return reading.targets()

    def scenes(self, pictures: Tensor) -> list[Scene]:
        """What uint8 pictures (N, 3, H, W) show."""
        return self._scenes(self.classifier.logits(pictures))

    def _scenes(self, heads: "Heads") -> list[Scene]:
        animals, coats, styles = heads
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
