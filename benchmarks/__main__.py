"""Compare zeroshift with the authors' procedures: same weights, steps, prompts, noise and threads.

    python -m benchmarks [--methods NAME ...] [--repeats 3] [--steps T] [--inner-steps N] [--threads 1]
    python -m benchmarks --memory    counts memory alone; times stay as they were measured

Rows of other methods stay in the table as they were, and what is said above it too unless all are measured.

Seconds are medians of CPU time on the shipped model, encoding and decoding of the picture included; MB are the most
that tensors take beside the weights meanwhile. SF, UNet forwards on one sample, are counted at Stable Diffusion 1.5,
512 x 512. Optimisations never stop early on either side.
"""

import argparse
import json
import logging
import platform
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from benchmarks.count import official_sf, outline
from benchmarks.markdown import head, lined, row
from benchmarks.setting import Setting
from benchmarks.timing import ROWS, held, shipped, timed
from zeroshift.cost.estimate import measure
from zeroshift.diffusion.machine import cpu_name

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs/benchmarks.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
ITERATIONS = 2
"""of every optimisation where memory is counted: a later one holds no more"""
HEADER = (
    *("method", "ours s", "official s", "ratio", "ours SF", "official SF", "ratio"),
    *("ours MB", "official MB", "difference", "in float64"),
)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    method: str
    steps: int
    ours_s: float
    official_s: float
    ours_sf: float
    official_sf: float
    difference: float | None
    double_difference: float | None
    ours_bytes: int | None = None
    """None in rows that were written before it was counted"""
    official_bytes: int | None = None

    def cells(self) -> list[str]:
        seconds = [f"{self.ours_s:.2f}", f"{self.official_s:.2f}", f"{self.official_s / self.ours_s:.2f}"]
        counts = [f"{self.ours_sf:.0f}", f"{self.official_sf:.0f}", f"{self.official_sf / self.ours_sf:.2f}"]
        memory = ["" if count is None else f"{count / 1e6:.0f}" for count in (self.ours_bytes, self.official_bytes)]
        differences = ["" if d is None else f"{d:.0e}" for d in (self.difference, self.double_difference)]
        return [f"{self.method}, T = {self.steps}", *seconds, *counts, *memory, *differences]


def main() -> None:
    given = arguments()
    torch.set_num_threads(given.threads)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers_logging.disable_progress_bar()
    at = shipped(given.steps, given.inner_steps)
    if given.memory:
        recount(at, given.methods)
        return
    bare = replace(outline(), steps=given.steps, inner_steps=given.inner_steps)
    print(head(HEADER), flush=True)
    rows = []
    for name in given.methods:
        rows.append(row_of(name, at, bare, given.repeats))
        print(row(rows[-1].cells()), flush=True)
    facts = {
        "steps": given.steps,
        "inner_steps": given.inner_steps,
        "repeats": given.repeats,
        "threads": given.threads,
        "pixels": at.backbone.size,
        "torch": torch.__version__,
        "processor": cpu_name() or platform.machine(),
    }
    before, known = recorded()
    write(facts if {*given.methods} == {*ROWS} else before, merged(known, rows))


def recorded() -> tuple[dict[str, object], list[Row]]:
    """What results.json says of the machine, and its rows."""
    found = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
    rows = [Row(**row) for row in found.pop("rows")]
    return found, rows


def merged(known: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Rows that were measured now in place of those of the same methods, in the order of ``ROWS``."""
    every = {row.method: row for row in (*known, *new)}
    return [every[name] for name in ROWS if name in every]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare zeroshift with the authors' procedures."
    )
    parser.add_argument("--methods", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME", help="; ".join(ROWS))
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first, which warms up and counts memory")
    parser.add_argument("--steps", type=int, help="sampling steps; by default each method's own")
    parser.add_argument("--inner-steps", type=int, help="most optimisation steps each; by default each method's own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", action="store_true", help="count memory alone, in rows that are there")
    return parser.parse_args()


def row_of(name: str, at: Setting, bare: Setting, repeats: int) -> Row:
    """Time a pair on the shipped model and count it on the bare one."""
    method, times = ROWS[name](bare).method, timed(name, at, repeats)
    official = sum(official_sf(bare, name).values())
    return Row(name, method.steps, ours_sf=measure(method).first_edit_sf, official_sf=official, **asdict(times))


def recount(at: Setting, methods: Sequence[str]) -> None:
    """Count memory anew in the rows of results.json, whose times stay."""
    facts, rows = recorded()
    at = replace(at, inner_steps=ITERATIONS)
    for k, one in enumerate(rows):
        if one.method in methods:
            own, official = held(one.method, at)
            rows[k] = replace(one, ours_bytes=own, official_bytes=official)
            print(row(rows[k].cells()), flush=True)
            write(facts, rows)


def write(facts: dict[str, object], rows: list[Row]) -> None:
    """Write results.json and the table in docs/benchmarks.md."""
    (FOLDER / "results.json").write_text(
        json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=2) + "\n", encoding="utf-8"
    )
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items() if value is not None)
    table = lined(HEADER, [one.cells() for one in rows])
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{told}\n\n" + "\n".join(table) + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
