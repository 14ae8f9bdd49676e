"""The kinds of a method's parts that a command line chooses."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from zeroshift.cli.wrong import Wrong
from zeroshift.options.parts import Part, parts_of

Chosen: TypeAlias = Mapping[str, Sequence[str]]
"""the kinds of every part"""


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
