"""What is wrong with a command line, in one sentence; for a verb that stands alone, how it is used."""

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Token,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from zeroshift.cli.numbers import misread_number

EXAMPLES = {
    "edit": "edit cat.jpg --source cat --target dog",
    "invert": "invert cat.jpg --source cat -o cat.safetensors",
    "caption": "caption cat.jpg",
    "direction": "direction make --source cat --target dog -o cat-dog.safetensors",
    "cache": "cache list",
    "generate": 'generate "a photo of a cat"',
    "keep": "keep cat.jpg edited.png -o kept.png",
    "redo": "redo out/cat-dog-plug-and-play-0.png",
    "convert": "convert model.ckpt model",
    "cost": "cost --method pix2pix-zero --steps 50",
    "train": "train pictures",
    "quality": "quality pictures -o measured",
}
"""one command line of every verb that is nothing alone"""
CHOOSING = ("edit", "invert", "cost")
"""verbs whose options depend on the method and on the kinds of its parts"""
ALIKE = 0.75
"""ratio of ``difflib`` from which on an option is taken for the one that is missing, mistyped"""
ONE = {
    "invert": "photograph",
    "redo": "edited picture",
    "direction show": "edit direction",
    "direction list": "folder",
    "direction export": "edit direction",
    "train": "folder",
    "quality": "folder",
}
"""what verbs take one of"""


def how_to(verb: str, app: App) -> str:
    """Usage and an example, in three lines."""
    (command,) = (part for part in app if part == verb)
    return f"Usage: {app[command].usage}\nFor example: zeroshift {EXAMPLES[verb]}\nzeroshift {verb} --help tells more."


def misread(error: CycloptsError, tokens: Sequence[str]) -> str:
    """What is wrong with a command line."""
    verb = " ".join(error.command_chain or ())
    if isinstance(error, (CoercionError, ValidationError)) and (said := misread_number(error)) is not None:
        return said
    dashed = (token for token in tokens if token.startswith("-") and os.path.lexists(token))
    if isinstance(error, MissingArgumentError) and (file := next(dashed, None)) is not None:
        return f"{verb} has no option {file}; write ./{file} for the file of that name."
    match error:
        case UnknownOptionError():
            there = [name for argument in error.argument_collection for name in argument.names]
            return unknown(error.token.keyword or error.token.value, verb, tokens, there)
        case UnusedCliTokensError():
            left = " and ".join(error.unused_tokens or ())
            return f"{verb} takes {_takes(verb)}, and {left} is left over; see: zeroshift {verb} --help."
        case MissingArgumentError(argument=argument) if argument is not None:
            typed = [token.partition("=")[0] for token in tokens if token.startswith("--")]
            if near := get_close_matches(argument.name, {*typed} - {argument.name}, n=1, cutoff=ALIKE):
                return f"{verb} has no option {near[0]}; did you mean {argument.name}?"
            given = error.keyword or next((token.keyword for token in argument.tokens if token.keyword), None)
            return (
                needs_value(given, tokens) if given else f"{verb} needs {argument.name}; see: zeroshift {verb} --help."
            )
        case CoercionError(token=token, target_type=kind) if token is not None and kind is Path:
            return f"{token.keyword or verb} takes the name of a file or folder, not {token.value or 'nothing'}."
        case CoercionError(argument=argument) if argument is not None and (given := _empty(argument.tokens)):
            return f"{given} is empty; give it a value, or leave it out."
    return str(error)


def _empty(tokens: Iterable[Token]) -> str | None:
    """The option that was given nothing."""
    return next((token.keyword for token in tokens if token.keyword and not token.value), None)


def needs_value(option: str, tokens: Sequence[str]) -> str:
    """What to do about an option without a value."""
    following = [after for token, after in pairwise(tokens) if token == option and after.startswith("-")]
    dashed = f"; one that begins with a dash is written {option}={following[0]}" if following else ""
    return f"{option} needs a value{dashed}."


def _takes(verb: str) -> str:
    return f"one {ONE[verb]} at a time" if verb in ONE else "options alone"


def unknown(option: str, verb: str, tokens: Sequence[str], there: Iterable[str]) -> str:
    """What to do about an option that a verb does not have, which has ``there``."""
    if os.path.lexists(option):
        return f"{verb} has no option {option}; write ./{option} for the file of that name."
    words = [name.removeprefix("--") for name in there if name.startswith("--")]
    near = get_close_matches(option.partition("=")[0].lstrip("-"), words, n=1)
    hint = f"did you mean --{near[0]}?" if near else f"see: zeroshift {verb} --help."
    nowhere = f"{verb} has no option {option}; {hint}"
    return nowhere if verb not in CHOOSING else belonging(verb, option, tokens) or nowhere


def belonging(verb: str, option: str, tokens: Sequence[str]) -> str | None:
    """Where an option of another method or kind of part belongs; None if there is no such option."""
    from zeroshift.cli.astray import astray

    return astray(verb, option.partition("=")[0].lstrip("-").removeprefix("no-").replace("-", "_"), tokens)
