"""What the command lines of the trainers have in common: flags from options, and one sentence for what goes wrong."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from zeroshift.options.errors import option_error, respelled
from zeroshift.options.fields import fields_of, limits

T = TypeVar("T")


def parser_of(prog: str, description: str) -> argparse.ArgumentParser:
    """A parser that tells defaults."""
    shown = argparse.ArgumentDefaultsHelpFormatter
    return argparse.ArgumentParser(prog=prog, description=description, formatter_class=shown)


def add_options(parser: argparse.ArgumentParser, kind: type[object]) -> None:
    """A flag for every field of the dataclass ``kind``."""
    for name, field in fields_of(kind).items():
        text = f"{field.description} [{limits(field)}]" if limits(field) else field.description
        parser.add_argument(spelled(name), default=field.default, help=text)


def options_of(kind: type[T], given: argparse.Namespace, owner: str) -> T:
    """The options ``kind`` that were given.

    Raises:
        ValueError: a value is out of range; ``owner`` is whose option it is.
    """
    try:
        return TypeAdapter(kind).validate_python({name: getattr(given, name) for name in fields_of(kind)})
    except ValidationError as error:
        raise option_error(owner, kind, error) from error


@contextmanager
def at_work(out: Path) -> Iterator[None]:
    """Train: what a library prints goes to stderr, and what goes wrong ends the program with one sentence."""
    try:
        with redirect_stdout(sys.stderr):  # Lightning draws its bars on stdout
            yield
    except ValueError as error:
        sys.exit(f"error: {respelled(str(error), spelled)}")
    except OSError as error:
        sys.exit(f"error: {error.filename or out} cannot be read or written ({error.strerror}); choose another place.")


def spelled(name: str) -> str:
    """An option as a flag."""
    return "--" + name.replace("_", "-")


def print_figures(figures: Mapping[str, float]) -> None:
    """What was measured, a line each."""
    print(*(f"{name} {value:.4f}" for name, value in figures.items()), sep="\n")
