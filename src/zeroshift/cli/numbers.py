"""Numbers on the command line: whole ones are never rounded, and what is no number is said in one sentence."""

import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cyclopts import CoercionError, Token, ValidationError, convert
from cyclopts.validators import Number

from zeroshift.cli.wrong import Wrong

THREADS_PER_CORE = 16
"""from which on threads only wait for each other; a recipe may have those of a larger machine"""
NOUNS = {int: "a whole number", float: "a number"}


def number(kind: object, text: str) -> object:
    """Read an int or a float; what is none stays text, and the option's own check refuses it."""
    if kind is int:
        return int(text) if re.fullmatch(r"[+-]?[0-9]+", text, flags=re.ASCII) else text
    try:
        return float(text) if kind is float else text
    except ValueError:
        return text


def misread_number(error: CoercionError | ValidationError) -> str | None:
    """Say which number an option takes instead of the one that it was given; None for options of other types."""
    argument = error.argument
    if argument is None or not argument.tokens:
        return None
    noun = next((noun for kind, noun in NOUNS.items() if argument.hint in (kind, kind | None)), None)
    if noun is None:
        return None
    token = argument.tokens[0]
    return f"{token.keyword or argument.name} takes {noun}{span(argument.parameter.validator)}, not {token.value!r}."


def span(validators: object) -> str:
    """The range of a number, such as " from 1 to 999"."""
    every = validators if isinstance(validators, tuple) else (validators,)
    limits = next((one for one in every if isinstance(one, Number)), Number())
    if limits.gte is not None and limits.lte is not None:
        return f" from {limits.gte} to {limits.lte}"
    marks = {" of at least": limits.gte, " above": limits.gt, " of at most": limits.lte, " below": limits.lt}
    return " and".join(f"{words} {limit}" for words, limit in marks.items() if limit is not None)


CONVERTERS: dict[object, Callable[[type, Sequence[Token]], object]] = {
    int: lambda hint, tokens: number(int, tokens[0].value),
    float: lambda hint, tokens: number(float, tokens[0].value),
    str: lambda hint, tokens: tokens[0].value,
}
"""of the options of methods, which say themselves what is wrong with a text"""


def check_threads(threads: int | None) -> None:
    """Refuse more threads than a machine can start or has any use for.

    Raises:
        Wrong: there are more.
    """
    cores = os.cpu_count() or 1
    if threads is not None and threads > THREADS_PER_CORE * cores:
        most = THREADS_PER_CORE * cores
        raise Wrong(
            f"--threads takes a whole number from 1 to {most} on the {cores} cores of this machine, not {threads}."
        )


def read(hint: Any, tokens: Sequence[Token]) -> Any:  # noqa: ANN401 - a type expression and a value of it
    """Read an option's words as cyclopts does, but round no number to a whole one, and take nothing empty or endless.

    What stands without an option may be empty: the verb says what is missing.
    """
    if any(token.keyword and not token.value for token in tokens):
        raise ValueError("empty")
    return convert(hint, tokens, converter=_read_one)


def _read_one(kind: type, word: str) -> object:
    if kind is int and number(int, word) is word or kind is Path and not word:
        raise ValueError(word)
    try:
        found: object = convert(kind, [word])
    except CoercionError as error:
        if kind in (int, float):
            raise ValueError(word) from error  # cyclopts then says which option it was
        raise
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError(word)
    return found
