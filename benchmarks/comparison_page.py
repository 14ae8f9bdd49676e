"""Put tables of a comparison into its page: ``python -m benchmarks.comparison_page OUT``.

OUT is the folder of ``benchmarks.comparison``. A table goes between ``<!-- compared FORM PART PATTERN... -->`` and
``<!-- /compared ... -->`` of docs/comparison.md: of the entries of OUT/PART/items.csv that are named like one of the
patterns, without patterns of all.
"""

import argparse
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from remake.pages import filled, marks

from benchmarks.comparison import BASELINES
from benchmarks.tables import beside, by_target, grids, means
from zeroshift.bench.scoring import Scored
from zeroshift.bench.table import read_csv
from zeroshift.files import write_atomically

PAGE = Path(__file__).parent.parent / "docs/comparison.md"
MARK = "compared"


def main() -> None:
    """Write the page anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison_page", description="Fill the page's tables.")
    parser.add_argument("out", type=Path, help="folder of python -m benchmarks.comparison")
    out, text = parser.parse_args().out, PAGE.read_text(encoding="utf-8")
    values = {mark: table(mark, out) for mark in marks(text) if mark.startswith(MARK)}
    write_atomically(PAGE, filled(text, values).encode())


def table(mark: str, out: Path) -> str:
    """What stands between the marks of that name.

    Raises:
        ValueError: the part has no table of edits.
        KeyError: there is no such form.
    """
    _, form, part, *patterns = mark.split()
    every = read_csv(out / part / "items.csv")
    rows = [row for row in every if any(fnmatch.fnmatch(row.entry, one) for one in patterns or ["*"])]
    return "\n".join(FORMS[form](rows, every)).strip()


def _beside(rows: Sequence[Scored], every: Sequence[Scored]) -> list[str]:
    baseline = next(name for name in BASELINES if any(row.entry == name for row in every))
    own = [row for row in every if row.entry == baseline and row not in rows]
    return beside([*rows, *own], baseline)


FORMS: Mapping[str, Callable[[Sequence[Scored], Sequence[Scored]], list[str]]] = {
    "means": lambda rows, _: means(rows),
    "beside": _beside,
    "matrix": lambda rows, _: grids(rows),
    "targets": lambda rows, _: by_target(rows),
}


if __name__ == "__main__":
    main()
