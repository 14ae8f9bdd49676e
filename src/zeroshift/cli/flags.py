"""Options dataclasses to flags: every field of a method and of its chosen kinds becomes one, its range in the help.

A part that comes in kinds (``inversion``) becomes a flag that names the kind, and one flag per field of that kind.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import wraps
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic.fields import FieldInfo

from zeroshift.cli.numbers import CONVERTERS, number
from zeroshift.cli.parts import Chosen
from zeroshift.cli.wrong import as_flags
from zeroshift.options.fields import bare, fields_of, limits, shown, unmarked
from zeroshift.options.parts import Part, parts_of, summary

Given: TypeAlias = dict[str, object]
"""nested options that stood on the command line"""
LISTED = 50
"""where the groups of these flags stand in a help text"""


@dataclass(frozen=True)
class Flag:
    """One option on the command line."""

    path: tuple[str, ...]
    """its place in the nested options: (name,) or (part, name); (part, kind, name) in a part of several kinds"""
    name: str
    """the flag without dashes, with underscores"""
    hint: Any
    """what its text is read as"""
    metavar: str
    """what stands for its text in a help text"""
    help: str
    home: str = ""
    """the choice that it is an option of, such as "--inversion ddim"; empty for the method's own"""
    about: str = ""
    """what that choice is"""
    several: tuple[str, ...] | None = None
    """of a flag that names several kinds: those that are chosen"""

    @property
    def spelled(self) -> str:
        """The flag as it is written."""
        return f"--{self.name.replace('_', '-')}"


def flags_of(options: type, chosen: Chosen | None = None) -> list[Flag]:
    """The flags of an options dataclass whose parts are of the kinds ``chosen`` (default: the usual ones).

    Its own come first, in the order of its fields, then the choices of kinds, then the parts'.
    """
    parts = parts_of(options)
    kinds = {part.name: tuple(part.usual) for part in parts} | dict(chosen or {})
    own = [leaf((name,), info, info.default) for name, info in fields_of(options).items() if name not in kinds]
    choices = [choice(part, tuple(kinds[part.name])) for part in parts if part.open]
    once = [(part, kind) for part in parts for kind in dict.fromkeys(kinds[part.name])]
    return own + choices + [flag for part, kind in once for flag in of_kind(part, kind)]


def of_kind(part: Part, kind: str) -> Iterator[Flag]:
    """Yield the flags of one kind of a part, with the defaults of the part where it is of that kind by default."""
    usual, options = part.usual.get(kind), part.kinds[kind]
    home = f"--{part.name} {kind}" if part.open else ""
    for name, info in fields_of(options).items():
        if name != "kind":
            path = (part.name, kind, name) if part.several else (part.name, name)
            flag = leaf(path, info, info.default if usual is None else getattr(usual, name))
            yield replace(flag, home=home, about=summary(options))


def choice(part: Part, kinds: tuple[str, ...]) -> Flag:
    """The flag that names a part's kind or kinds."""
    usual = f" [default {','.join(part.usual)}]" if part.usual else ""
    text = f"{part.about}: {', '.join(part.kinds)}{usual}"
    if part.several:
        return Flag((part.name,), part.name, str, "KIND,KIND", text, several=kinds)
    return Flag((part.name, "kind"), part.name, str, "KIND", text)


def leaf(path: tuple[str, ...], info: FieldInfo, default: object) -> Flag:
    """The flag of a plain field."""
    hint = bare(info.annotation)
    facts = ["|".join(map(str, get_args(hint)))] if get_origin(hint) is Literal else []
    facts += [limits(info)] if limits(info) else []
    facts += [] if default in (None, ()) else [f'default "{default}"' if hint is str else f"default {shown(default)}"]
    text = as_flags(" ".join((info.description or "").split()))
    return Flag(path, path[-1], hint, metavar(hint), f"{text} [{'; '.join(facts)}]" if facts else text)


