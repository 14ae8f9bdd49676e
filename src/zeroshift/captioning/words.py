"""What an edit reads in a caption: its subject, its style, and the task that a target makes of it."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from zeroshift.conditioning.task import Task, is_prompt, make_task
from zeroshift.sentences import swap_word, with_article
from zeroshift.vocabulary import BACKGROUND, CALLED, COATS, COLOURS, MEDIA, STYLES

_MEDIUM = re.compile(
    r"^(?:there\s+(?:is|are)\s+)?(?:(?:an?|the)\s+)?(?:[\w-]+\s+){0,4}?"
    r"(?:photo|photograph|picture|image|painting|drawing|sketch|snapshot|portrait|close[- ]up|shot|view)\s+of\s+",
    re.IGNORECASE,
)
_THERE = re.compile(r"^there(?:\s+(?:is|are)\b)?\s*", re.IGNORECASE)
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
    words = _LEADING.sub("", _THERE.sub("", _MEDIUM.sub("", " ".join(caption.split())))).split()
    taken: list[str] = []
    for word, following in pairwise([*words, ""]):
        if _ends(word.casefold(), following.casefold()):
            break
        taken.append(re.sub(r"(?:['’]s?)?[,.;]*$", "", word))  # of "a cat's face", too, the cat is the subject
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

    A whole prompt as ``target`` stands against the whole caption. A style ("sketch", "night", "photo") is given to the
    whole caption, a coat ("orange") to the noun that it names. Any other word takes the noun's place, in a caption
    whose noun has lost its attributes: what a model knows of them often belongs to one animal (there are tabby cats and
    no tabby dogs), and a target such as "orange cat" brings its own.

    Raises:
        ValueError: the target is empty or is what the caption says, or the caption names no thing.
    """
    seen = subject_of(caption)
    target = _wanted(target, seen, style_of(caption))
    if target.casefold() in (text.casefold() for text in (caption, seen.phrase, seen.noun)):
        raise ValueError(
            f'The picture shows {caption}, so the target "{target}" would change nothing; give another target, or say '
            "with --source (source=) what it shows."
        )
    if target.removesuffix(f" {seen.noun}").casefold() in COATS:
        return _recoloured(caption, seen, target, direction)
    return make_task(seen.noun, target, caption if is_prompt(target) else without_attributes(caption), direction)


def _recoloured(caption: str, seen: Subject, target: str, direction: Path | None) -> Task:
    """Return the edit of the subject's coat; "black and white cat" is too long for a word and makes whole prompts."""
    caption = " ".join(caption.split())
    if is_prompt(seen.phrase) or is_prompt(target):
        return make_task(seen.noun, swap_word(caption, seen.phrase, target), caption, direction)
    return make_task(seen.phrase, target, caption, direction)


def _wanted(target: str, seen: Subject, style: str) -> str:
    """Return ``target`` as a word for the noun's place or as a whole prompt, if a style or a coat is asked for."""
    bare = re.sub(r"^(?:an?|the)\s+", "", target.strip(), flags=re.IGNORECASE)
    asked = bare.casefold()
    for name, others in CALLED.items():
        if asked in (name, *others, MEDIA[name][0].format("").removesuffix(" of ").removeprefix("a ")):
            phrase = seen.phrase if STYLES[0] in (name, style) else seen.noun
            return MEDIA[name][0].format(with_article(phrase))
    if asked in COATS:
        return f"{bare} {seen.noun}"
    return bare if len(bare.split()) <= 2 else target.strip()


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
