"""What can be set of a method, read from the types of its options: which control each has, its range and its defaults.

Nothing here draws; ``panel`` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Any, Literal, TypeAlias, get_args, get_origin

from pydantic.fields import FieldInfo

from zeroshift.methods import by_name
from zeroshift.options.fields import bare, fields_of, marks_in, shown, unmarked
from zeroshift.options.parts import Part, parts_of, summary
from zeroshift.presets import defaults_of, is_list, overlay

Widget: TypeAlias = Literal["slider", "number", "choice", "choices", "switch", "yes or no", "text", "list"]
Options: TypeAlias = Mapping[str, object]
Path: TypeAlias = tuple[str, ...]
MOST_SPAN = 1000.0
"""the range of a slider, beyond which nobody finds a value with it"""
ELSEWHERE = {("conditioning", "strength")}
"""options that have a control of their own on the page"""


@dataclass(frozen=True)
class Control:
    """One option, and what it is set with."""

    path: Path
    """its place in the nested options; (part, kind, name) in a part of several kinds"""
    widget: Widget
    label: str
    about: str
    value: Any
    """what it has now; None where it is left out"""
    usual: Any
    """what the model recommends, or else the paper's"""
    paper: Any
    """the method's own default"""
    low: float = 0.0
    high: float = 0.0
    step: float = 1.0
    choices: tuple[str, ...] = ()
    one: Any = None
    """the type of a value, or of one in a list"""
    optional: bool = False
    """whether it may be left out"""

    @property
    def changed(self) -> bool:
        """Whether somebody set it to something else."""
        return bool(self.value != self.usual)

    @property
    def marks(self) -> str:
        """Its defaults in words, as in "default 20 (preset; paper 50)"."""
        usual, paper = spelled(self.usual), spelled(self.paper)
        return f"default {usual}" if usual == paper else f"preset {usual}, paper {paper}"


@dataclass(frozen=True)
class Section:
    """Controls that belong together."""

    title: str
    about: str
    controls: Sequence[Control]


def sections_of(name: str, usual: Options, changed: Options) -> list[Section]:
    """The controls of the method ``name``: its own, then those of each part as it is chosen.

    Args:
        name: of the method.
        usual: its options as the model recommends them, complete.
        changed: nested options that somebody set.
    """
    method = by_name(name)
    now, paper = overlay(usual, changed), defaults_of(method)
    parts = parts_of(method)
    apart = {part.name for part in parts}
    own = [
        control((field,), info, now.get(field), usual.get(field), paper.get(field))
        for field, info in fields_of(method).items()
        if field not in apart
    ]
    choices = [choice(part, now, usual, paper) for part in parts if part.open]
    sections = [Section("Method", summary(method), [*own, *choices])]
    return sections + [section for part in parts for section in _of_part(part, now, usual, paper)]


def choice(part: Part, now: Options, usual: Options, paper: Options) -> Control:
    """What chooses a part's kind or kinds."""
    label, kinds = label_of(part.name), tuple(part.kinds)
    layers = (now, usual, paper)
    if part.several:
        lists = [kinds_in(options.get(part.name)) for options in layers]
        return _made("choices", (part.name,), label, part.about, *lists, choices=kinds)
    found = [_part(options, part.name).get("kind") for options in layers]
    return _made("choice", (part.name, "kind"), label, part.about, *found, choices=kinds)


def _of_part(part: Part, now: Options, usual: Options, paper: Options) -> list[Section]:
    sections = []
    for kind in kinds_in(now.get(part.name)) if part.several else [str(_part(now, part.name).get("kind", ""))]:
        path = (part.name, kind) if part.several else (part.name,)
        values = [_of_kind(options.get(part.name), kind) for options in (now, usual, paper)]
        controls = [
            control((*path, name), info, *(one.get(name, info.default) for one in values))
            for name, info in fields_of(part.kinds[kind]).items()
            if name != "kind" and (*path, name) not in ELSEWHERE
        ]
        title = f"{label_of(part.name)}: {kind}" if kind else label_of(part.name)
        sections += [Section(title, summary(part.kinds[kind]), controls)] if controls else []
    return sections


def control(path: Path, info: FieldInfo, value: object, usual: object, paper: object) -> Control:
    """The control of a plain field, by its type: a range is a slider, a ``Literal`` a choice."""
    hint, optional = bare(info.annotation), type(None) in get_args(unmarked(info.annotation))
    about, label = " ".join((info.description or "").split()), label_of(path[-1])
    given = (path, label, about, value, usual, paper)
    if get_origin(hint) is Literal:
        return _made("choice", *given, choices=tuple(map(str, get_args(hint))), optional=optional)
    if get_origin(hint) is tuple:
        return _made("list", *given, one=bare(get_args(hint)[0]))
    if hint is bool:
        return _made("yes or no" if optional else "switch", *given)
    if hint is str:
        return _made("text", *given, optional=optional)
    low, high = range_of(info)
    whole = hint is int
    if low is None or high is None or high - low > MOST_SPAN or optional:
        return _made("number", *given, one=hint, optional=optional)
    step = 1.0 if whole else step_of(high - low, usual)
    return _made("slider", *given, low=low, high=high, step=step, one=hint)


