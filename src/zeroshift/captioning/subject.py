"""What a caption is about: its first noun phrase, read by rules.

A rule of thumb for captions as models write them, not a parser of English. It knows: openings ("there is", "in this
picture", "on a sofa, …"), what depicts, measures or is a place of the thing ("a photo of", "a cup of", "the front
of"), possessives, adjectives joined by commas or "and", participles with and without -ing ("parked", "made"), relative
clauses, verbs. Of several things the first counts. Compound nouns are taken whole ("fire truck"). A verb that is on
none of its lists is taken for a noun, and a sentence that puts its subject last is misread.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from zeroshift.captioning.lexicon import (
    ADJECTIVES_IN_LY,
    ADVERBS,
    ARTICLES,
    ATTRIBUTES,
    BODY,
    CLOSING,
    COLOURS,
    CONTAINERS,
    DEPICTIONS,
    DETERMINERS,
    NOUNS_IN_ED,
    NOUNS_IN_ING,
    PARTICIPLES,
    PHRASAL,
    PLURAL_VERBS,
    PREPOSITIONS,
    TRANSITIVE,
    TRANSPARENT,
    VERBS,
)

_OPENING = re.compile(
    r"^(?:(?:in|on|from)\s+(?:this|the)\s+(?:image|picture|photo|photograph|scene|painting|foreground|background)[,\s]+)?"
    r"(?:(?:there|here|this|it|that)\s+(?:is|are|was)\b|(?:there|here|it|that)['’]s\b|(?:we|i)\s+(?:can\s+)?see\b|there\b)?\s*",
    re.IGNORECASE,
)
_PLACE_FIRST = re.compile(
    rf"^(?:{'|'.join(sorted(PREPOSITIONS))})\b.*?(?:,|\b(?:is|are|sits?|stands?|lies|lie|hangs?))\s+"
    rf"(?=(?:{'|'.join(sorted(DETERMINERS))}|\d+)\b)",
    re.IGNORECASE,
)
_CLOSE_UP = re.compile(r"\bclose up\b", re.IGNORECASE)
_EDGE = re.compile(r"^\W+|(?:['’]s?)?[^\w'’]*$")
"""what stands around a word, possessive endings with it"""
_POSSESSIVE = re.compile(r"(?:['’]s|s['’])$")
_SHOWING = ("showing", "shows", "depicting", "depicts", "featuring", "features", "with")
"""what may follow a depiction in the place of "of" """


@dataclass(frozen=True)
class Subject:
    """What a caption is about."""

    phrase: str
    """noun with its attributes, without article, as it stands in the caption: "tabby cat" """
    noun: str
    """its head: "cat" """
    container: str = ""
    """what holds it, if that is a cup, a bowl or the like: "cup" of "a cup of coffee" """


def subject_of(caption: str) -> Subject:
    """The first thing that a caption names; what depicts, measures or holds it does not count.

    Raises:
        ValueError: it names none.
    """
    text = " ".join(caption.split())
    rest = _OPENING.sub("", _PLACE_FIRST.sub("", _CLOSE_UP.sub("close-up", text)))
    found = _subject(rest.split())
    if found is None:
        raise ValueError(f'The caption "{caption}" names no thing; give the `source` instead.')
    return found


def _subject(words: Sequence[str], container: str = "") -> Subject | None:
    words, before = _undetermined(words), len(words)
    length = _length(words, determined=len(words) < before)
    phrase, rest = words[:length], words[length:]
    if not phrase:
        return None
    owner = next((k for k, word in enumerate(phrase[:-1]) if _POSSESSIVE.search(word)), None)
    if owner is not None:
        phrase = phrase[: owner + 1] if bare(phrase[-1]) in BODY else phrase[owner + 1 :]
    head, following = bare(phrase[-1]), bare(rest[0]) if rest else ""
    inside = following == "of" and singular(head) in TRANSPARENT
    if inside or (singular(head) in DEPICTIONS and following in _SHOWING):
        holder = _EDGE.sub("", phrase[-1]) if singular(head) in CONTAINERS else ""
        if (deeper := _subject(rest[1:], holder)) is not None:
            return deeper
    if following == "of" and not phrase[-1].endswith(","):  # "a bird of prey" is replaced as a whole
        whole = _subject_after(rest)
        return Subject(_joined([*phrase, *whole]), _EDGE.sub("", phrase[-1]), container)
    return Subject(_joined(phrase), _EDGE.sub("", phrase[-1]), container)


def _subject_after(rest: Sequence[str]) -> Sequence[str]:
    """ "of" and the noun phrase behind it; nothing where there is none."""
    inner = _undetermined(rest[1:])
    length = _length(inner, determined=len(inner) < len(rest) - 1)
    return rest[: len(rest) - len(inner) + length] if length else ()


def _undetermined(words: Sequence[str]) -> Sequence[str]:
    """The words after articles, numbers and the like; "of" in "one of the dogs" is passed over with them."""
    k = 0
    while k < len(words) and (_determines(words[k]) or (k and bare(words[k]) == "of")):
        k += 1
    return words[k:]


def _determines(word: str) -> bool:
    return bare(word) in DETERMINERS or bare(word).isdigit()


def _length(words: Sequence[str], determined: bool) -> int:
    """How many words the noun phrase at the beginning has; ``determined``: an article or the like stood before it."""
    low = [bare(word) for word in words]
    if not determined and low and low[0] not in ATTRIBUTES and _participle(low, 0):  # "sitting on a couch"
        return 0
    for k, word in enumerate(words):
        if _ends(low, k, _has_noun(low[:k])):
            return k
        if word[-1] in ",.;:!?" and not (word[-1] == "," and _lists(low, k)):
            return k + 1
        if _POSSESSIVE.search(word) and k + 1 == len(words):
            return k + 1
    return len(words)


def _lists(low: Sequence[str], k: int) -> bool:
    """Whether the comma after word ``k`` is one between adjectives: "a small, fluffy dog"."""
    return not _has_noun(low[: k + 1]) and k + 1 < len(low) and not _bound(low, k + 1)


def _has_noun(low: Sequence[str]) -> bool:
    return any(not _attribute(word) and word != "and" for word in low)


def _attribute(word: str) -> bool:
    """Whether a word is an adjective, or a participle that stands for one before a noun."""
    formed = (word.endswith("ed") and word not in NOUNS_IN_ED) or (word.endswith("ing") and word not in NOUNS_IN_ING)
    return word in ATTRIBUTES or formed or word in PARTICIPLES or _adverb(word)


def _adverb(word: str) -> bool:
    return (
        word.endswith("ly") and len(word) > 4 and word not in ADJECTIVES_IN_LY | {"family", "belly", "jelly", "italy"}
    )


def _bound(low: Sequence[str], k: int) -> bool:
    """Whether word ``k`` cannot go on a noun phrase: the end, a preposition, an article, an adverb."""
    return k >= len(low) or low[k] in CLOSING | ARTICLES | ADVERBS or low[k] == "and" or _adverb(low[k])


def _ends(low: Sequence[str], k: int, noun: bool) -> bool:
    """Whether the noun phrase ends before word ``k``; ``noun``: a noun stands in it already."""
    word, before = low[k], low[k - 1] if k else ""
    if (before, word) in PHRASAL:
        return False
    if word in CLOSING or (k and word in ARTICLES):
        return True
    if word in ("and", "or"):
        return not _joins(low, k, noun)
    return noun and (_verb(low, k) or _participle(low, k))


def _verb(low: Sequence[str], k: int) -> bool:
    """Whether a word behind a noun is its verb, or leads to it: "sits", "wearing", "slowly walking"."""
    word, plural = low[k], low[k - 1].endswith("s") or low[k - 1] in ("people", "men", "women", "children", "sheep")
    if word == "can" and low[k + 1 : k + 2] == ["be"]:
        return True
    if word in TRANSITIVE or (word in VERBS and k + 1 < len(low)) or (plural and word in PLURAL_VERBS):
        return True
    return _adverb(word) and (_bound(low, k + 1) or low[k + 1].endswith("ing"))


def _participle(low: Sequence[str], k: int) -> bool:
    """Whether a word behind a noun is a participle with what belongs to it: "parked on", "sitting", "painted red"."""
    word = low[k]
    if word in NOUNS_IN_ING:  # a noun, but not in "elephants crossing a river"
        return k > 0 and k + 1 < len(low) and low[k + 1] in ARTICLES
    if word.endswith("ing"):
        return _bound(low, k + 1) or low[k + 1] in ATTRIBUTES
    if word in PARTICIPLES or (word.endswith("ed") and word not in NOUNS_IN_ED):
        return _bound(low, k + 1) or (low[k + 1] in COLOURS and _bound(low, k + 2))
    return False


def _joins(low: Sequence[str], k: int, noun: bool) -> bool:
    """Whether "and" joins two attributes ("black and white cat") or two nouns before a third ("ham and egg roll")."""
    if _bound(low, k + 1):
        return False
    if not noun:
        return True
    two = k + 2 < len(low) and not (_ends(low, k + 2, noun=True) or low[k + 2] in ("and", "or"))
    return two and not _attribute(low[k + 1]) and not any(word in ATTRIBUTES for word in low[:k])


def bare(word: str) -> str:
    """A word without what stands around it, in small letters: "cat" of "Cat's"."""
    return _EDGE.sub("", word).casefold()


def singular(word: str) -> str:
    """A noun of the lexicon without its plural ending, as far as it has one there."""
    return next((stem for stem in (word, word[:-1], word[:-2]) if stem in TRANSPARENT), word)


def _joined(words: Sequence[str]) -> str:
    return " ".join([*words[:-1], _EDGE.sub("", words[-1])])
