"""The error of a command line that asks for something that makes no sense, and how sentences name options here."""

from collections.abc import Iterator
from contextlib import contextmanager


class Wrong(Exception):
    """Say in one sentence what is wrong with the command line; the exit code is 2."""


@contextmanager
def usage() -> Iterator[None]:
    """Count a ValueError raised inside as wrong usage: it is about words and numbers on the command line."""
    try:
        yield
    except ValueError as error:
        raise Wrong(str(error)) from error


def as_flags(sentence: str) -> str:
    """Spell the options that a sentence names as Python does, such as `max_megapixels`, as flags."""
    from zeroshift.options.errors import respelled

    return respelled(sentence, lambda name: f"--{name.replace('_', '-')}")
