"""Words that a model does not know, and words that it never sees because a prompt is too long."""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import groupby
from os.path import lexists
from pathlib import Path

from zeroshift.backbones.checkpoint import WORDS
from zeroshift.captioning.base import Offering, Vocabulary
from zeroshift.diffusion.backbone import Backbone
from zeroshift.files import read_regular, write_atomically
from zeroshift.options.errors import OptionError

LEAST_LETTERS = 2.5
"""mean letters of three or more tokens of a word below which it is spelled rather than known"""
LIKE = 0.7
"""ratio of ``difflib`` from which on words are alike in spelling"""
NAMED = 5
"""how many unknown words a sentence names"""
SHOWN = 8
"""how many of the things that training pictures show it names"""
LONGEST = 20
"""how many of an edit direction's sentences are looked at before all are"""
_WORD = re.compile(r"[^\W\d_]+")
_POINTS = "-–—.,;:!?…/&+()[]'\"“”"
"""what stands alone between words and is none"""
_PICTURED = frozenset({"So", "Sk", "Cf", "Cn", "Co"})
"""Unicode's kinds of signs and of what joins them: emoji are of the first"""


class DoubtfulWords(OptionError):
    """What was asked for has words that the model does not know or does not see, and doubts were to be refused."""


@dataclass(frozen=True)
class KnownWords:
    """The words that a model was trained with."""

    words: frozenset[str]
    """in small letters"""
    subjects: tuple[str, ...] = ()
    """what its training pictures show, as in ("cat", "dog"), the most frequent first"""


def read_known_words(root: Path) -> KnownWords | None:
    """The words that a model's folder says it was trained with; None where it says nothing.

    Raises:
        ValueError: the file is not as it should be.
    """
    path = root / WORDS
    if not lexists(path):
        return None
    try:
        table = json.loads(read_regular(path))
        words, subjects = table["words"], table["subjects"]
        if not all(isinstance(word, str) for word in (*words, *subjects)):
            raise TypeError("not all are words")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f'{path} is not of the form {{"subjects": ["cat"], "words": ["a", "cat"]}}; mend it or take it away.'
        ) from error
    return KnownWords(frozenset(words), tuple(subjects))


def write_known_words(root: Path, known: KnownWords) -> None:
    """Write the file that ``read_known_words`` reads into a model's folder."""
    table = {"subjects": known.subjects, "words": sorted(known.words)}
    write_atomically(root / WORDS, (json.dumps(table, indent=1) + "\n").encode())


def offered(known: KnownWords | None, vocabulary: Vocabulary) -> dict[str, tuple[str, ...]]:
    """Targets that a model knows, by what they change: "subject", and what its vocabulary offers of words it has.

    Empty where nothing is known of its training.
    """
    if known is None:
        return {}
    more = vocabulary.targets() if isinstance(vocabulary, Offering) else {}
    groups = {
        name: tuple(target for target in targets if known.words.issuperset(words_of(target)))
        for name, targets in {"subject": known.subjects, **more}.items()
    }
    return {name: targets for name, targets in groups.items() if targets}


def words_of(text: str) -> list[str]:
    """The different words of a text in small letters, in order; single Latin letters are none ("a", "cat's")."""
    found = (word.casefold() for word in _WORD.findall(text))
    return list(dict.fromkeys(word for word in found if len(word) > 1 or not word.isascii()))


def signs_of(text: str) -> list[str]:
    """The different signs of a text that stand where words could, as "{}" does, or an emoji beside a word."""
    found: list[str] = []
    for part in text.split():
        if not any(one.isalnum() for one in part):
            found += [part] if more_than({"Cf"}, part.strip(_POINTS)) else []
        else:
            runs = groupby(part, key=lambda one: unicodedata.category(one) in _PICTURED)
            found += [sign for pictured, run in runs if pictured and more_than({"Cf", "Sk"}, sign := "".join(run))]
    return list(dict.fromkeys(found))


def more_than(kinds: Set[str], sign: str) -> bool:
    """Whether anything of a sign is of other kinds than Unicode's ``kinds``, as those that are not seen are."""
    return any(unicodedata.category(one) not in kinds for one in sign)