def metavar(hint: Any) -> str:  # noqa: ANN401 - a type expression
    """What stands for a value in a help text."""
    if get_origin(hint) is not tuple:
        return {int: "N", float: "X", str: "TEXT"}.get(hint, "NAME")
    one = bare(get_args(hint)[0])
    return "TEXT" if one is str else f"{metavar(one)},{metavar(one)}"


def nested(flags: Sequence[Flag], values: Mapping[str, object]) -> Given:
    """Flat values as nested options; a part of several kinds is a list of what was given for each."""
    given: Given = {}
    for flag in flags:
        value = values.get(flag.name)
        if value is not None and flag.several is None:
            put(given, flag.path, elements(flag.hint, value) if isinstance(value, list) else value)
    for flag in flags:
        part = flag.path[0]
        if flag.several is not None and (part in given or values.get(flag.name) is not None):
            own: Any = given.get(part, {})
            given[part] = [{"kind": kind, **own.get(kind, {})} for kind in flag.several]
    return given


def elements(hint: Any, texts: Sequence[str]) -> tuple[object, ...]:  # noqa: ANN401 - a type expression
    """Elements of a tuple option: given one by one, and other than texts also with commas between."""
    kind = bare(get_args(hint)[0])
    if kind is str:
        return tuple(texts)
    apart = [one.strip() for text in texts for one in text.split(",") if one.strip()]
    return tuple(number(kind, one) for one in apart)


def put(given: Given, path: Sequence[str], value: object) -> None:
    """Set one nested option."""
    for name in path[:-1]:
        given = given.setdefault(name, {})  # type: ignore[assignment]
    given[path[-1]] = value


def with_flags(verb: Callable[..., None], flags: Sequence[Flag], title: str, remark: str = "") -> Callable[..., None]:
    """``verb`` with its keyword ``given`` (nested options) replaced by one keyword per flag."""
    own = inspect.signature(verb, eval_str=True)
    keep = [parameter for parameter in own.parameters.values() if parameter.name != "given"]
    names = [*taken(keep), *(flag.name for flag in flags)]
    clash = sorted({name for name in names if names.count(name) > 1})
    if clash:
        raise TypeError(f"{verb.__name__} would have two options called {clash}")
    groups: dict[str, Group] = {"": Group(title, help=remark, sort_key=LISTED)}
    for flag in flags:
        at = LISTED + len(groups)
        groups.setdefault(flag.home, Group(f"With {flag.home}", help=flag.about, sort_key=at))
    added = [_parameter(flag, groups[flag.home]) for flag in flags]

    @wraps(verb)
    def called(*args: Any, **values: Any) -> None:  # noqa: ANN401 - cyclopts fills in what the signature below says
        given = {flag.name: values.pop(flag.name) for flag in flags if flag.name in values}
        verb(*args, **values, given=nested(flags, given))

    called.__signature__ = own.replace(parameters=[*keep, *added])  # type: ignore[attr-defined]
    called.__annotations__ = {p.name: p.annotation for p in [*keep, *added]}
    return called


def taken(parameters: Sequence[inspect.Parameter]) -> Iterator[str]:
    """Yield the options of a verb itself; dataclasses among its parameters stand for their fields."""
    for parameter in parameters:
        plain = unmarked(parameter.annotation)
        yield from (field.name for field in fields(plain)) if is_dataclass(plain) else (parameter.name,)


def _parameter(flag: Flag, group: Group) -> inspect.Parameter:
    mark = Parameter(
        help=flag.help,
        group=group,
        show_default=False,
        show_choices=False,
        metavar=flag.metavar,
        negative=f"--no-{flag.spelled[2:]}" if flag.hint is bool else (),
        converter=CONVERTERS.get(flag.hint),
    )
    hint = list[str] if get_origin(flag.hint) is tuple else Any if flag.hint in CONVERTERS else flag.hint
    annotation = Annotated[hint | None, mark]  # type: ignore[valid-type]
    return inspect.Parameter(flag.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
