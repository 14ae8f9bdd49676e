"""What options dataclasses say of their fields: types, ranges, kinds of parts."""

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_SIGNS = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "multiple_of": "a multiple of {}",
}


def fields_of(options: type) -> "dict[str, FieldInfo]":
    """A pydantic dataclass's fields."""
    found: dict[str, FieldInfo] = options.__pydantic_fields__  # type: ignore[attr-defined]
    return found


def unmarked(annotation: Any) -> Any:  # noqa: ANN401 - a type expression
    """An annotation without the marks around it."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def dataclasses_in(annotation: Any) -> Iterator[type]:  # noqa: ANN401 - a type expression
    """Yield the dataclasses of a union or tuple, however deep they are wrapped in marks."""
    plain = unmarked(annotation)
    if isinstance(plain, type) and is_dataclass(plain):
        yield plain
    for inner in get_args(plain):
        yield from dataclasses_in(inner)


def models_in(annotation: Any) -> Iterator[type]:  # noqa: ANN401 - a type expression
    """Yield pydantic's models in a union: objects of one form or another, told apart by their fields."""
    for part in (annotation, *get_args(unmarked(annotation))):
        plain = unmarked(part)
        if isinstance(plain, type) and hasattr(plain, "__pydantic_fields__") and not is_dataclass(plain):
            yield plain


def kind_of(part: type) -> str:
    """The name by which a kind is chosen."""
    kind = fields_of(part).get("kind")
    return "" if kind is None else str(kind.default)


def bare(annotation: Any) -> Any:  # noqa: ANN401 - a type expression
    """What an annotation's text is read as: the type without None and marks, text where there are several."""
    plain = unmarked(annotation)
    if get_origin(plain) in (Literal, tuple, dict, None):
        return plain
    kinds = [kind for kind in get_args(plain) if kind is not type(None)]
    return bare(kinds[0]) if len(kinds) == 1 else str


def limits(info: "FieldInfo") -> str:
    """A field's range in words, such as "1 to 999"."""
    marks = [*info.metadata, *marks_in(info.annotation)]
    found = {key: shown(value) for mark in marks for key in _SIGNS if (value := getattr(mark, key, None)) is not None}
    if {"ge", "le"} <= found.keys():
        return ", ".join([f"{found.pop('ge')} to {found.pop('le')}", *(_SIGNS[k].format(v) for k, v in found.items())])
    return ", ".join(_SIGNS[key].format(value) for key, value in found.items())


def marks_in(annotation: Any) -> Iterator[object]:  # noqa: ANN401 - a type expression
    """Yield the marks on an optional's type or on a tuple's."""
    for part in get_args(annotation):
        yield from (m for mark in getattr(part, "__metadata__", ()) for m in getattr(mark, "metadata", ()))
        yield from marks_in(part)


def shown(value: object) -> str:
    """A default or limit without needless digits."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
