"""The tables that docs/comparison.md is made of: docs/comparison/NAME.csv, from a comparison's folder.

PART.csv are the tables of ``zeroshift bench score``, a row for every edit, without the places of files, with the
figures that the page reads and six digits of each; ``zeroshift bench report`` reads them too. So anybody can recompute
the page.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from benchmarks.costs import EntryCost
from benchmarks.diversity import Apart, apart
from zeroshift.bench.items import read_plain
from zeroshift.bench.running import read_run
from zeroshift.bench.scoring import Scored
from zeroshift.bench.table import read_csv, write_csv
from zeroshift.evaluation.imagenet import open_judge
from zeroshift.files import write_atomically

T = TypeVar("T", Apart, EntryCost)
FOLDER = Path(__file__).parent.parent / "docs/comparison"
KEPT = (
    *("imagenet-success", "imagenet-surely", "shipped-clip-accuracy", "reconstruction"),
    *("feature-structure", "feature-distance", "feature-distance-outside", "mse", "mse-outside", "ssim-outside"),
)
"""figures that the page's tables read, and the background's SSIM"""
DIGITS = 6
DIVERSITY, SEEDS, COST = "diversity", "diversity-seeds.csv", "cost.csv"
"""the part whose table no row of a single edit can say, and what says it; what entries cost"""


def publish(part: str, out: Path, folder: Path = FOLDER) -> None:
    """Write a part's table anew from OUT/PART, and of the part ``diversity`` how far its edits are apart.

    Raises:
        ValueError: there is no table of scored edits, or what made it is damaged.
        OSError: a table cannot be written.
    """
    rows = [published(row) for row in read_csv(out / part / "items.csv")]
    folder.mkdir(exist_ok=True)
    write_csv(rows, folder / f"{part}.csv")
    if part == DIVERSITY:
        there = {row.item for row in rows}
        pets = read_plain(out / "pets")
        items = tuple(item for item in pets.drawn(len(pets.items)).items if item.name in there)
        found = apart(open_judge(), replace(pets, items=items), read_run(out / part).entries, out / part)
        write_rows(found, folder / SEEDS)


def published(row: Scored) -> Scored:
    """A row without places and hashes of files, of six digits."""
    figures = {name: shortened(row.figures[name]) for name in KEPT if name in row.figures}
    bare = replace(row, figures=figures, seconds=shortened(row.seconds))
    return replace(bare, source="", edit="", source_sha256="", edit_sha256="")


def shortened(value: float) -> float:
    """``value`` with six digits that count."""
    return float(f"{value:.{DIGITS}g}")


def write_rows(rows: Sequence[Apart] | Sequence[EntryCost], path: Path) -> None:
    """A line per row under the names of its fields, numbers with six digits, empty where they are not defined.

    Raises:
        OSError: the table cannot be written.
    """
    file = io.StringIO()
    writer = csv.DictWriter(file, list(asdict(rows[0])), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in asdict(row).items()})
    write_atomically(path, file.getvalue().encode())


def read_rows(kind: type[T], path: Path) -> list[T]:
    """The rows of such a table.

    Raises:
        ValueError: it is none, or not there.
    """
    names, rows = [field.name for field in fields(kind)], TypeAdapter(list[kind])  # type: ignore[valid-type]
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return rows.validate_python(
                [{name: line[name] or math.nan for name in names} for line in csv.DictReader(file)]
            )
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValidationError, csv.Error) as error:
        raise ValueError(
            f"{path} is no table of this page; make it with python -m benchmarks.comparison_page."
        ) from error


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.{DIGITS}g}"
