"""Options dataclasses to flags: every field of a method and of its parts becomes one, with its range in the help.

A part that comes in kinds (``inversion``) becomes a flag that names the kind, and one flag per field of any kind.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import wraps
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic.fields import FieldInfo

from zeroshift.cli.wrong import Wrong

Given: TypeAlias = dict[str, object]
"""nested options that stood on the command line"""
LISTED = 50
"""where the groups of these flags stand in a help text"""
_SIGNS = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "multiple_of": "a multiple of {}",
}


@dataclass(frozen=True)
class Flag:
    """One option on the command line."""

    path: tuple[str, ...]
    """its place in the nested options: (name,) or (part, name)"""
    name: str
    """the flag without dashes, with underscores"""
    hint: Any
    """what its text is read as"""
    help: str
    kinds: tuple[str, ...] = ()
    """the kinds of the part that have it; empty if the part has one kind"""


def flags_of(options: type) -> list[Flag]:
    """Return the flags of an options dataclass, in the order of its fields, its own before its parts'."""
    own: list[Flag] = []
    parts: list[Flag] = []
    for name, info in fields_of(options).items():
        kinds = parts_in(info.annotation)
        if not kinds:
            own.append(leaf((name,), info))
            continue
        if len(kinds) > 1:
            own.append(choice(name, info, kinds))
        parts.extend(merged(name, kinds))
    return own + parts


def merged(part: str, kinds: Sequence[type]) -> Iterator[Flag]:
    """Yield the flags of a part, each once, however many of its kinds have it."""
    names = {name: info for kind in kinds for name, info in fields_of(kind).items() if name != "kind"}
    for name, info in names.items():
        having = tuple(kind_of(kind) for kind in kinds if name in fields_of(kind)) if len(kinds) > 1 else ()
        flag = leaf((part, name), info)
        yield Flag(flag.path, flag.name, flag.hint, flag.help, having)


def leaf(path: tuple[str, ...], info: FieldInfo) -> Flag:
    """Return the flag of a plain field."""
    hint = bare(info.annotation)
    facts = ["|".join(map(str, get_args(hint)))] if get_origin(hint) is Literal else []
    facts += [limits(info)] if limits(info) else []
    facts += [] if info.default is None else [f"default {shown(info.default)}"]
    text = " ".join((info.description or "").split())
    return Flag(path, path[-1], hint, f"{text} [{'; '.join(facts)}]" if facts else text)


def choice(name: str, info: FieldInfo, kinds: Sequence[type]) -> Flag:
    """Return the flag that names a part's kind."""
    names = tuple(kind_of(kind) for kind in kinds)
    text = f"{info.description} [{'|'.join(names)}; default {info.default.kind}]"
    return Flag((name, "kind"), name, Literal[names], text)


def fields_of(options: type) -> dict[str, FieldInfo]:
    """Return a pydantic dataclass's fields."""
    found: dict[str, FieldInfo] = options.__pydantic_fields__  # type: ignore[attr-defined]
    return found


def parts_in(annotation: object) -> list[type]:
    """Return the dataclasses that a field may hold; none for a plain field."""
    candidates = get_args(annotation) or (annotation,)
    return [kind for kind in candidates if isinstance(kind, type) and is_dataclass(kind)]


def kind_of(part: type) -> str:
    """Return the name by which a kind is chosen."""
    return str(fields_of(part)["kind"].default)


def bare(annotation: Any) -> Any:  # noqa: ANN401 - a type expression
    """Return an annotation without None and without pydantic's marks."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[0]
    if get_origin(annotation) in (Literal, None):
        return annotation
    return bare(next(part for part in get_args(annotation) if part is not type(None)))


def limits(info: FieldInfo) -> str:
    """Return a field's range in words, such as "1 to 999"."""
    marks = [*info.metadata]
    for part in get_args(info.annotation):
        marks += [m for field in getattr(part, "__metadata__", ()) for m in field.metadata]
    found = {key: shown(value) for mark in marks for key in _SIGNS if (value := getattr(mark, key, None)) is not None}
    if {"ge", "le"} <= found.keys():
        return ", ".join([f"{found.pop('ge')} to {found.pop('le')}", *(_SIGNS[k].format(v) for k, v in found.items())])
    return ", ".join(_SIGNS[key].format(value) for key, value in found.items())


def shown(value: object) -> str:
    """Return a default or limit without needless digits."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def nested(flags: Sequence[Flag], values: Mapping[str, object]) -> Given:
    """Return flat values as nested options.

    Raises:
        Wrong: an option belongs to another kind of its part than the one named.
    """
    given: Given = {}
    for flag in flags:
        if values.get(flag.name) is None:
            continue
        named = values.get(flag.path[0])
        if flag.kinds and named is not None and named not in flag.kinds:
            spelled, part = flag.name.replace("_", "-"), flag.path[0]
            raise Wrong(f"--{spelled} is an option of --{part} {' and '.join(flag.kinds)}, not of --{part} {named}.")
        put(given, flag.path, values[flag.name])
    return given


def put(given: Given, path: Sequence[str], value: object) -> None:
    """Set one nested option."""
    for name in path[:-1]:
        given = given.setdefault(name, {})  # type: ignore[assignment]
    given[path[-1]] = value


def with_flags(verb: Callable[..., None], flags: Sequence[Flag], title: str, remark: str = "") -> Callable[..., None]:
    """Return ``verb`` with its keyword ``given`` (nested options) replaced by one keyword per flag."""
    own = inspect.signature(verb, eval_str=True)
    keep = [parameter for parameter in own.parameters.values() if parameter.name != "given"]
    clash = {p.name for p in keep} & {flag.name for flag in flags}
    if clash:
        raise TypeError(f"{verb.__name__} has parameters of its own called {sorted(clash)}")
    added = [_parameter(flag, title, remark) for flag in flags]

    @wraps(verb)
    def called(*args: Any, **values: Any) -> None:  # noqa: ANN401 - cyclopts fills in what the signature below says
        chosen = {flag.name: values.pop(flag.name) for flag in flags if flag.name in values}
        verb(*args, **values, given=nested(flags, chosen))

    called.__signature__ = own.replace(parameters=[*keep, *added])  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in [*keep, *added]}
    return called


def _parameter(flag: Flag, title: str, remark: str) -> inspect.Parameter:
    kind = f"--{flag.path[0]} {' or '.join(flag.kinds)}" if flag.kinds else ""
    group = Group(f"With {kind}" if kind else title, help="" if kind else remark, sort_key=LISTED + len(flag.kinds))
    metavar = {int: "N", float: "X", str: "TEXT"}.get(flag.hint, "NAME")
    mark = Parameter(help=flag.help, group=group, show_default=False, show_choices=False, metavar=metavar)
    return inspect.Parameter(
        flag.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[flag.hint | None, mark]
    )
