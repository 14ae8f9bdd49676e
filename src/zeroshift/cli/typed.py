"""The command line that runs, for files that say how they were made."""

from collections.abc import Sequence
from contextvars import ContextVar
from shlex import join

_TOKENS: ContextVar[tuple[str, ...]] = ContextVar("tokens", default=())


def remember(tokens: Sequence[str]) -> None:
    """Note what was typed after the program's name: the process's own words, or those that ``main`` was given."""
    _TOKENS.set(tuple(tokens))


def as_typed() -> str:
    """The whole line, quoted for a shell."""
    return join(["zeroshift", *_TOKENS.get()])
