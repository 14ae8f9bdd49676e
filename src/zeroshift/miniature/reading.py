"""Edits in the words of the shipped model: animals, coats, styles, light, closeness and backgrounds."""

import re
from collections.abc import Callable, Sequence

from zeroshift.captioning.sentences import check_new, plain, swapped, without_article
from zeroshift.captioning.subject import Subject, subject_of
from zeroshift.conditioning.task import Task, check_target, is_prompt, make_task
from zeroshift.image.framing import WHOLE_BOX, Within
from zeroshift.miniature.data.breeds import animal_of
from zeroshift.miniature.vocabulary import (
    BACKGROUND,
    BIG_CATS,
    CALLED,
    COATS,
    COLOURS,
    KINDS,
    MEDIA,
    NEAR,
    STYLES,
    empty,
)
from zeroshift.sentences import contains_word, swap_word, with_article

_BEFORE = "|".join(way.format(colour) for way in BACKGROUND for colour in COLOURS)
"""what may end a sentence of any style"""
_BACKGROUND = re.compile(
    rf"(?:(?:on|with|in front of)\s+)?(?:an?\s+)?({'|'.join(COLOURS)})\s+background", re.IGNORECASE
)


def retarget(caption: str, target: str) -> Task:
    """The edit of a picture with this caption.

    A whole prompt as ``target`` stands against the whole caption. A style, a light or a closeness ("sketch", "night",
    "photo", "bright", "close-up") is given to the whole caption, and so is a "green background"; a coat ("orange") to
    the noun that it names. Any other word takes the noun's place, in a caption whose noun has lost its attributes: what
    a model knows of them often belongs to one animal (there are tabby cats and no tabby dogs), and a target such as
    "orange cat" brings its own. Captions are taken to be of one thing: of "two cats" a target "dog" makes "two dog".

    Raises:
        ValueError: the target is empty or is what the caption says, or the caption names no thing.
    """
    check_target(target)
    if any(caption == empty(medium) for medium in MEDIA):
        return _of_nothing(caption, target)
    caption, target, seen = plain(caption), target.strip(), subject_of(caption)
    phrase = _named(target, seen)
    wanted = _whole_picture(caption, target, seen) or phrase or target
    check_new(caption, target, wanted, seen)
    if not phrase or wanted != phrase:
        return make_task(seen.noun, wanted, caption)
    if phrase.split()[-1].casefold() == seen.noun.casefold():  # the same animal in another coat
        return swapped(caption, seen.phrase, phrase)
    return swapped(source_prompt(caption), seen.noun, phrase)


def targets() -> dict[str, tuple[str, ...]]:
    """What ``retarget`` knows beside animals, by what it changes; each as it is usually called."""
    called = {medium: names[0] for medium, names in CALLED.items()}
    light = ("bright", "dark", "night")
    return {
        "coat": COATS,
        "style": tuple(name for medium, name in called.items() if medium in STYLES and medium not in light),
        "light": tuple(called[medium] for medium in light),
        "closeness": (called["close"],),
        "background": tuple(f"{colour} background" for colour in COLOURS),
    }


def _of_nothing(caption: str, target: str) -> Task:
    """The edit of a picture of which only the medium is known, to another one, a light or a background.

    Raises:
        ValueError: it is that already.
    """
    asked = without_article(target.strip()).casefold()
    found = _BACKGROUND.fullmatch(asked.replace("gray", "grey"))
    medium = next((medium for medium, names in CALLED.items() if asked in names), "")
    wanted = empty(medium) if medium else f"{caption} {BACKGROUND[0].format(found[1])}" if found else target
    if wanted == caption:
        raise ValueError(f'The picture is {caption}, so the target "{target}" would change nothing; give another one.')
    return make_task(caption, wanted)


def source_prompt(caption: str) -> str:
    """A caption whose noun has lost its attributes: "a photo of a cat" of "a photo of an orange cat".

    Raises:
        ValueError: the caption names no thing.
    """
    seen = subject_of(caption)
    return swap_word(plain(caption), seen.phrase, seen.noun)


def style_of(caption: str) -> str:
    """Which of ``STYLES`` a caption says; "photo" where it says no other."""
    for style in STYLES[1:]:
        if _says(caption, (*MEDIA[style], *(f"{with_article(name)} of {{}}" for name in CALLED[style]))):
            return style
    return STYLES[0]


def changes_all(source: str | None, target: str) -> bool:
    """Whether a target is a matter of the whole picture: a style, a light or a background, whatever the animal.

    A whole prompt is, if it says another one than the source does; a source that is not named yet is taken to be a
    photograph in usual light.
    """
    asked = without_article(target.strip()).casefold()
    if any(asked in names for medium, names in CALLED.items() if medium != "close"):
        return True
    if _BACKGROUND.fullmatch(asked.replace("gray", "grey")):
        return True
    if not is_prompt(target):
        return False
    return any(_apart(source or "", target, told) for told in (style_of, _light_of, _background_of))


def within(target: str) -> Within:
    """What is edited of the frame that is found around a head, for a target: a word or a whole prompt."""
    animal = animal_of(target) or next((word for word in BIG_CATS if contains_word(target, word)), "")
    said = _BACKGROUND.sub("", target).casefold().replace("grey", "gray")
    if animal == "cat" and any(contains_word(said, coat) for coat in COATS):
        return WHOLE_BOX  # a cat takes that coat, of which as much as can is to be seen
    return NEAR.get(animal, WHOLE_BOX)


def kinds(target: str) -> tuple[str, ...]:
    """Breeds and coats of a target that is the bare name of an animal; none of others."""
    return KINDS.get(without_article(target.strip()).casefold(), ())


def _apart(source: str, target: str, told: Callable[[str], str]) -> bool:
    return told(source) != told(target)


def _light_of(caption: str) -> str:
    return next((light for light in ("dark", "bright") if _says(caption, MEDIA[light])), "")


def _background_of(caption: str) -> str:
    there = re.search(rf" (?:{_BEFORE})$", plain(caption), re.IGNORECASE)
    return there[0].casefold() if there else ""


def _says(caption: str, ways: Sequence[str]) -> bool:
    """Whether a caption is written in one of the ``ways``, perhaps with a background."""
    patterns = (re.escape(way).replace(r"\{\}", ".+") + rf"(?: (?:{_BEFORE}))?" for way in ways)
    return any(re.fullmatch(pattern, plain(caption), re.IGNORECASE) for pattern in patterns)


def _whole_picture(caption: str, target: str, seen: Subject) -> str:
    """The caption that a style, light, closeness or background makes of this one; nothing for other words."""
    asked, style = without_article(target).casefold(), style_of(caption)
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
    """What takes the subject's place, without article; nothing for a whole prompt.

    A coat alone is one of the same noun; with a noun it is a name, however many words it has, and so are up to three
    others.
    """
    bare = without_article(target)
    coat, _, noun = bare.casefold().replace("grey", "gray").rpartition(" ")
    if (whole := f"{coat} {noun}".strip()) in (*COATS, *COLOURS):
        return f"{whole} {seen.noun}"
    if coat in COATS:
        return f"{coat} {bare.split()[-1]}"
    return "" if is_prompt(bare) else bare
