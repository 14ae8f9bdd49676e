"""Put tables of a comparison into its page: ``python -m benchmarks.comparison_page OUT``.

OUT is the folder of ``benchmarks.comparison``. A table goes between ``<!-- compared FORM PART PATTERN... -->`` and
``<!-- /compared ... -->`` of docs/comparison.md: of the entries of OUT/PART/items.csv that are named like one of the
patterns, without patterns of all. FORM is means, beside (the part's baseline), matrix, targets, or two methods with a
comma between. ``compared cost`` is what methods cost, with ``--cost``; ``compared diversity`` is that part's. Tables of
parts that OUT does not have stay.
"""

import argparse
import fnmatch
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from remake.pages import filled, marks

from benchmarks.comparison import BASELINES, TABLES
from benchmarks.diversity import HEADS, line_of
from benchmarks.tables import against, beside, by_target, grids, lined, means
from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.bench.scoring import Scored
from zeroshift.bench.table import read_csv
from zeroshift.cost.estimate import measure
from zeroshift.files import write_atomically
from zeroshift.methods import METHODS
from zeroshift.presets import build_method, read_presets

PAGE = Path(__file__).parent.parent / "docs/comparison.md"
MARK = "compared"
COST, DIVERSITY = "compared cost", "compared diversity"
COSTS = ("SF", "first edit", "further edit of the picture", "first edit of SD 1.5 at 512 px by the paper's defaults")


def main() -> None:
    """Write the page anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison_page", description="Fill the page's tables.")
    parser.add_argument("out", type=Path, help="folder of python -m benchmarks.comparison")
    parser.add_argument("--cost", action="store_true", help="count what methods cost anew, which takes two minutes")
    given, text = parser.parse_args(), PAGE.read_text(encoding="utf-8")
    wanted = [mark for mark in marks(text) if mark.startswith(MARK) and is_there(mark, given.out, cost=given.cost)]
    values = {mark: "\n".join(costs()) if mark == COST else table(mark, given.out) for mark in wanted}
    write_atomically(PAGE, filled(text, values).encode())


def is_there(mark: str, out: Path, *, cost: bool) -> bool:
    """Whether the table of a mark can be made."""
    if mark == COST:
        return cost
    part = "diversity" if mark == DIVERSITY else mark.split()[2]
    return (out / part / "items.csv").is_file()


def table(mark: str, out: Path) -> str:
    """What stands between the marks of that name.

    Raises:
        ValueError: the part has no table of edits.
        KeyError: there is no such form.
    """
    if mark == DIVERSITY:
        written = (out / "diversity" / TABLES).read_text(encoding="utf-8").splitlines()
        lines = written[written.index(line_of(HEADS)) :]
        return "\n".join(itertools.takewhile(lambda line: line.startswith("|"), lines))
    _, form, part, *patterns = mark.split()
    every = read_csv(out / part / "items.csv")
    rows = [row for row in every if any(fnmatch.fnmatch(row.entry, one) for one in patterns or ["*"])]
    return "\n".join(against(rows, *form.split(",")) if "," in form else FORMS[form](rows, every)).strip()


def costs() -> list[str]:
    """A line per method: passes of the network, of the shipped model with its presets and of Stable Diffusion 1.5."""
    presets, lines = read_presets(SHIPPED), dict[float, list[str]]()
    for name in (method.name for method in METHODS):
        tuned = measure(build_method(name, presets.get(name, {})), model=SHIPPED)
        plain = measure(build_method(name))
        counts = (tuned.first_edit_sf, tuned.further_edit_sf, plain.first_edit_sf)
        lines[tuned.first_edit_sf] = [name, *(f"{count:.0f}" for count in counts)]
    return lined(COSTS, [lines[key] for key in sorted(lines)])


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
