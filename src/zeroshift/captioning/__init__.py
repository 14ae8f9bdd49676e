"""Captioners: from a picture to a sentence, and from that sentence to an edit."""

from collections.abc import Sequence

from PIL import Image

from zeroshift.captioning.base import Captioner, Doubting, Judge, Knowing, Scope, Seen, Vocabulary
from zeroshift.captioning.sentences import PlainEnglish


def vocabulary_of(captioner: Captioner | None) -> Vocabulary:
    """What reads a captioner's sentences: the captioner itself if it can, else a parser of plain English."""
    return captioner if isinstance(captioner, Vocabulary) else PlainEnglish()


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
    "PlainEnglish",
    "Scope",
    "Seen",
    "Vocabulary",
    "see",
    "vocabulary_of",
]
