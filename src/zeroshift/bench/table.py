"""The table of all edits, a row each, as CSV and as Parquet."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from zeroshift.bench.judging import BETTER
from zeroshift.bench.scoring import Scored
from zeroshift.extras import lacking
from zeroshift.files import regular, write_atomically

TOLD = ("benchmark", "mode", "judges")
"""columns that say what scored; tables that were written before do not have them"""
FACTS = ("entry", "item", "task", "seconds", "source", "edit", "source_sha256", "edit_sha256", *TOLD)
"""columns beside the figures"""


def figures_in(rows: Sequence[Scored]) -> list[str]:
    """The figures that some row has, in the order of tables."""
    return [name for name in BETTER if any(name in row.figures for row in rows)]


def write_csv(rows: Sequence[Scored], path: Path) -> None:
    """One line per edit; figures that are not defined are empty.

    Raises:
        OSError: it cannot be written.
    """
    names, file = figures_in(rows), io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*FACTS[:4], *names, *FACTS[4:]])
    for row in rows:
        facts = [_cell(getattr(row, name)) for name in FACTS]
        writer.writerow([*facts[:4], *(_cell(row.figures.get(name, math.nan)) for name in names), *facts[4:]])
    write_atomically(path, file.getvalue().encode())


def read_csv(path: Path) -> list[Scored]:
    """The rows of a table.

    Raises:
        ValueError: it is none, or it has no rows.
    """
    try:
        with regular(path).open(newline="", encoding="utf-8") as file:
            rows = [_row(line) for line in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(f"{path} is not a table of scored edits; make one with bench score.") from error
    if not rows:
        raise ValueError(f"{path} has no edits in it; make a table with bench score.")
    return rows


def check_parquet() -> None:
    """See that Parquet can be written, before the work begins.

    Raises:
        ValueError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ValueError(f"Parquet needs pyarrow, which is not installed; {lacking('table')}.")


def write_parquet(rows: Sequence[Scored], path: Path) -> None:
    """The same as Parquet: strings and doubles, figures that are not defined null.

    Raises:
        ValueError: pyarrow is not installed.
        OSError: it cannot be written.
    """
    check_parquet()
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, list[object]] = {name: [getattr(row, name) for row in rows] for name in FACTS[:4]}
    columns |= {name: [row.figures.get(name) for row in rows] for name in figures_in(rows)}
    columns |= {name: [getattr(row, name) for row in rows] for name in FACTS[4:]}
    plain = {name: [None if value != value else value for value in cells] for name, cells in columns.items()}
    kinds = {name: pyarrow.string() if name in FACTS and name != "seconds" else pyarrow.float64() for name in plain}
    table = pyarrow.table({name: pyarrow.array(cells, kinds[name]) for name, cells in plain.items()})
    file = io.BytesIO()
    parquet.write_table(table, file)
    write_atomically(path, file.getvalue())


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else repr(value)


def _row(line: Mapping[str, str]) -> Scored:
    figures = {name: float(line[name] or "nan") for name in BETTER if name in line}
    facts = {name: line[name] for name in FACTS if name != "seconds" and name not in TOLD}
    facts |= {name: line.get(name) or "" for name in TOLD}
    return Scored(figures=figures, seconds=float(line["seconds"] or "nan"), **facts)
