"""What is wrong with options, in one sentence: what was given, and what there is to give."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from zeroshift.options.fields import bare, dataclasses_in, fields_of, kind_of, limits, unmarked

_ONE = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_SEVERAL = {int: "whole numbers", float: "numbers", str: "texts"}


def one_sentence(name: str, options: type, error: ValidationError) -> str:
    """Say what is wrong with the first bad option of ``name``, whose options dataclass is ``options``."""
    first = error.errors()[0]
    if first["type"] == "value_error":  # options that do not go together; the method's own sentence
        return str(first["ctx"]["error"])
    if first["type"] == "unexpected_keyword_argument":
        return f"{name} has no option {spelled(first['loc'][-1])}; see: zeroshift edit --method {name} --help."
    option, info = field_at(options, first["loc"])
    if first["type"] == "union_tag_invalid":
        return f'{option} has no kind "{first["ctx"]["tag"]}"; choose one of: {kinds_in(first["ctx"])}.'
    return f"{option} of {name} takes {expected(info)}, not {given(first['input'])}."


def spelled(field: object) -> str:
    """Return a field as the flag that it is."""
    return f"--{str(field).replace('_', '-')}"


def field_at(options: type, place: Sequence[int | str]) -> tuple[str, FieldInfo]:
    """Return the innermost field, and how it is spelled, on the way that pydantic gives of a mistake."""
    kinds: dict[str, type] = {}
    for step in map(str, place):
        if step in kinds:
            options = kinds[step]
        elif step in fields_of(options):
            option, info = spelled(step), fields_of(options)[step]
            kinds = {kind_of(kind): kind for kind in dataclasses_in(unmarked(info.annotation))}
            options = next(iter(kinds.values())) if len(kinds) == 1 else options
    return option, info


def expected(info: FieldInfo) -> str:
    """Return what a field takes, such as "a number from 0 to 1"."""
    hint = bare(info.annotation)
    several = get_origin(unmarked(info.annotation)) is tuple
    for kind in dataclasses_in(unmarked(info.annotation)):
        return (
            f'[{{"kind": "{kind_of(kind)}"}}] and the like'
            if several
            else f'{{"kind": "{kind_of(kind)}"}} and the like'
        )
    if get_origin(hint) is Literal:
        return f"one of: {', '.join(map(str, get_args(hint)))}"
    if several:
        least = any(getattr(mark, "min_length", 0) for mark in info.metadata)
        return ranged(f"{'one or more ' if least else ''}{_SEVERAL[bare(get_args(hint)[0])]}", info)
    return ranged(_ONE[hint], info)


def ranged(noun: str, info: FieldInfo) -> str:
    """Return "a number" with its range."""
    words = limits(info).replace(", ", " and ")
    if not words:
        return noun
    joint = " from " if " to " in words else " of " if words.startswith("at ") else " "
    return f"{noun}{joint}{words}"


def given(value: object) -> str:
    """Return a value as it would be written."""
    return "none" if value in ((), [], None) else repr(value)


def kinds_in(context: Mapping[str, Any]) -> str:
    """Return the kinds that there are, from pydantic's account of them."""
    return str(context["expected_tags"]).replace("'", "")
