"""The command line that runs, for files that say how they were made."""

from collections.abc import Sequence
from contextvars import ContextVar
from shlex import join

from zeroshift.files import in_utf8

_TOKENS: ContextVar[tuple[str, ...]] = ContextVar("tokens", default=())


def remember(tokens: Sequence[str]) -> None:
    """Note what was typed after the program's name: the process's own words, or those that ``main`` was given."""
    _TOKENS.set(tuple(tokens))


def as_typed() -> str:
    """The whole line, quoted for a shell."""
    return in_utf8(join(["zeroshift", *_TOKENS.get()]))
