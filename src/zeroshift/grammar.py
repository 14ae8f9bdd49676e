"""English articles and plurals, by the inflect library."""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import inflect

_CLEAR = re.compile(
    r"(?P<a>[bcdfgjklmnpqrstvwyz][a-z]{2}|h(?!on|ou|ei)[a-z]{2})|(?P<an>a[a-z]|e[a-tvxz]|i[a-z]|o[a-mo-z]|u[mp])"
)
"""how words begin whose article their first letters tell: the library, which takes most of a second to import, is not
asked for them"""
_SAID_WITH_A_VOWEL = (r"(?-i:SUV|SOS|LED)\b.*", r"usher\b.*", r"(?:8|11|18)(?!\d)(?!,\d).*", r"8\d.*")
_SAID_WITH_A_CONSONANT = (r"(?-i:UI|UX|UK|UN|UV)\b.*",)
"""what the library takes for the other kind"""


@cache
def article(phrase: str) -> str:
    """ "a" or "an", whichever English puts before ``phrase``."""
    bare = phrase.strip()
    clear = _CLEAR.match(bare)
    if clear:
        return "a" if clear["a"] else "an"
    return _library().a(bare).split()[0] if bare else "a"


@cache
def plural(noun: str) -> str:
    """A noun of one or more words in the plural: "wolves", "golden retrievers"."""
    return _library().plural_noun(noun) if noun.strip() else noun


def number_of(count: int, noun: str) -> str:
    """So many of a regular noun: "1 item", "2 entries"; the library, which is slow to come, is not asked."""
    several = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else several}"


@cache
def _library() -> "inflect.engine":
    import inflect

    library = inflect.engine()
    for pattern in _SAID_WITH_A_VOWEL:
        library.defan(pattern)
    for pattern in _SAID_WITH_A_CONSONANT:
        library.defa(pattern)
    return library
