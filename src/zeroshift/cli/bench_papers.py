"""``zeroshift bench papers``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from zeroshift.cli.output import check_writable
from zeroshift.cli.shared import OUTPUT, Text
from zeroshift.cli.wrong import usage
from zeroshift.files import write_atomically

if TYPE_CHECKING:
    from zeroshift.bench.papers import Comparison, PublishedTable

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

    if plan is not None:
        check_writable(plan, ".json")
        write_atomically(plan, f"{json.dumps([asdict(one) for one in held.plan()], indent=1)}\n".encode())
    with usage():
        tables = held.published().tables if named is None else (held.table_named(named),)
    beside = {} if table is None else _beside(table)
    if json_:
        print(
            json.dumps(
                {
                    "tables": [asdict(one) for one in tables],
                    "bands": asdict(held.published())["bands"],
                    "compared": {entry: [asdict(row) for row in rows] for entry, rows in beside.items()},
                }
            )
        )
        return
    _print_published(tables)
    for entry, rows in beside.items():
        print(f"\n{entry}")
        for row in rows:
            near = {True: "near", False: "not near", None: "no band known"}[row.near]
            print(f"  {row.figure:20} published {row.published:.4g}  measured {row.measured:.4g}  {near}")


def _beside(table: Path) -> "dict[str, Sequence[Comparison]]":
    from zeroshift.bench.summary import summaries
    from zeroshift.bench.table import read_csv

    return {one.entry: one.published for one in summaries(read_csv(table)) if one.published}


def _print_published(tables: "Sequence[PublishedTable]") -> None:
    from zeroshift.bench.papers import published

    for one in tables:
        print(f"{one.name}: {one.title}\n  {one.source}")
        wide = max(len(str(row[0])) for row in one.rows)
        heads = [HEADS.get(column, column) for column in one.columns]
        for name, *cells in ((" " * wide, *heads), *one.rows):
            print(f"  {name:{wide}}", *(f"{cell:>{len(max(HEADS.values(), key=len))}}" for cell in cells))
        print()
    print("Near is as near as two publications of one method and one code base were:")
    for name, band in published().bands.items():
        print(f"  {name}: {f'{band.relative:.0%}' if band.relative else f'{band.absolute:g} dB'}")
    for text in published().bands_from:
        print(f"  {text.text}")
