"""What is said, and not refused: work that goes on, though perhaps not as somebody thinks."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Doubt(UserWarning):
    """Something that may not be as somebody thinks, in one sentence; ``warnings`` filters it as any other."""


_HEARD: ContextVar[list[str] | None] = ContextVar("heard", default=None)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect what is said inside of this block, by this thread alone, in place of warning of it."""
    said: list[str] = []
    token = _HEARD.set(said)
    try:
        yield said
    finally:
        _HEARD.reset(token)


def doubt(sentence: str) -> None:
    """Warn of ``sentence``: in Python once for every place and text, on the command line in one line."""
    if (said := _HEARD.get()) is not None:
        said.append(sentence)
        return
    warnings.warn(sentence, Doubt, stacklevel=2)
