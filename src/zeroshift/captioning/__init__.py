"""Captioners: from a picture to a sentence, and from that sentence to an edit."""

from collections.abc import Sequence

from PIL import Image

from zeroshift.captioning.base import (
    Captioner,
    Doubting,
    Judge,
    Knowing,
    Nearing,
    Offering,
    Rating,
    Scope,
    Seen,
    Varying,
    Vocabulary,
)
from zeroshift.captioning.sentences import PlainEnglish


def vocabulary_of(*captioners: Captioner | None) -> Vocabulary:
    """What reads captions and targets: the first of these captioners that can, else a parser of plain English."""
    for one in captioners:
        if isinstance(one, Vocabulary):
            return one
    return PlainEnglish()


def judge_of(*captioners: Captioner | None) -> Judge | None:
    """What tells whether a result shows what was asked for: the first of these captioners that can."""
    for one in captioners:
        if isinstance(one, Judge):
            return one
    return None


def see(captioner: Captioner, pictures: Sequence[Image.Image]) -> list[Seen]:
    """What a captioner makes of pictures; of one that has no doubts every caption is sure."""
    if isinstance(captioner, Doubting):
        return captioner.see(pictures)
    return [Seen(caption) for caption in captioner.captions(pictures)]


__all__ = [
    "Captioner",
    "Doubting",
    "Judge",
    "Knowing",
    "Nearing",
    "Offering",
    "PlainEnglish",
    "Rating",
    "Scope",
    "Seen",
    "Varying",
    "Vocabulary",
    "judge_of",
    "see",
    "vocabulary_of",
]
