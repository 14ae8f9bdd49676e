"""The error of a command line that asks for something that makes no sense."""

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
