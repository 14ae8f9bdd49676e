"""Captioners: from a picture to a sentence, and from that sentence to an edit."""

from zeroshift.captioning.base import Captioner, Scope, Vocabulary
from zeroshift.captioning.sentences import PlainEnglish


def vocabulary_of(captioner: Captioner | None) -> Vocabulary:
    """What reads a captioner's sentences: the captioner itself if it can, else a parser of plain English."""
    return captioner if isinstance(captioner, Vocabulary) else PlainEnglish()


__all__ = ["Captioner", "PlainEnglish", "Scope", "Vocabulary", "vocabulary_of"]