def _made(
    widget: Widget, path: Path, label: str, about: str, value: object, usual: object, paper: object, **more: Any
) -> Control:
    return Control(path, widget, label, about, value, usual, paper, **more)


def range_of(info: FieldInfo) -> tuple[float | None, float | None]:
    """The least and the largest value of a number; None where there is none. Bounds that are excluded count, too."""
    marks = [*info.metadata, *marks_in(info.annotation)]
    low = [float(value) for mark in marks for key in ("ge", "gt") if (value := getattr(mark, key, None)) is not None]
    high = [float(value) for mark in marks for key in ("le", "lt") if (value := getattr(mark, key, None)) is not None]
    return (low[0] if low else None), (high[0] if high else None)


def step_of(span: float, usual: object) -> float:
    """A step of a slider of this span on which the usual value lies: a power of ten, or half of one."""
    fine = 10.0 ** floor(log10(span / 100))
    if isinstance(usual, float) and usual:
        while abs(usual / fine - round(usual / fine)) > 1e-9 and fine > 1e-9:
            fine /= 10
    return fine


def read(control: Control, given: object) -> object:
    """The value of an option from what its control gives: numbers of the right type, texts without ends, lists apart.

    What is no number stays as it is, and the option's own check refuses it.
    """
    if control.widget == "list":
        words = [word.strip() for word in str(given or "").split(",") if word.strip()]
        return [_number(control.one, word) for word in words]
    if control.widget == "text":
        text = str(given or "").strip()
        return None if control.optional and not text else text
    if control.widget in ("slider", "number"):
        return None if given is None or given == "" else _number(control.one, given)
    return given


def _number(kind: object, given: object) -> object:
    try:
        number = float(str(given))
    except ValueError:
        return given
    return int(number) if kind is int and number == int(number) else number


def put(changed: Options, usual: Options, control: Control, value: object) -> dict[str, object]:
    """Nested options with one more of them set; one that is as usual is left out again."""
    if control.widget == "choices":
        assert isinstance(value, Sequence)
        before = {kind: _of_kind(changed.get(control.path[0]), kind) for kind in value}
        parts = [{"kind": kind, **before[kind]} for kind in value]
        return _set(changed, control.path, parts, keep=bool(parts or kinds_in(usual.get(control.path[0]))))
    if len(control.path) == 3:
        name, kind, field = control.path
        given = changed.get(name, usual.get(name))
        listed: Sequence[Any] = given if is_list(given) else []
        return {**changed, name: [{**part, field: value} if part["kind"] == kind else part for part in listed]}
    if control.path[-1] == "kind":  # another kind has options of its own
        return _set(
            {k: v for k, v in changed.items() if k != control.path[0]}, control.path, value, value != control.usual
        )
    return _set(changed, control.path, value, keep=value != control.usual)


def _set(changed: Options, path: Path, value: object, keep: bool) -> dict[str, object]:
    name, *rest = path
    if not rest:
        return {**{k: v for k, v in changed.items() if k != name}, **({name: value} if keep else {})}
    inner = _set(_part(changed, name), tuple(rest), value, keep)
    return {**{k: v for k, v in changed.items() if k != name}, **({name: inner} if inner else {})}


def _part(options: Options, name: str) -> Options:
    found = options.get(name, {})
    return found if isinstance(found, Mapping) else {}


def _of_kind(part: object, kind: str) -> Options:
    """The options of one kind of a part, or of a list of parts; none where it is of another kind."""
    for one in part if is_list(part) else [part]:
        if isinstance(one, Mapping) and one.get("kind", "") == kind:
            return {k: v for k, v in one.items() if k != "kind"}
    return {}


def kinds_in(parts: object) -> list[str]:
    """The kinds of a list of parts."""
    return [str(part["kind"]) for part in parts if isinstance(part, Mapping)] if is_list(parts) else []


def label_of(name: str) -> str:
    """An option's name as people read it: "guidance_scale" is "Guidance scale"."""
    return name.replace("_", " ").capitalize()


def spelled(value: object) -> str:
    """A default as it stands beside a control."""
    if value is None or value == [] or value == ():
        return "none"
    if value == "":
        return "empty"
    return shown(tuple(value)) if is_list(value) else shown(value)
