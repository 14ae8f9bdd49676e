"""Figures that papers have printed, and how far apart two publications of one method lie."""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import InstanceOf, TypeAdapter

from zeroshift.bench.entries import Entry

FILE = Path(__file__).with_name("published.toml")


class Printed(float):
    """A figure that is written as it was printed: 208.80."""

    def __new__(cls, text: str) -> "Printed":
        """The number that ``text`` spells."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class PublishedTable:
    """A table as it was printed."""

    name: str
    benchmark: str
    title: str
    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | InstanceOf[Printed], ...], ...]
    """name and figures; an empty string where none is printed"""
    scales: Mapping[str, float] | None = None
    """where it is printed otherwise than most: what a column's figure is multiplied by"""

    def figures(self, row: str) -> dict[str, float]:
        """The figures of a row, as tables of scored edits have them: not multiplied.

        Raises:
            ValueError: there is no such row.
        """
        for name, *cells in self.rows:
            if name == row:
                scales = {**_document().scales, **(self.scales or {})}
                found = zip(self.columns, cells, strict=True)
                return {key: float(cell) / scales.get(key, 1) for key, cell in found if cell != ""}
        raise ValueError(f'The table {self.name} has no row "{row}"; it has {", ".join(str(r[0]) for r in self.rows)}.')


@dataclass(frozen=True)
class Band:
    """How far two publications of one method were apart, in one figure, relative to it or in dB."""

    relative: float = 0.0
    absolute: float = 0.0

    def holds(self, published: float, measured: float) -> bool:
        """Whether a measured figure is as near."""
        most = self.relative * abs(published) if self.relative else self.absolute
        return abs(measured - published) <= most * (1 + 1e-9)  # 21.53 - 21.23 is a little more than 0.3


@dataclass(frozen=True)
class Recipe:
    """What should give a row of the table "pie" with this package."""

    row: str
    name: str
    method: str
    options: str
    """nested options as JSON, over the papers' defaults"""
    model: str
    """hub id of the checkpoint that the row is of"""
    blend: bool = False
    differs: str = ""
    """in what it is known to be another procedure"""

    @property
    def entry(self) -> Entry:
        """The same as an entry of a comparison."""
        options = json.loads(self.options)
        return Entry(self.name, self.method, options, paper_defaults=True, blend=self.blend, model=self.model)


@dataclass(frozen=True)
class Evidence:
    """Two publications of one method."""

    text: str


@dataclass(frozen=True)
class Published:
    """All of the file."""

    scales: Mapping[str, float]
    bands: Mapping[str, Band]
    bands_from: tuple[Evidence, ...]
    tables: tuple[PublishedTable, ...]
    recipes: tuple[Recipe, ...] = field(default=())


@dataclass(frozen=True)
class Comparison:
    """A published figure, a measured one, and whether they are as near as two publications were."""

    figure: str
    published: float
    measured: float
    near: bool | None
    """None where no two publications of one method are known"""


@cache
def _document() -> Published:
    return TypeAdapter(Published).validate_python(tomllib.loads(FILE.read_text(encoding="utf-8"), parse_float=Printed))


def published() -> Published:
    """Everything that is held."""
    return _document()


def table_named(name: str) -> PublishedTable:
    """A table by its short name.

    Raises:
        ValueError: there is none.
    """
    for table in published().tables:
        if table.name == name:
            return table
    raise ValueError(f'There is no table "{name}"; there are {", ".join(t.name for t in published().tables)}.')


def is_published(entry: str) -> bool:
    """Whether an entry's name stands for a row of PIE-Bench."""
    return any(recipe.name == entry for recipe in published().recipes)


def compared(entry: str, measured: Mapping[str, float]) -> list[Comparison]:
    """An entry's measured means beside the row of PIE-Bench that its name stands for, if it stands for one."""
    rows = [recipe.row for recipe in published().recipes if recipe.name == entry]
    if not rows:
        return []
    return near(table_named("pie").figures(rows[0]), measured)


def near(row: Mapping[str, float], measured: Mapping[str, float]) -> list[Comparison]:
    """A published row beside measured means, figure by figure."""
    bands = published().bands
    both = [name for name in row if not math.isnan(measured.get(name, math.nan))]
    return [
        Comparison(
            name, row[name], measured[name], bands[name].holds(row[name], measured[name]) if name in bands else None
        )
        for name in both
    ]


def plan() -> Sequence[Entry]:
    """The entries that should give rows of PIE-Bench's table."""
    return [recipe.entry for recipe in published().recipes]
