"""Standard output and errors that are closed, full, or of an encoding that lacks the letters of a name."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

NAME = "standard output"
STDIN, STDOUT = Path("/dev/stdin"), Path("/dev/stdout")


def called(path: Path) -> str:
    """What a file is called in messages."""
    return {STDIN: "standard input", STDOUT: NAME}.get(path, str(path))


def mend_streams() -> None:
    """Open what is closed on nothing, and let any name of a file be printed.

    A stream that stayed closed would lend its number to the next file that is opened, a picture for instance.
    """
    for name in ("stdin", "stdout", "stderr"):
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
        elif name != "stdin":
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]


def dashes_named(tokens: Sequence[str]) -> list[str]:
    """The words of a command line with what "-" stands for: standard output after -o, else standard input."""
    named = list(tokens)
    for at, token in enumerate(tokens):
        if token == "-":
            named[at] = str(STDOUT if at and tokens[at - 1] in ("-o", "--output") else STDIN)
    return named


@contextmanager
def named(stream: TextIO) -> Iterator[None]:
    """Let errors of standard output bear its name, as those of files do."""

    def told(act: Callable[..., object]) -> Callable[..., object]:
        def acting(*given: object) -> object:
            try:
                return act(*given)
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OSError(error.errno, error.strerror, NAME) from error

        return acting

    own = {name: told(getattr(stream, name)) for name in ("write", "flush")}
    for name, act in own.items():
        setattr(stream, name, act)
    try:
        yield
    finally:
        for name in own:
            with suppress(AttributeError):
                delattr(stream, name)


def emptied(stream: TextIO) -> bool:
    """Write what a stream still holds; where it takes no more, lead it to nothing, and tell so.

    Otherwise the interpreter would complain of it at its end.
    """
    try:
        stream.flush()
    except OSError:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())
        return False
    return True
