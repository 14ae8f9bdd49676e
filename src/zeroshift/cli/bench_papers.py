"""``zeroshift bench papers``."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from zeroshift.cli.output import check_writable
from zeroshift.cli.shared import OUTPUT, Text
from zeroshift.cli.wrong import usage
from zeroshift.files import write_atomically
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.bench.papers import PublishedTable
    from zeroshift.bench.scoring import Scored

HEADS = {
    "structure-distance": "structure",
    "psnr-outside": "PSNR",
    "lpips-outside": "LPIPS",
    "mse-outside": "MSE",
    "ssim-outside": "SSIM",
    "clip-score": "CLIP",
    "clip-score-edited": "CLIP part",
    "clip-accuracy": "CLIP acc.",
    "local-clip": "local",
    "seconds": "seconds",
    "hpsv3": "HPSv3",
    "edit-score": "EditScore",
}
"""columns of published tables as they are printed"""


def papers(
    table: Annotated[
        Path | None, Parameter(help="table that bench score has written, to set beside published rows")
    ] = None,
    /,
    *,
    named: Annotated[Text | None, Parameter(name="--table", help="only the published table of this name")] = None,
    plan: Annotated[
        Path | None,
        Parameter(group=OUTPUT, help="write the entries that should give published rows, for bench run --plan"),
    ] = None,
    json_: Annotated[bool, Parameter(name="--json", help="print one JSON object")] = False,
) -> None:
    """Show published figures with their sources, and how far apart publications of one method lie.

    With a table of edits made with --plan's entries, also which of its means are as near to the published ones.
    """
    from zeroshift.bench import papers as held
    from zeroshift.bench.summary import judges_of, summaries
    from zeroshift.grammar import number_of

    if plan is not None:
        check_writable(plan, ".json")
        write_atomically(plan, f"{json.dumps([asdict(one) for one in held.plan()], indent=1)}\n".encode())
    with usage():
        tables = held.published().tables if named is None else (held.table_named(named),)
    rows = [] if table is None else _rows_beside(table)
    beside = {one.entry: one for one in summaries(rows)}
    if json_:
        print(
            json.dumps(
                {
                    "tables": [asdict(one) for one in tables],
                    "bands": asdict(held.published())["bands"],
                    "compared": {entry: [asdict(row) for row in one.published] for entry, one in beside.items()},
                    "judges": judges_of(rows),
                }
            )
        )
        return
    _print_published(tables)
    for entry, summary in beside.items():
        print(f"\n{entry}, {number_of(summary.items, 'edit')}")
        for row in summary.published:
            near = {True: "near", False: "not near", None: "no band known"}[row.near]
            print(f"  {row.figure:20} published {row.published:.4g}  measured {row.measured:.4g}  {near}")
    if judges := judges_of(rows):
        print(f"\nMeasured by {', '.join(f'{name}: {network}' for name, network in judges.items())}.")


def _rows_beside(table: Path) -> "list[Scored]":
    """The edits of entries that stand for published rows.

    Raises:
        ValueError: it is no table, is not of what was published, or none of its entries is called like a recipe.
    """
    from zeroshift.bench.papers import is_published, published
    from zeroshift.bench.summary import incomparable
    from zeroshift.bench.table import read_csv

    rows = [row for row in read_csv(table) if is_published(row.entry)]
    if not rows:
        named = ", ".join(recipe.name for recipe in published().recipes)
        raise ValueError(f"{table} has no entry that stands for a published row; such are called {named}.")
    entries = dict.fromkeys(row.entry for row in rows)
    whys = {entry: incomparable([row for row in rows if row.entry == entry]) for entry in entries}
    if all(whys.values()):
        raise ValueError(f"{table} cannot be compared: {next(iter(whys.values()))}; run and score that.")
    for entry, why in whys.items():
        if why:
            print("zeroshift: warning:", printable(f"Nothing is set beside {entry}: {why}."), file=sys.stderr)
    return [row for row in rows if not whys[row.entry]]


def _print_published(tables: "Sequence[PublishedTable]") -> None:
    from zeroshift.bench.papers import published

    for one in tables:
        print(f"{one.name}: {one.title}\n  {one.source}")
        wide = max(len(str(row[0])) for row in one.rows)
        heads = [HEADS.get(column, column) for column in one.columns]
        for name, *cells in ((" " * wide, *heads), *one.rows):
            print(f"  {name:{wide}}", *(f"{cell!s:>{len(max(HEADS.values(), key=len))}}" for cell in cells))
        print()
    print("Near is as near as two publications of one method and one code base were:")
    for name, band in published().bands.items():
        print(f"  {name}: {f'{100 * band.relative:.3g}%' if band.relative else f'{band.absolute:g} dB'}")
    for text in published().bands_from:
        print(f"  {text.text}")
