"""An edit in one sentence, as people type it: "cat -> dog", "make the cat a dog", "turn it into a sketch"."""

import re
from dataclasses import dataclass

from zeroshift.sentences import with_article

_ARROW = re.compile(r"\s*(?:->|=>|→|⇒|⟶)\s*")
_BEFORE = re.compile(r"^(?:(?:please|now|then|can you|could you|would you)[\s,]+)+", re.IGNORECASE)
_AFTER = re.compile(r"\b(?:please|instead|in (?:this|the) (?:picture|photo|photograph|image))$", re.IGNORECASE)
_INTO = re.compile(
    r"^(?:make|turn|change|transform|convert|morph)\s+(?P<source>.+?)\s+"
    r"(?:into|in to|to be|to|look like)\s+(?P<target>.+)$",
    re.IGNORECASE,
)
_WITH = re.compile(r"^(?:replace|swap|exchange)\s+(?P<source>.+?)\s+(?:with|by|for)\s+(?P<target>.+)$", re.IGNORECASE)
_MAKE = re.compile(
    r"^make\s+(?P<source>it|this|that|(?:the|this|that|my|his|her|our|their)\s+.+?)\s+(?P<target>an?\s+.+)$",
    re.IGNORECASE,
)
_MAKE_SO = re.compile(
    r"^make\s+(?P<source>it|this|that|(?:the|this|that|my|his|her|our|their)\s+\S+)\s+(?P<target>\S+)$", re.IGNORECASE
)
_ORDER = re.compile(
    r"^(?:make|turn|change|transform|convert|morph|replace|swap|exchange|add|remove|delete|erase|put|give|let)\s",
    re.IGNORECASE,
)
"""how sentences begin that say what to do and not what to show"""
_DETERMINER = re.compile(r"^(?:an?|the|this|that|my|his|her|our|their)\s+", re.IGNORECASE)
_PICTURE = re.compile(
    r"^(?:it|this|that|(?:(?:the|this|that|my)\s+)?(?:picture|photo|photograph|image))$", re.IGNORECASE
)
_MOST_WORDS = 3
"""of a thing; what has more is a description"""


@dataclass(frozen=True)
class Instruction:
    """What a sentence asks for, as ``EditSpec`` has it."""

    target: str
    """a word, or a whole prompt"""
    source: str | None = None
    """a word, or a whole prompt; None where the sentence names none"""


def read_instruction(text: str) -> Instruction:
    """What somebody asks for in one sentence; a word or description that is no instruction is the target.

    An arrow stands between source and target. Of sentences those with make, turn, change, transform, convert, replace
    and swap are read: "make the cat a dog", "turn this into a sketch", "replace the cat with a dog". "Make the cat
    orange" asks for "an orange cat". Things lose their article, so that they are words; a pronoun or "the picture" is
    no source.

    Raises:
        ValueError: there are several arrows, nothing is asked for, or something else than these.
    """
    said = _without_ending(_BEFORE.sub("", " ".join(text.split())))
    if len(parts := _ARROW.split(said)) > 1:
        if len(parts) > 2:
            raise ValueError(f'"{text}" has {len(parts) - 1} arrows; ask for one edit, as in "cat -> dog".')
        return _asked(parts[0], parts[1], text)
    for form in (_INTO, _WITH, _MAKE):
        if found := form.match(said):
            return _asked(found["source"], found["target"], text)
    if found := _MAKE_SO.match(said):
        return _of_a_kind(found["source"], found["target"])
    if _ORDER.match(said):
        raise ValueError(f'"{text}" is not understood as an edit; write "cat -> dog", or what the picture shall show.')
    return _asked("", said, text)


def _without_ending(text: str) -> str:
    """A sentence without its punctuation, and without what is said for politeness."""
    text = text.rstrip(" ,.!?")
    while (shorter := _AFTER.sub("", text).rstrip(" ,.!?")) != text:
        text = shorter
    return text


def _of_a_kind(source: str, quality: str) -> Instruction:
    """ "make the cat orange": the same thing with a quality, in two prompts."""
    if _PICTURE.match(source):
        return Instruction(quality)
    noun = _DETERMINER.sub("", source)
    return Instruction(f"a photo of {with_article(f'{quality} {noun}')}", f"a photo of {with_article(noun)}")


def _asked(source: str, target: str, text: str) -> Instruction:
    if not target.strip():
        raise ValueError(f'"{text}" does not say what the picture shall show; write "cat -> dog" or "dog".')
    if not source.strip() or _PICTURE.match(source):
        return Instruction(_thing(target))
    return Instruction(_thing(target), _thing(source))


def _thing(text: str) -> str:
    """A thing without its article, a description as it is."""
    bare = _DETERMINER.sub("", text.strip())
    return bare if len(bare.split()) <= _MOST_WORDS else text.strip()
