"""How different a method's edits of one photograph are with other seeds, from the edits of a comparison."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.markdown import lined
from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item, picture_of
from zeroshift.bench.resuming import file_of
from zeroshift.bench.statistics import Mean, mean_of
from zeroshift.evaluation.features import feature_distance
from zeroshift.evaluation.imagenet import ImageNetJudge, as_bytes
from zeroshift.image import load_image

SEEDED = re.compile(r"(.+)-seed\d+")
HEADS = ("", "photographs", "between seeds", "to the photograph")


@dataclass(frozen=True)
class Apart:
    """How different an entry's edits of one photograph are with other seeds."""

    entry: str
    """without its seed"""
    item: str
    between: float
    """mean feature distance of two of the edits"""
    photograph: float
    """mean feature distance of an edit to the photograph"""


def spread(judge: ImageNetJudge, item: Item, entries: Sequence[Entry], out: Path) -> tuple[float, float] | None:
    """Mean feature distance of an item's edits to each other, and to its photograph; None where there are not two."""
    files = [file_of(out, entry, item) for entry in entries]
    edits = [as_bytes(load_image(path).image) for path in files if path.is_file()]
    if len(edits) < 2:
        return None
    photograph, pairs = as_bytes(picture_of(item)), [*itertools.combinations(edits, 2)]
    between = sum(float(feature_distance(judge, one, other)) for one, other in pairs) / len(pairs)
    return between, sum(float(feature_distance(judge, photograph, one)) for one in edits) / len(edits)


def apart(judge: ImageNetJudge, benchmark: Benchmark, entries: Sequence[Entry], out: Path) -> list[Apart]:
    """A row for each photograph and the entries that differ in their seed alone, where there are two of its edits."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if match := SEEDED.fullmatch(entry.name):
            groups.setdefault(match[1], []).append(entry)
    return [
        Apart(name, item.name, *both)
        for name, own in groups.items()
        for item in benchmark.items
        if (both := spread(judge, item, own, out)) is not None
    ]


def diversity(rows: Sequence[Apart]) -> list[str]:
    """A table in Markdown: a line for the entries that differ in their seed alone; none where there are no rows."""
    lines = list[list[str]]()
    for name in dict.fromkeys(row.entry for row in rows):
        own = [row for row in rows if row.entry == name]
        cells = [_shown(mean_of(column)) for column in ([one.between for one in own], [one.photograph for one in own])]
        lines.append([name, str(len(own)), *cells])
    return lined(HEADS, lines) if rows else []


def _shown(mean: Mean) -> str:
    return f"{mean.value:.3f}" + ("" if math.isnan(mean.low) else f" ({mean.low:.3f} to {mean.high:.3f})")
