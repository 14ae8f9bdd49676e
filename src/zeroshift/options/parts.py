"""The parts of a method: which there are, and in which kinds."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_origin

from zeroshift.options.fields import dataclasses_in, fields_of, kind_of, unmarked


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
