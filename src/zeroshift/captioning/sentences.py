"""Edits of pictures that were captioned in plain English."""

import re
from dataclasses import dataclass
from typing import final

from zeroshift.captioning.lexicon import COLOURS, CONTAINERS, GIVEN
from zeroshift.captioning.subject import Subject, bare, singular, subject_of
from zeroshift.conditioning.task import Task, check_target, is_prompt, make_task
from zeroshift.sentences import swap_word, with_article

_ARTICLE = re.compile(r"^(?:an?|the)\s+", re.IGNORECASE)
_COUNT = re.compile(r"(?:two|three|four|five|six|seven|eight|nine|ten|some|several|many|\d+)\s+", re.IGNORECASE)


@final
@dataclass(frozen=True)
class PlainEnglish:
    """Reads captions of any captioner by the rules of ``captioning.subject``; it knows no model's words."""

    def retarget(self, caption: str, target: str) -> Task:
        """The edit of a picture with this caption; the whole caption is the source prompt.

        A target of up to three words, beside its article, takes the place of the thing that the caption is about, with
        all its attributes: "tank" makes "a tank parked on the street" of "a red car parked on the street", and "tea" "a
        cup of tea" of "a cup of coffee", where "glass" makes "a glass of coffee". A target that is an attribute and
        nothing else ("blue", "wooden") is given to the thing; "orange", a fruit, takes its place. Number is not
        changed: for several things give a plural. A whole prompt stands against the whole caption.

        Raises:
            ValueError: the target is empty or is what the caption says, or the caption names no thing.
        """
        check_target(target)
        caption, target, seen = plain(caption), target.strip(), subject_of(caption)
        was, wanted = replaced(caption, seen, without_article(target))
        check_new(caption, target, wanted or target, seen)
        return swapped(caption, was, wanted) if wanted else make_task(seen.noun, target, caption)

    def source_prompt(self, caption: str) -> str:
        """The caption itself.

        Raises:
            ValueError: it names no thing.
        """
        subject_of(caption)
        return plain(caption)


def replaced(caption: str, seen: Subject, target: str) -> tuple[str, str]:
    """What of the caption a target replaces, and by what; nothing for a whole prompt."""
    if is_prompt(target):
        return "", ""
    low = [bare(word) for word in target.split()]
    if all(word in GIVEN for word in low):
        return seen.phrase, given(seen.phrase, target)
    if seen.container and singular(low[-1]) in CONTAINERS:
        return seen.container, target
    counted = _COUNT.match(target) and re.search(rf"{_COUNT.pattern}{re.escape(seen.phrase)}(?!\w)", caption, re.I)
    return counted[0] if counted else seen.phrase, target


def given(phrase: str, attribute: str) -> str:
    """A noun phrase with an attribute more; a colour takes the place of the one that is there."""
    words = phrase.split()
    if bare(attribute) in COLOURS and bare(words[0]) in COLOURS:
        last = next(k for k, word in enumerate(words) if bare(word) not in COLOURS | {"and"})
        return " ".join([attribute, *words[last:]])
    coloured = [word for word in words[:-1] if bare(word) in COLOURS] if bare(attribute) in COLOURS else []
    return swap_word(phrase, coloured[0], attribute) if coloured else f"{attribute} {phrase}"


def swapped(caption: str, was: str, wanted: str) -> Task:
    """The edit of ``was`` to ``wanted`` in a caption; a name of four words or more makes whole prompts."""
    if not is_prompt(was) and not is_prompt(wanted):
        return make_task(was, wanted, caption)
    prompt = swap_word(caption, was, wanted)
    return make_task(was.split()[-1], prompt if is_prompt(prompt) else with_article(prompt), caption)


def check_new(caption: str, target: str, wanted: str, seen: Subject) -> None:
    """Refuse a target that says what the caption says; ``wanted`` is what it stands for.

    Raises:
        ValueError: it does.
    """
    if wanted.casefold() in (text.casefold() for text in (caption, seen.phrase, seen.noun)):
        raise ValueError(
            f'The picture shows {caption}, so the target "{target}" would change nothing; give another target, or say '
            "with `source` what it shows."
        )


def plain(caption: str) -> str:
    """A caption with single blanks and without the full stop."""
    return " ".join(caption.split()).rstrip(".")


def without_article(text: str) -> str:
    """A name without "a", "an" or "the" before it."""
    return _ARTICLE.sub("", text)
