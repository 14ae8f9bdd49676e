"""Prompts as text: word swaps, and the template sentence bank.

The bank replaces a language model where none is at hand. It follows the construction of pix2pix-zero's free
sentence generator (Parmar et al. 2023, section 3.1 and its released demo): background x verb x adjective sentences,
with the word at many positions. The shipped model's captions are varied with the same bank, so that the mean
difference of two banks is a direction its text encoder knows.
"""

import re
from collections.abc import Iterator
from itertools import islice, product

from zeroshift.grammar import article

BACKGROUNDS = (
    "in the grass",
    "on a sofa",
    "near a window",
    "in the garden",
    "on a wooden floor",
    "in the snow",
    "at home",
    "under a tree",
    "on a bed",
    "in the sunlight",
)
VERBS = (
    "sitting",
    "standing",
    "lying",
    "resting",
    "waiting",
    "looking at the camera",
    "playing",
    "sleeping",
    "watching",
    "relaxing",
)
ADJECTIVES = (
    "cute",
    "small",
    "big",
    "young",
    "old",
    "happy",
    "lovely",
    "fluffy",
    "calm",
    "curious",
    "beautiful",
    "friendly",
    "funny",
    "sleepy",
    "shy",
    "proud",
    "gentle",
    "quiet",
    "wild",
    "adorable",
)
PATTERNS = (
    "{a_adj_word} {verb} {background}",
    "a photo of {a_adj_word} {background}",
    "{background}, {a_adj_word} is {verb}",
    "the {adj} {word} is {verb} {background}",
    "a picture of {a_word} that looks {adj}, {verb} {background}",
    "{a_word} {background}, {adj} and {verb}",
    "a snapshot of {a_adj_word} {verb}",
    "portrait of {a_adj_word} {background}",
)
PLAIN = (
    "a photo of {a_word}",
    "a picture of {a_word}",
    "{a_word}",
    "a snapshot of {a_word}",
    "portrait of {a_word}",
)

MOST_TEMPLATES = len(BACKGROUNDS) * len(VERBS) * len(ADJECTIVES)
"""sentences of the template bank about one word"""

_SEVERAL = re.compile(r"(?:two|three|four|five|six|seven|eight|nine|ten|some|several|many|\d+)\s", re.IGNORECASE)
_PHOTO_OF = re.compile(
    r"^(?:an?|the)?\s*(?:photo|picture|image|painting|drawing|sketch)\s+of\s+(?:an?|the)\s+(.+)$", re.I
)


def with_article(phrase: str) -> str:
    """Put the right indefinite article before ``phrase``; none before a number of things."""
    return phrase if _SEVERAL.match(phrase) else f"{article(phrase)} {phrase}"


def noun_phrase(caption: str) -> str | None:
    """What a caption such as "a photo of an orange cat" is of ("orange cat"), or None for other sentences."""
    found = _PHOTO_OF.match(caption.strip())
    return found.group(1) if found else None


def contains_word(prompt: str, word: str) -> bool:
    """Whether ``word`` stands in ``prompt`` as whole words, ignoring case."""
    return _whole(word).search(prompt) is not None


def swap_word(prompt: str, source: str, target: str) -> str:
    """Replace every whole-word ``source`` in ``prompt`` by ``target``, correcting or dropping the article before it.

    Raises:
        ValueError: ``source`` does not stand in ``prompt``.
    """
    if not contains_word(prompt, source):
        raise ValueError(f'The word "{source}" does not stand in the prompt "{prompt}"; give a prompt that has it.')
    swapped = _whole(source).sub(lambda _: target, prompt)
    following = re.compile(rf"\b(an?)(\s+)(?={re.escape(target)}(?!\w))", re.IGNORECASE)
    if _SEVERAL.match(target):
        return following.sub("", swapped)
    return following.sub(lambda m: _like(m.group(1), article(target)) + m.group(2), swapped)


def template_sentences(word: str, count: int = 1000) -> list[str]:
    """``count`` different sentences about ``word`` (1 to 2000), the same ones on every call.

    Sentence ``k`` of two words differs in the word alone, so token positions of their means correspond.

    Raises:
        ValueError: ``word`` is empty, or ``count`` is out of range.
    """
    if not word.strip():
        raise ValueError("The word to make sentences about is empty; give a noun such as cat.")
    if not 1 <= count <= MOST_TEMPLATES:
        raise ValueError(f"The template bank holds 1 to {MOST_TEMPLATES} sentences, not {count}.")
    return [sentence(pattern, word, *parts) for pattern, parts in islice(_different(), count)]


def _different() -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Walk through patterns and (background, verb, adjective), leaving out what gives a sentence a second time.

    Repetitions come from patterns without a slot for every part.
    """
    combinations = list(product(BACKGROUNDS, VERBS, ADJECTIVES))
    size, seen = len(combinations), set()
    for k in range(size * len(PATTERNS)):
        # 787 is prime to 2000: every prefix of the walk mixes backgrounds, verbs, adjectives and patterns.
        # Each lap begins one pattern later, since the number of patterns divides 2000.
        pattern, parts = PATTERNS[(k + k // size) % len(PATTERNS)], combinations[(k * 787) % size]
        filled = sentence(pattern, "", *parts)
        if filled not in seen:
            seen.add(filled)
            yield pattern, parts


def sentence(pattern: str, word: str, background: str, verb: str, adjective: str) -> str:
    """Fill one pattern of the bank."""
    return pattern.format(
        word=word,
        adj=adjective,
        verb=verb,
        background=background,
        a_word=with_article(word),
        a_adj_word=with_article(f"{adjective} {word}"),
    )


def _whole(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _like(sample: str, word: str) -> str:
    return word.capitalize() if sample[0].isupper() else word


def printable(text: str) -> str:
    """A stranger's text for a terminal: control characters and what changes the direction of writing are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
