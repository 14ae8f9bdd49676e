"""Which of a generator's lines are sentences about the word; the others are dropped by rule, and counted."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from zeroshift.grammar import plural

_MARK = re.compile(
    r"^\s*(?:[-*+•‣◦▪●·–—>]\s+|[(\[]?\d{1,4}(?:[.):\]](?!\d)\s*|\s*[-–—]\s+)|\(?[a-z][.)]\s+|#+\s+)+", re.IGNORECASE
)
"""what stands before a line of a list"""
_LABEL = re.compile(
    r"^(?:(?:caption|sentence|description|prompt|image|picture|photo|example|answer|output|response|assistant)"
    r"|(?:[^\W\d]+ ){1,3}#?\d{1,4}"
    r"|(?:sure|certainly|of course|okay|ok|here (?:are|is)|here['’]s)\b[^:]*)\s*:\s+(?=\S)",
    re.IGNORECASE,
)
"""what a sentence is announced with"""
_QUOTED = re.compile(r"^(?!```)([\"'“‘`*_]+)(.*?)[\"'”’`*_]*[,;]?$")
_TAG = re.compile(r"</?[a-z][^<>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"[<>{}|\\]|```|^\W*$")
"""what no sentence has"""
_THOUGHT = re.compile(r"<\s*(/?)\s*(?:think(?:ing)?|thought|reasoning)\s*>", re.IGNORECASE)
"""where a model begins to think aloud, or ends"""
_REFUSAL = re.compile(
    r"\b(?:as an ai|language model|i(?:['’]m| am) (?:sorry|unable|not able)|i (?:cannot|(?:can|won)['’]t|apologize))\b",
    re.IGNORECASE,
)
_CHAT = re.compile(
    r"^(?:(?:sure|certainly|of course|okay|ok|here (?:are|is)|captions?|sentences?)\b.*(?::|!)"
    r"|(?:(?:please )?note|notes|n\.?b\.?|p\.?s\.?|remark|explanation|disclaimer)\s*[:–—-].*|.*:)$",
    re.IGNORECASE,
)
"""what is said to the person who asks"""
_ENDS = " .,;!?…"
CUT = " …"
"""what is put after a line that a limit of tokens broke off"""


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

    Numbering, announcements ("Caption:"), tags and quotation marks around a line are taken off, and what a model thinks
    aloud. Empty lines are not counted. Sentences that differ in case and final punctuation alone are the same.

    Args:
        lines: as they came.
        word: what each has to have, or its plural; None where that is not asked.
        fits: whether the text encoder reads all of a sentence.
        count: how many are wanted at most.
    """
    kept: dict[str, str] = {}
    dropped = Counter[str]()
    for line in spoken(lines):
        said = "" if line is None else bare(line)
        reason = "reasoning" if line is None else objection(said, word, fits)
        same = said.casefold().rstrip(_ENDS)
        if reason is None and same in kept:
            reason = "said before"
        if reason is None and count is not None and len(kept) == count:
            reason = "more than asked for"
        if reason is None:
            kept[same] = said
        else:
            dropped[reason] += 1
    return Sifted(list(kept.values()), dict(sorted(dropped.items())))


def spoken(lines: Sequence[str]) -> Iterator[str | None]:
    """What each line that is not empty has outside of <think> ... </think>; None where it has nothing there.

    What is never closed goes on to the next </think>, or to the end.
    """
    thinking = False
    for line in lines:
        said, at, thought = "", 0, thinking
        for mark in _THOUGHT.finditer(line):
            closes, thought = bool(mark[1]), True
            said += "" if thinking or closes else line[at : mark.start()]  # what a lone </think> ends is thought, too
            thinking, at = not closes, mark.end()
        said += "" if thinking else line[at:]
        if line.strip():
            yield None if thought and not said.strip() else said


def marked(answer: str, cut: bool) -> str:
    """An answer, with a mark after its last line if a limit ``cut`` that off."""
    return f"{answer}{CUT}" if cut and answer.strip() and not answer.endswith("\n") else answer


def bare(line: str) -> str:
    """A line without the mark of a list or an announcement before it, tags, and quotation marks around it."""
    said = _LABEL.sub("", _MARK.sub("", _TAG.sub("", line).replace("**", "")).strip()).strip()
    quoted = _QUOTED.match(said)
    return " ".join((quoted[2] if quoted else said).split())


def objection(said: str, word: str | None, fits: Callable[[str], bool] | None) -> str | None:
    """The rule that a line falls to; None for a good one."""
    if not said.isprintable():
        return "control characters"
    if _MARKUP.search(said):
        return "markup"
    if _REFUSAL.search(said):
        return "a refusal"
    if _CHAT.match(said):
        return "addressed to the reader"
    if said.endswith(CUT.strip()):
        return "broken off"
    if word is not None and not speaks_of(said, word):
        return "without the word"
    if fits is not None and not fits(said):
        return "too long for the text encoder"
    return None


def speaks_of(said: str, word: str) -> bool:
    """Whether a line has the word as such, or its plural: with -s or -es, or as in "women", "wolves", "ponies"."""
    word = word.strip()
    return _has(said, rf"{re.escape(word)}(?:e?s)?") or _has(said, re.escape(plural(word)))


def _has(said: str, form: str) -> bool:
    return re.search(rf"(?<!\w){form}(?!\w)", said, re.IGNORECASE) is not None
