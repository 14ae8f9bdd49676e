"""What an edit reads in a caption: its subject, its style, and the task that a target makes of it."""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from zeroshift.conditioning.task import Task, is_prompt, make_task
from zeroshift.miniature.vocabulary import BACKGROUND, CALLED, COATS, COLOURS, MEDIA, STYLES
from zeroshift.sentences import swap_word, with_article

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
_DOING = frozenset(
    "wearing holding eating chasing carrying biting drinking licking watching catching pulling riding using making "
    "having showing facing playing".split()
)
"""verbs that end a noun phrase though a thing follows them"""
_BEFORE = "|".join(way.format(colour) for way in BACKGROUND for colour in COLOURS)
"""what may end a sentence of any style"""
_BACKGROUND = re.compile(
    rf"(?:(?:on|with|in front of)\s+)?(?:an?\s+)?({'|'.join(COLOURS)})\s+background", re.IGNORECASE
)


@dataclass(frozen=True)
class Subject:
    """What a caption is about."""

    phrase: str
    """noun with its attributes, without article: "tabby cat" """
    noun: str


def subject_of(caption: str) -> Subject:
    """Return the first thing that a caption names; whatever kind of picture it is said to be does not count.

    A rule of thumb for short captions: after "a photo of" and the article come attributes and the noun, up to a comma,
    a preposition, a verb such as "sitting" before one of them or "wearing" before anything, or "and" before an article.

    Raises:
        ValueError: nothing is left between these.
    """
    words = _LEADING.sub("", _THERE.sub("", _MEDIUM.sub("", " ".join(caption.split())))).split()
    taken: list[str] = []
    for word, following in pairwise([*words, ""]):
        if _ends(word.casefold(), following.casefold()) or (taken and word.casefold() in _DOING):
            break
        taken.append(re.sub(r"(?:['’]s?)?[,.;]*$", "", word))  # of "a cat's face", too, the cat is the subject
        if taken[-1] != word:
            break
    if not taken:
        raise ValueError(f'The caption "{caption}" names no thing; say with --source (source=) what the picture shows.')
    return Subject(" ".join(taken), taken[-1])


def style_of(caption: str) -> str:
    """Return which of ``STYLES`` a caption in words known to the package says; "photo" where it says no other."""
    for style in STYLES[1:]:
        for way in (*MEDIA[style], *(f"{with_article(name)} of {{}}" for name in CALLED[style])):
            pattern = re.escape(way).replace(r"\{\}", ".+") + rf"(?: (?:{_BEFORE}))?"
            if re.fullmatch(pattern, _plain(caption), re.IGNORECASE):
                return style
    return STYLES[0]


def captioned_task(caption: str, target: str, direction: Path | None = None) -> Task:
    """Return the edit of a picture that was captioned.

    A whole prompt as ``target`` stands against the whole caption. A style, a light or a closeness ("sketch", "night",
    "photo", "bright", "close-up") is given to the whole caption, and so is a "green background"; a coat ("orange") to
    the noun that it names. Any other word takes the noun's place, in a caption whose noun has lost its attributes: what
    a model knows of them often belongs to one animal (there are tabby cats and no tabby dogs), and a target such as
    "orange cat" brings its own. Captions are taken to be of one thing: of "two cats" a target "dog" makes "two dog".

    Raises:
        ValueError: the target is empty or is what the caption says, or the caption names no thing.
    """
    caption, target, seen = _plain(caption), target.strip(), subject_of(caption)
    phrase = _named(target, seen)
    wanted = _whole_picture(caption, target, seen) or phrase or target
    if wanted.casefold() in (text.casefold() for text in (caption, seen.phrase, seen.noun)):
        raise ValueError(
            f'The picture shows {caption}, so the target "{target}" would change nothing; give another target, or say '
            "with --source (source=) what it shows."
        )
    if not phrase or wanted != phrase:
        return make_task(seen.noun, wanted, caption, direction)
    if phrase.split()[-1].casefold() == seen.noun.casefold():  # the same animal in another coat
        return _replaced(caption, seen.phrase, phrase, direction)
    return _replaced(without_attributes(caption), seen.noun, phrase, direction)


def _replaced(caption: str, was: str, phrase: str, direction: Path | None) -> Task:
    """Return the edit of ``was`` to ``phrase``; a name of four words, "black and white cat", makes whole prompts."""
    if is_prompt(was) or is_prompt(phrase):
        return make_task(was.split()[-1], swap_word(caption, was, phrase), caption, direction)
    return make_task(was, phrase, caption, direction)


def _whole_picture(caption: str, target: str, seen: Subject) -> str:
    """Return the caption that a style, light, closeness or background makes of this one; nothing for other words."""
    asked, style = _bare(target).casefold(), style_of(caption)
    there = re.search(rf" (?:{_BEFORE})$", caption, re.IGNORECASE)
    background = there[0] if there else ""
    for medium, names in CALLED.items():
        if asked in names:
            kept = seen.phrase if style in (STYLES[0], medium) or medium == STYLES[0] else seen.noun
            return MEDIA[medium][0].format(with_article(kept)) + background
    if found := _BACKGROUND.fullmatch(asked.replace("gray", "grey")):
        return f"{caption.removesuffix(background)} {BACKGROUND[0].format(found[1])}"
    return ""


def _named(target: str, seen: Subject) -> str:
    """Return what takes the subject's place, without article; nothing for a whole prompt.

    A coat alone is one of the same noun; with a noun it is a name, however many words it has, and so are up to three
    others.
    """
    bare = _bare(target)
    coat, _, noun = bare.casefold().replace("grey", "gray").rpartition(" ")
    if (whole := f"{coat} {noun}".strip()) in (*COATS, *COLOURS):
        return f"{whole} {seen.noun}"
    if coat in COATS:
        return f"{coat} {bare.split()[-1]}"
    return "" if is_prompt(bare) else bare


def _plain(caption: str) -> str:
    return " ".join(caption.split()).rstrip(".")


def _bare(target: str) -> str:
    return re.sub(r"^(?:an?|the)\s+", "", target, flags=re.IGNORECASE)


def without_attributes(caption: str) -> str:
    """Return "a photo of a cat" of "a photo of an orange cat".

    Raises:
        ValueError: the caption names no thing.
    """
    seen = subject_of(caption)
    return swap_word(_plain(caption), seen.phrase, seen.noun)


def _ends(word: str, following: str) -> bool:
    bound = following in _CLOSING or following in _ARTICLES or not following
    return word in _CLOSING or (word == "and" and following in _ARTICLES) or (word.endswith("ing") and bound)
