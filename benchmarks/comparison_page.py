"""Make the pages that tell of a comparison: ``python -m benchmarks.comparison_page [OUT] [--cost]``.

OUT is the folder of ``benchmarks.comparison``. Its tables of single edits become docs/comparison/PART.csv, and of those
alone the page is made, so that without OUT the command makes the page again from what stands in the repository. With
``--cost`` what entries cost is counted and timed anew, on the shipped model.

A table goes between ``<!-- compared FORM PART PATTERN... -->`` and ``<!-- /compared ... -->`` of any page: of
the entries of PART that are named like one of the patterns, without patterns of all. FORM is means, beside (the part's
baseline), matrix, targets, or two methods with a comma between. ``compared cell PART ENTRY HEAD`` is one value of
means, without its interval, ``compared hours PART...`` how long the edits of those parts took together, as their tables
have it. ``compared cost`` is what methods cost, ``compared diversity`` how different edits with
other seeds are. Places whose tables are not there stay as they are.
"""

import argparse
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import torch
from remake.pages import filled, marks, pages

import zeroshift
from benchmarks import plans
from benchmarks.comparison import BASELINES, PARTS, TUNING
from benchmarks.costs import EntryCost, cost_table, costs
from benchmarks.diversity import Apart, diversity
from benchmarks.published import COST, FOLDER, SEEDS, publish, read_rows, write_rows
from benchmarks.tables import against, beside, by_target, grids, means
from zeroshift.bench.scoring import Scored
from zeroshift.bench.table import read_csv
from zeroshift.cli.shared import hush_libraries
from zeroshift.files import write_atomically

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/comparison.md"
MARK, DEFAULTS = "compared", "defaults"


def main() -> None:
    """Write the tables of single edits and the page anew."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison_page", description="Fill the page's tables.")
    parser.add_argument("out", type=Path, nargs="?", help="folder of python -m benchmarks.comparison")
    parser.add_argument("--cost", action="store_true", help="count and time anew what edits cost: some minutes")
    given = parser.parse_args()
    parts = [part for part in (*PARTS, TUNING) if given.out and (given.out / part / "items.csv").is_file()]
    if given.out and not parts:
        raise SystemExit(f"There is no table of edits in {given.out}; make one with python -m benchmarks.comparison.")
    for part in parts:
        publish(part, given.out)
        print(f"{FOLDER / part}.csv", flush=True)
    if given.cost:
        count_costs()
    for page in pages(ROOT):
        text = page.read_text(encoding="utf-8")
        if (new := renewed(text)) != text:
            write_atomically(page, new.encode())
            print(page.relative_to(ROOT), flush=True)


def count_costs(folder: Path = FOLDER) -> None:
    """Write what the entries of the part ``defaults`` cost."""
    torch.set_num_threads(1)
    hush_libraries()
    found = list[EntryCost]()
    for one in costs(zeroshift.load(device="cpu"), plans.defaults()):
        print(f"{one.entry}: {one.first_sf:.0f} SF, {one.seconds:.1f} s", flush=True)
        found.append(one)
    folder.mkdir(exist_ok=True)
    write_rows(found, folder / COST)


def renewed(text: str, folder: Path = FOLDER) -> str:
    """A page with every place of ``MARK`` filled whose table is in ``folder``."""
    wanted = [mark for mark in marks(text) if mark.startswith(f"{MARK} ") and is_there(mark, folder)]
    return filled(text, {mark: table(mark, folder) for mark in dict.fromkeys(wanted)})


def is_there(mark: str, folder: Path = FOLDER) -> bool:
    """Whether what stands between the marks of that name can be made."""
    form, *rest = mark.split()[1:]
    if form in ("cost", "diversity"):
        return (folder / (COST if form == "cost" else SEEDS)).is_file()
    parts = rest if form == "hours" else rest[:1]
    return all((folder / f"{part}.csv").is_file() for part in parts)


def table(mark: str, folder: Path = FOLDER) -> str:
    """What stands between the marks of that name.

    Raises:
        ValueError: the part has no table of edits, or a cell's entry or head is not in it.
        KeyError: there is no such form.
    """
    _, form, *rest = mark.split()
    if form == "cost":
        return "\n".join(cost_table(known_costs(folder)))
    if form == "diversity":
        return "\n".join(diversity(read_rows(Apart, folder / SEEDS)))
    if form == "hours":
        return f"{sum(row.seconds for part in rest for row in rows_of(folder / f'{part}.csv')) / 3600:.1f} h"
    part, *patterns = rest
    every = rows_of(folder / f"{part}.csv")
    if form == "cell":
        return cell(every, patterns[0], " ".join(patterns[1:]))
    rows = [row for row in every if any(fnmatch.fnmatch(row.entry, one) for one in patterns or ["*"])]
    if form == "means":
        return "\n".join(means(rows, known_costs(folder) if part == DEFAULTS else None))
    return "\n".join(against(rows, *form.split(",")) if "," in form else FORMS[form](rows, every)).strip()


@cache
def rows_of(path: Path) -> list[Scored]:
    """The rows of a table of edits, read once for all of the page.

    Raises:
        ValueError: it is none.
    """
    return read_csv(path)


def known_costs(folder: Path) -> dict[str, EntryCost]:
    """What entries cost, by their names; nothing where nobody counted."""
    return {one.entry: one for one in read_rows(EntryCost, folder / COST)} if (folder / COST).is_file() else {}


def cell(rows: Sequence[Scored], entry: str, head: str) -> str:
    """One value of the table of means, without its interval.

    Raises:
        ValueError: there is no such entry, or no such head.
    """
    own = [row for row in rows if row.entry == entry]
    heads, _, *lines = (line.strip("|").split("|") for line in means(own))
    found = {name.strip(): value.strip() for line in lines for name, value in zip(heads, line, strict=True)}
    if head not in found:
        raise ValueError(f"There is no {head} of {entry}; a cell is PART ENTRY HEAD of the table of means.")
    return found[head].partition(" (")[0]


def _beside(rows: Sequence[Scored], every: Sequence[Scored]) -> list[str]:
    baseline = next(name for name in BASELINES if any(row.entry == name for row in every))
    own = [row for row in every if row.entry == baseline and row not in rows]
    return beside([*rows, *own], baseline)


FORMS: Mapping[str, Callable[[Sequence[Scored], Sequence[Scored]], list[str]]] = {
    "beside": _beside,
    "matrix": lambda rows, _: grids(rows),
    "targets": lambda rows, _: by_target(rows),
}


if __name__ == "__main__":
    main()
