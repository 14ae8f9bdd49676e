"""How different a method's edits of one photograph are with other seeds, from the edits of a comparison."""

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path

from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, Item, picture_of
from zeroshift.bench.resuming import file_of
from zeroshift.bench.statistics import Mean, mean_of
from zeroshift.evaluation.features import feature_distance
from zeroshift.evaluation.imagenet import ImageNetJudge, as_bytes
from zeroshift.image import load_image

SEEDED = re.compile(r"(.+)-seed\d+")
HEADS = ("", "photographs", "between seeds", "to the photograph")


def spread(judge: ImageNetJudge, item: Item, entries: Sequence[Entry], out: Path) -> tuple[float, float] | None:
    """Mean feature distance of an item's edits to each other, and to its photograph; None where there are not two."""
    files = [file_of(out, entry, item) for entry in entries]
    edits = [as_bytes(load_image(path).image) for path in files if path.is_file()]
    if len(edits) < 2:
        return None
    photograph, pairs = as_bytes(picture_of(item)), [*itertools.combinations(edits, 2)]
    between = sum(float(feature_distance(judge, one, other)) for one, other in pairs) / len(pairs)
    return between, sum(float(feature_distance(judge, photograph, one)) for one in edits) / len(edits)


def diversity(judge: ImageNetJudge, benchmark: Benchmark, entries: Sequence[Entry], out: Path) -> list[str]:
    """A table in Markdown: a line for the entries that differ in their seed alone; none where no entry names one."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        if match := SEEDED.fullmatch(entry.name):
            groups.setdefault(match[1], []).append(entry)
    lines = [line_of(HEADS), f"|{'---|' * len(HEADS)}"]
    for name, own in groups.items():
        found = [both for item in benchmark.items if (both := spread(judge, item, own, out)) is not None]
        cells = [_shown(mean_of([both[k] for both in found])) for k in (0, 1)]
        lines.append(line_of([name, str(len(found)), *cells]))
    return lines if groups else []


def line_of(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def _shown(mean: Mean) -> str:
    return f"{mean.value:.3f}" + ("" if math.isnan(mean.low) else f" ({mean.low:.3f} to {mean.high:.3f})")
