"""Sentences from the template bank."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from zeroshift.sentences import MOST_TEMPLATES, template_sentences


@dataclass(frozen=True)
class TemplateBank:
    """The bank's sentences: the same for all words but for the word itself, so that positions correspond."""

    name: ClassVar[str] = "template bank"

    seed: int = 0
    """0 takes the bank in its order, any other number draws from all of it"""

    @property
    def settings(self) -> Mapping[str, str]:
        return {"seed": str(self.seed)}

    def __call__(self, word: str, count: int) -> Sequence[str]:
        """``count`` sentences, 1 to 2000.

        Raises:
            ValueError: the word is empty, or there are not as many.
        """
        if self.seed == 0:
            return template_sentences(word, count)
        template_sentences(word, count)  # refuses what it would refuse in order
        return random.Random(self.seed).sample(template_sentences(word, MOST_TEMPLATES), count)
