"""The error of a command line that asks for something that makes no sense, and how sentences name options here."""

import re
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
    return re.sub(r"`([a-z][a-z0-9_]*)`", lambda name: f"--{name[1].replace('_', '-')}", sentence)
