"""Which of a generator's lines are sentences about the word; the others are dropped by rule, and counted."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_MARK = re.compile(r"^\s*(?:[-*•–—]\s+|\(?\d{1,4}[.):]\s*|#+\s+)+")
"""what stands before a line of a list"""
_QUOTED = re.compile(r"^([\"'“‘`*_]+)(.*?)[\"'”’`*_]*[,;]?$")
_REFUSAL = re.compile(
    r"\b(?:as an ai|language model|i(?:['’]m| am) (?:sorry|unable|not able)|i (?:cannot|(?:can|won)['’]t|apologize))\b",
    re.IGNORECASE,
)
_CHAT = re.compile(
    r"^(?:sure|certainly|of course|okay|ok|here (?:are|is)|captions?|sentences?)\b.*(?::|!)$", re.IGNORECASE
)
"""what is said to the person who asks"""


@dataclass(frozen=True)
class Sifted:
    """What is left of a generator's lines."""

    sentences: list[str]
    dropped: dict[str, int]
    """how many lines fell to which rule"""


def sift(
    lines: Sequence[str], word: str | None, fits: Callable[[str], bool] | None = None, count: int | None = None
) -> Sifted:
    """Drop what is no sentence about ``word``, and after the first ``count`` good ones the rest.

    Numbering and quotation marks around a line are taken off. Empty lines are not counted.

    Args:
        lines: as they came.
        word: what each has to have, or its plural with -s or -es; None where that is not asked.
        fits: whether the text encoder reads all of a sentence.
        count: how many are wanted at most.
    """
    kept: dict[str, str] = {}
    dropped = Counter[str]()
    for line in lines:
        said = bare(line)
        if not said:
            continue
        reason = objection(said, word, fits)
        if reason is None and said.casefold() in kept:
            reason = "said before"
        if reason is None and count is not None and len(kept) == count:
            reason = "more than asked for"
        if reason is None:
            kept[said.casefold()] = said
        else:
            dropped[reason] += 1
    return Sifted(list(kept.values()), dict(sorted(dropped.items())))


def bare(line: str) -> str:
    """A line without the mark of a list before it and quotation marks around it."""
    said = _MARK.sub("", line).strip()
    quoted = _QUOTED.match(said)
    return " ".join((quoted[2] if quoted else said).split())


def objection(said: str, word: str | None, fits: Callable[[str], bool] | None) -> str | None:
    """The rule that a line falls to; None for a good one."""
    if not said.isprintable():
        return "control characters"
    if _REFUSAL.search(said):
        return "a refusal"
    if _CHAT.match(said):
        return "addressed to the reader"
    if word is not None and not speaks_of(said, word):
        return "without the word"
    if fits is not None and not fits(said):
        return "too long for the text encoder"
    return None


def speaks_of(said: str, word: str) -> bool:
    """Whether a line has the word as such, or with -s or -es."""
    return re.search(rf"(?<!\w){re.escape(word.strip())}(?:e?s)?(?!\w)", said, re.IGNORECASE) is not None