def unknown_words(
    backbone: Backbone, known: KnownWords | None, texts: Iterable[str], caption: str = ""
) -> tuple[str, ...]:
    """The words that a model was not trained with; where that is not known, those that its tokenizer spells out.

    A word is spelled out if a token of it is no whole character, or if it has three tokens or more of less than
    ``LEAST_LETTERS`` letters on average. Of the 49,408 tokens of Stable Diffusion, rare names have longer ones. The
    words of a ``caption`` are a captioner's, and nobody's to choose. Signs in the place of words count as words.
    """
    seen = words_of(caption)
    every = dict.fromkeys(word for text in texts for word in (*words_of(text), *signs_of(text)))
    words = [word for word in every if word not in seen]
    if known is not None:
        return tuple(word for word in words if word not in known.words)
    return tuple(word for word in words if spelled_out(backbone.spelling.pieces(word)))


def spelled_out(pieces: Sequence[str]) -> bool:
    """Whether the tokens of a word are letters and scraps."""
    return "" in pieces or (len(pieces) > 2 and len("".join(pieces)) < LEAST_LETTERS * len(pieces))


def cut_words(backbone: Backbone, prompt: str) -> tuple[str, ...]:
    """The words of a prompt that the text encoder does not see to their end, since it is too long."""
    if backbone.spelling.lengths([prompt])[0] <= backbone.spelling.length:
        return ()
    read = backbone.tokens(prompt)
    whole = (len(backbone.spelling.pieces(word)) for word in read.words)
    return tuple(word for word, span, length in zip(read.words, read.spans, whole, strict=True) if len(span) < length)


def doubts_of_words(
    backbone: Backbone,
    known: KnownWords | None,
    texts: Iterable[str],
    sentences: Sequence[str] = (),
    caption: str = "",
) -> tuple[str, ...]:
    """What to warn about in prompts and words: one sentence for all that are unknown, one for each that is cut.

    ``sentences`` are those that an edit direction is made of; of them is said how many are cut. The words of a
    ``caption`` are left out.
    """
    texts = list(dict.fromkeys(text for text in texts if text))
    name, unknown = backbone.identity.name, unknown_words(backbone, known, texts, caption)
    found = [about_unknown(name, unknown, known, backbone.spelling.whole)] if unknown else []
    for text in texts:
        if cut := cut_words(backbone, text):
            found.append(
                f'The prompt "{beginning(text)}" is too long: the model {name} reads {backbone.spelling.length} tokens '
                f'and never sees "{" ".join(cut)}"; make it shorter.'
            )
    return (*found, *about_sentences(backbone, sentences))


def about_unknown(name: str, unknown: Sequence[str], known: KnownWords | None, whole: frozenset[str]) -> str:
    """Name the unknown words, the known ones that are spelled alike, and what the model can show."""
    candidates = whole if known is None else known.words
    named = [f'"{word}"{alike(word, candidates)}' for word in unknown[:NAMED]]
    more = [f"{len(unknown) - NAMED} words more"] if len(unknown) > NAMED else []
    shows = f"; it was trained on pictures of {listed(known.subjects[:SHOWN])}" if known and known.subjects else ""
    them = "it" if len(unknown) == 1 else "them"
    return f"The model {name} does not know {listed([*named, *more])} and will ignore or misread {them}{shows}."


def alike(word: str, known: frozenset[str]) -> str:
    """The known words that are nearest in spelling, in brackets; nothing where there is none."""
    near = nearest(word, known)
    return f" (did you mean {listed(near, 'or')}?)" if near else ""


@lru_cache(maxsize=256)
def nearest(word: str, known: frozenset[str]) -> tuple[str, ...]:
    """Up to three known words of three letters and more that are spelled like ``word``, the nearest first."""
    there = sorted(one for one in known if len(one) > 2)
    turned = [one for one in there if sorted(one) == sorted(word)]  # letters that changed places, as in "dgo"
    return tuple(dict.fromkeys([*turned, *get_close_matches(word, there, n=3, cutoff=LIKE)]))[:3]


def about_sentences(backbone: Backbone, sentences: Sequence[str]) -> list[str]:
    """Say how many of the sentences of an edit direction are cut."""
    longest, lengths = backbone.spelling.length, backbone.spelling.lengths
    first = sorted(sentences, key=len)[-LONGEST:]
    if not first or max(lengths(first)) <= longest:
        return []
    cut = sum(length > longest for length in lengths(sentences))
    return [
        f"Of the {len(sentences)} sentences that the edit direction is made of, {cut} are cut: the model "
        f"{backbone.identity.name} reads {longest} tokens; give shorter ones."
    ]


def beginning(text: str, words: int = 6) -> str:
    """The first words of a text."""
    first = text.split()
    return " ".join(first[:words]) + ("…" if len(first) > words else "")


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words with commas between, "and" before the last."""
    return " ".join([*([", ".join(words[:-1]), last] if len(words) > 1 else []), words[-1]])
