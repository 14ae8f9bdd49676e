"""Generators of sentences about a word: the template bank, files, language models, endpoints."""

from zeroshift.generators.base import Answers, Remembered, Sentences, StoppedShort
from zeroshift.generators.sifting import Sifted, sift

__all__ = ["Answers", "Remembered", "Sentences", "Sifted", "StoppedShort", "sift"]
