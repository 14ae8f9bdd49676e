"""What an edit reads in a caption: its subject, its style, and the task that a target makes of it."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from zeroshift.conditioning.task import Task, is_prompt, make_task
from zeroshift.sentences import swap_word
from zeroshift.vocabulary import BACKGROUND, COLOURS, MEDIA, STYLES

_MEDIUM = re.compile(
    r"^(?:(?:an?|the)\s+)?(?:[\w-]+\s+){0,4}?"
    r"(?:photo|photograph|picture|image|painting|drawing|sketch|snapshot|portrait|close-up|shot|view)\s+of\s+",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"^(?:an?|the|some|one|two|three|four|five|six|seven|eight|nine|ten|several|many|\d+)\s+", re.IGNORECASE
)
_ARTICLES = frozenset(("a", "an", "the", "his", "her", "its", "their"))
_CLOSING = frozenset(
    "in on at with of by from near under over behind before beside between next against inside outside through to for "
    "that which who is are has and/or while up down".split()
)
"""words that end a noun phrase"""
_BEFORE = "|".join(way.format(colour) for way in BACKGROUND for colour in COLOURS)
"""what may end a sentence of any style"""


@dataclass(frozen=True)
class Subject:
    """What a caption is about."""

    phrase: str
    """noun with its attributes, without article: "tabby cat" """
    noun: str


def subject_of(caption: str) -> Subject:
    """Return the first thing that a caption names; whatever kind of picture it is said to be does not count.

    A rule of thumb for short captions: after "a photo of" and the article come attributes and the noun, up to a comma,
    a preposition, a verb such as "sitting" before one of them, or "and" before an article.

    Raises:
        ValueError: nothing is left between these.
    """
    words = _LEADING.sub("", _MEDIUM.sub("", " ".join(caption.split()))).split()
    taken: list[str] = []
    for word, following in pairwise([*words, ""]):
        if _ends(word.casefold(), following.casefold()):
            break
        taken.append(word.rstrip(",.;"))
        if taken[-1] != word:
            break
    if not taken:
        raise ValueError(f'The caption "{caption}" names no thing; say with --source (source=) what the picture shows.')
    return Subject(" ".join(taken), taken[-1])


def style_of(caption: str) -> str:
    """Return which of ``STYLES`` a caption in the shipped model's words says; "photo" where it says no other."""
    for style in STYLES[1:]:
        for way in MEDIA[style]:
            pattern = re.escape(way).replace(r"\{\}", ".+") + rf"(?: (?:{_BEFORE}))?"
            if re.fullmatch(pattern, caption.strip(), re.IGNORECASE):
                return style
    return STYLES[0]


def captioned_task(caption: str, target: str, direction: Path | None = None) -> Task:
    """Return the edit of a picture that was captioned.

    A whole prompt as ``target`` stands against the whole caption. A word takes the noun's place, in a caption whose
    noun has lost its attributes: what a model knows of them often belongs to one animal (there are tabby cats and no
    tabby dogs), and a target such as "orange cat" brings its own.

    Raises:
        ValueError: the target is empty or is what the caption says, or the caption names no thing.
    """
    target, seen = target.strip(), subject_of(caption)
    if target.casefold() in (text.casefold() for text in (caption, seen.phrase, seen.noun)):
        raise ValueError(
            f'The picture shows {caption}, so the target "{target}" would change nothing; give another target, or say '
            "with --source (source=) what it shows."
        )
    return make_task(seen.noun, target, caption if is_prompt(target) else without_attributes(caption), direction)


def without_attributes(caption: str) -> str:
    """Return "a photo of a cat" of "a photo of an orange cat".

    Raises:
        ValueError: the caption names no thing.
    """
    seen = subject_of(caption)
    return swap_word(" ".join(caption.split()), seen.phrase, seen.noun)


def _ends(word: str, following: str) -> bool:
    bound = following in _CLOSING or following in _ARTICLES or not following
    return word in _CLOSING or (word == "and" and following in _ARTICLES) or (word.endswith("ing") and bound)
