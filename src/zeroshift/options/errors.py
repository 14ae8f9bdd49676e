"""What is wrong with options: where, what was given, what is expected, and the same in one sentence.

Sentences name options as Python spells them, between backticks: `guidance_scale`. Shells put their own spelling there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from zeroshift.options.fields import bare, dataclasses_in, fields_of, kind_of, limits, unmarked

Place: TypeAlias = tuple[str | int, ...]
"""where an option stands among nested ones: names of fields, and numbers of elements"""
_ONE = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_SEVERAL = {int: "whole numbers", float: "numbers", str: "texts"}


class OptionError(ValueError):
    """A wrong option."""

    def __init__(
        self, sentence: str, path: Place = (), given: object = None, expected: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(sentence)
        self.path = path
        """where it stands among the nested options; empty where several do not go together"""
        self.given = given
        self.expected = dict(expected or {})
        """what there is to give, as a JSON Schema of type, range and choices; empty where options do not go together"""

    @property
    def pointer(self) -> str:
        """The path as a JSON Pointer (RFC 6901), such as "/control/lambda_xa"."""
        return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in self.path)


def option_error(name: str, options: type, error: ValidationError) -> OptionError:
    """Say what is wrong with the first bad option of ``name``, whose options dataclass is ``options``."""
    first = error.errors()[0]
    path, home, info = followed(options, first["loc"])
    value = first["input"]
    if first["type"] == "value_error":  # options that do not go together; the method's own sentence
        return OptionError(str(first["ctx"]["error"]), path)
    if info is None:
        known = [option for option in fields_of(home) if option != "kind"]
        there = f"there are: {', '.join(map(spelled, known))}" if known else f'"{kind_of(home)}" has none'
        return OptionError(f"{name} has no option {spelled(path[-1])} here; {there}.", path, value, {"enum": known})
    option = spelled(next(step for step in reversed(path) if isinstance(step, str)))
    if first["type"] == "union_tag_invalid":
        sentence = f'{option} has no kind "{first["ctx"]["tag"]}"; choose one of: {kinds_in(first["ctx"])}.'
        return OptionError(sentence, path, value, schema_of(info))
    return OptionError(f"{option} of {name} takes {expected(info)}, not {given(value)}.", path, value, schema_of(info))


def spelled(field: object) -> str:
    """Spell a field as sentences do."""
    return f"`{field}`"


def respelled(sentence: str, spell: Callable[[str], str]) -> str:
    """Spell the options that a sentence names in a shell's own way."""
    return re.sub(r"`([a-z][a-z0-9_]*)`", lambda name: spell(name[1]), sentence)


def followed(options: type, place: Sequence[int | str]) -> tuple[Place, type, FieldInfo | None]:
    """Follow pydantic's location of a mistake, which has the kinds of parts in it.

    Returns:
        The path without those, the innermost options dataclass, and its field; None where it has no such field.
    """
    path: list[str | int] = []
    kinds: dict[str, type] = {}
    info: FieldInfo | None = None
    for step in place:
        if step in kinds:
            options = kinds[str(step)]
            continue
        path.append(step)
        if isinstance(step, str):
            info = fields_of(options).get(step)
            kinds = {} if info is None else {kind_of(kind): kind for kind in dataclasses_in(unmarked(info.annotation))}
            options = next(iter(kinds.values())) if len(kinds) == 1 else options
    return tuple(path), options, info


def schema_of(info: FieldInfo) -> dict[str, object]:
    """JSON Schema of what a field takes; of a part, or of several parts, the kinds that there are."""
    kinds = [kind_of(kind) for kind in dataclasses_in(unmarked(info.annotation))]
    if kinds:
        part: dict[str, object] = {"type": "object", "properties": {"kind": {"enum": kinds}}}
        return {"type": "array", "items": part} if get_origin(unmarked(info.annotation)) is tuple else part
    found: dict[str, object] = TypeAdapter(info.rebuild_annotation()).json_schema()
    return found


def expected(info: FieldInfo) -> str:
    """What a field takes, such as "a number from 0 to 1"."""
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
    """ "a number" with its range."""
    words = limits(info).replace(", ", " and ")
    if not words:
        return noun
    joint = " from " if " to " in words else " of " if words.startswith("at ") else " "
    return f"{noun}{joint}{words}"


def given(value: object) -> str:
    """A value as it would be written."""
    return "none" if value in ((), [], None) else repr(value)


def kinds_in(context: Mapping[str, Any]) -> str:
    """The kinds that there are, from pydantic's account of them."""
    return str(context["expected_tags"]).replace("'", "")
