"""What is wrong with options: where, what was given, what is expected, and the same in one sentence.

Sentences name options as Python spells them, between backticks: `guidance_scale`. Shells put their own spelling there.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from zeroshift.options.fields import bare, dataclasses_in, fields_of, kind_of, limits, marks_in, models_in, unmarked

Place: TypeAlias = tuple[str | int, ...]
"""where an option stands among nested ones: names of fields, and numbers of elements"""
_ONE = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_LONGEST = 60
"""characters of what was given that a sentence repeats"""
_OF_TEXT = ("min_length", "max_length", "pattern")
_OTHER_FORM = {"missing", "extra_forbidden", "model_type", "literal_error"}
"""what pydantic says of each form that a value does not have"""
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
    if not first["loc"] and first["type"] != "value_error":
        return OptionError(f"{name} takes names with their values, not {given(first['input'])}.", (), first["input"])
    info = fields_of(options).get(str(first["loc"][0])) if first["loc"] else None
    if info is not None and (forms := {form.__name__: form for form in models_in(info.annotation)}):
        return form_error(name, info, forms, error.errors())
    return first_error(name, options, first)


def form_error(name: str, info: FieldInfo, forms: Mapping[str, type], errors: Sequence[ErrorDetails]) -> OptionError:
    """Say what is wrong with an option of several forms: inside the one that was meant, or that it has none of them."""
    field, value = errors[0]["loc"][0], errors[0]["input"]
    here = [one for one in errors if one["loc"][0] == field and len(one["loc"]) > 1]
    strange = {one["loc"][1] for one in here if one["type"] in _OTHER_FORM}
    for one in here:
        step, *rest = one["loc"][1:]
        if step in forms and step not in strange and rest:
            inner = first_error(name, forms[str(step)], {**one, "loc": tuple(rest)})
            return OptionError(str(inner), (field, *inner.path), inner.given, inner.expected)
    sentence = f"{spelled(field)} of {name} takes {expected(info)}, not {given(value)}."
    return OptionError(sentence, (field,), value, schema_of(info))


def first_error(name: str, options: type, first: ErrorDetails) -> OptionError:
    """Say what pydantic found wrong."""
    path, home, info = followed(options, first["loc"])
    value = None if first["type"] == "missing" else first["input"]
    if first["type"] == "value_error":  # options that do not go together; the method's own sentence
        return OptionError(str(first["ctx"]["error"]), path)
    if info is None:
        known = [option for option in fields_of(home) if option != "kind"]
        there = f"there are: {', '.join(map(spelled, known))}" if known else f'"{kind_of(home)}" has none'
        if within := parts_with(home, path[-1]):
            known, example = within, f'{{"{within[0]}": {{"{path[-1]}": ...}}}}'
            there = f"it belongs in {' or '.join(map(spelled, within))}, as in {example}"
        return OptionError(f"{name} has no option {spelled(path[-1])} here; {there}.", path, value, {"enum": known})
    option = spelled(next(step for step in reversed(path) if isinstance(step, str)))
    if first["type"] == "union_tag_invalid":
        sentence = f'{option} has no kind "{first["ctx"]["tag"]}"; choose one of: {kinds_in(first["ctx"])}.'
        return OptionError(sentence, path, value, schema_of(info))
    return OptionError(f"{option} of {name} takes {expected(info)}, not {given(value)}.", path, value, schema_of(info))


def parts_with(home: type, option: int | str) -> list[str]:
    """The parts among the fields of ``home`` of which some kind has an option."""
    kinds = {name: dataclasses_in(unmarked(info.annotation)) for name, info in fields_of(home).items()}
    return [name for name, found in kinds.items() if any(option in fields_of(kind) for kind in found)]


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
    if any(models_in(info.annotation)):
        return ", or ".join(filter(None, map(form, get_args(unmarked(info.annotation)))))
    if get_origin(hint) is Literal:
        return form(hint)
    if get_origin(hint) is dict:
        return "names with their values"
    if several:
        least = any(getattr(mark, "min_length", 0) for mark in info.metadata)
        return ranged(f"{'one or more ' if least else ''}{_SEVERAL[bare(get_args(hint)[0])]}", info)
    return text(info) if hint is str else ranged(_ONE[hint], info)


def form(part: Any) -> str:  # noqa: ANN401 - a type expression
    """One form that a field may have: words to choose from, or an object with the fields that it needs."""
    if get_origin(unmarked(part)) is Literal:
        return f"one of: {', '.join(map(str, get_args(unmarked(part))))}"
    needed = (name for model in models_in(part) for name, info in fields_of(model).items() if info.is_required())
    fields = ", ".join(f'"{name}": ...' for name in needed)
    return f"{{{fields}}}" if fields else ""


def text(info: FieldInfo) -> str:
    """ "text" with its length and form."""
    marks = [*info.metadata, *marks_in(info.annotation)]
    found = {key: value for mark in marks for key in _OF_TEXT if (value := getattr(mark, key, None)) is not None}
    said = ["text"]
    if "max_length" in found:
        said.append(f"of {'1 to' if found.get('min_length') else 'at most'} {found['max_length']} characters")
    if "pattern" in found:
        plain = str(found["pattern"]).startswith("^[^")  # all but a few
        said.append("without control characters" if plain else f"of the form {found['pattern']}")
    return " ".join(said)


def ranged(noun: str, info: FieldInfo) -> str:
    """ "a number" with its range."""
    words = limits(info).replace(", ", " and ")
    if not words:
        return noun
    joint = " from " if " to " in words else " of " if words.startswith("at ") else " "
    return f"{noun}{joint}{words}"


def given(value: object) -> str:
    """A value as it would be written, the beginning of a long one."""
    if value is None or isinstance(value, (tuple, list)) and not value:
        return "none"
    if len(written := " ".join(repr(value).split())) <= _LONGEST:
        return written
    return (
        f"{written[:_LONGEST]}... ({len(value)} characters)" if isinstance(value, str) else f"{written[:_LONGEST]}..."
    )


def kinds_in(context: Mapping[str, Any]) -> str:
    """The kinds that there are, from pydantic's account of them."""
    return str(context["expected_tags"]).replace("'", "")
