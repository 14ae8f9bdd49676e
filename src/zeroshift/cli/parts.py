"""The parts of a method on the command line: which there are, in which kinds, and which kinds were chosen."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, get_origin

from zeroshift.cli.wrong import Wrong
from zeroshift.options.fields import dataclasses_in, fields_of, kind_of, unmarked

Chosen: TypeAlias = Mapping[str, Sequence[str]]
"""the kinds of every part"""


@dataclass(frozen=True)
class Part:
    """A field that holds options of its own, in one of several kinds, or in any number of them at once."""

    name: str
    about: str
    kinds: Mapping[str, type]
    """by name; the only one of a part without kinds has the empty name"""
    usual: Mapping[str, object]
    """the options that it has by default, by kind"""
    several: bool
    """whether it takes any number of kinds"""

    @property
    def open(self) -> bool:
        """Whether there is anything to choose."""
        return self.several or len(self.kinds) > 1


def parts_of(options: type) -> list[Part]:
    """The parts among the fields of an options dataclass."""
    found = []
    for name, info in fields_of(options).items():
        annotation = unmarked(info.annotation)
        several = get_origin(annotation) is tuple
        kinds = {kind_of(kind): kind for kind in dataclasses_in(annotation)}
        if kinds:
            usual = {kind_of(type(one)): one for one in (info.default if several else (info.default,))}
            found.append(Part(name, info.description or "", kinds, usual, several))
    return found


def summary(kind: type) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def named_in(tokens: Sequence[str], flag: str) -> str | None:
    """What a command line gives for a flag; options depend on some, so they are looked for before parsing.

    None stands for a flag without a value, too; that is found when the command line is parsed.
    """
    for at, token in enumerate(tokens):
        if token == f"--{flag}":
            return next(iter(tokens[at + 1 :]), None)
        if token.startswith(f"--{flag}="):
            return token.partition("=")[2]
    return None


def chosen(options: type, tokens: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The kinds that a command line names, and the usual ones of other parts.

    Raises:
        Wrong: there is no such kind.
    """
    return {part.name: _chosen(part, named_in(tokens, part.name)) for part in parts_of(options)}


def _chosen(part: Part, text: str | None) -> tuple[str, ...]:
    if text is None or not part.open:
        return tuple(part.usual)
    names = tuple(name.strip() for name in text.split(",") if name.strip()) if part.several else (text,)
    for name in names:
        if name not in part.kinds:
            raise Wrong(f'--{part.name} has no kind "{name}"; choose one of: {", ".join(part.kinds)}.')
    return names


def where_it_belongs(parts: Sequence[Part], fits: Callable[[type], bool]) -> str:
    """What to choose for a kind that ``fits``, such as "--inversion ddim or direct"; "" if there is none."""
    homes = {part.name: [name for name, kind in part.kinds.items() if name and fits(kind)] for part in parts}
    return " or ".join(f"--{part} {alternatives(names)}" for part, names in homes.items() if names)


def alternatives(names: Sequence[str]) -> str:
    """ "a, b or c"."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def guided(inversion: type) -> bool:
    """Whether an inversion depends on the guidance scale."""
    found: bool = inversion.guided  # type: ignore[attr-defined]
    return found
