"""The whole comparison on the shipped model: ``python -m benchmarks.comparison DATA OUT [--parts ...] [--minutes X]``.

DATA is a folder of captioned photographs as for ``benchmarks.pets_edit``. Every part is run, scored and reported in
OUT/PART; what is there is not made again, so the same command goes on where it was stopped. All of it takes days on one
core; ``--count`` and ``--minutes`` take a part of it, as many items of every task and of every method.
"""

import argparse
import itertools
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

import zeroshift
from benchmarks import plans
from zeroshift.bench.entries import Entry
from zeroshift.bench.items import Benchmark, read_plain
from zeroshift.bench.judging import Judges
from zeroshift.bench.report import html_report
from zeroshift.bench.running import Step, left, read_times, run, write_run
from zeroshift.bench.scoring import entries_in, score
from zeroshift.bench.shipped_clip import open_shipped_clip
from zeroshift.bench.table import write_csv
from zeroshift.cli.shared import hush_libraries
from zeroshift.evaluation.imagenet import open_judge
from zeroshift.files import write_atomically

MINI = 24
"""cats and dogs of bench-test that the matrix and the ablations are of"""
MINI_TASKS = ("bench-test cat-dog", "bench-test dog-cat")
PARTS = ("defaults", "matrix", "ablations")
BASELINES = ("ddim", "ddim+ddim", "pix2pix-zero-A-noise+swap")
"""of each part: what the others are compared with, item by item"""


def main() -> None:
    """Make what is missing, and the tables and reports of what is there."""
    given = arguments()
    command = shlex.join(["python", "-m", "benchmarks.comparison", *sys.argv[1:]])
    torch.set_num_threads(1)
    hush_libraries()
    pets = given.out / "pets"
    if not pets.is_dir():
        subprocess.run([sys.executable, "-m", "benchmarks.pets_edit", str(given.data), str(pets)], check=True)
    whole, end = read_plain(pets), time.monotonic() + 60 * given.minutes
    editor = zeroshift.load(device="cpu")
    for part in given.parts:
        benchmark, entries = asked(part, whole, given.count)
        out = given.out / part
        print(said(part, benchmark, entries, out), flush=True)
        write_run(out, benchmark, entries, editor.backbone.identity.name, 0, command)
        for step in until(run(editor, benchmark, entries, out), end):
            rest = f"{step.made.seconds:.1f} s{', failed: ' + step.made.error if step.made.error else ''}"
            print(f"{step.done} of {step.total}: {step.made.entry} {step.made.item}, {rest}", flush=True)
        tell(part, benchmark, entries, out, command)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description="Compare all methods.")
    parser.add_argument("data", type=Path, help="folder of captioned photographs")
    parser.add_argument("out", type=Path, help="folder for edits, tables and reports")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="NAME")
    parser.add_argument("--count", type=int, help="items of each task [default all, 24 for matrix and ablations]")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop making edits after so many")
    return parser.parse_args()


def asked(part: str, whole: Benchmark, count: int | None) -> tuple[Benchmark, list[Entry]]:
    """The items and entries of a part."""
    if part == "defaults":
        return whole.drawn(count or len(whole.items)), plans.defaults()
    items = whole.of_tasks(MINI_TASKS).drawn(count or MINI)
    return items, plans.matrix(items.items[0]) if part == "matrix" else plans.ablations()


def said(part: str, benchmark: Benchmark, entries: Sequence[Entry], out: Path) -> str:
    """What is about to be done, with hours where earlier edits tell how long one takes."""
    todo = left(benchmark, entries, out)
    known = {entry.name: [one.seconds for one in read_times(out / entry.name).values()] for entry in entries}
    means = {name: sum(seconds) / len(seconds) for name, seconds in known.items() if seconds}
    hours = f", about {sum(means[entry.name] for _, entry in todo) / 3600:.1f} h" if len(means) == len(entries) else ""
    return f"{part}: {len(todo)} edits to make, {len(benchmark.items)} items by {len(entries)} entries{hours}"


def until(steps: Iterator[Step], end: float) -> Iterator[Step]:
    """Steps until the clock says ``end``."""
    return itertools.takewhile(lambda _: time.monotonic() < end, steps)


def tell(part: str, benchmark: Benchmark, entries: Sequence[Entry], out: Path, command: str) -> None:
    """Write the table and the report of a part."""
    judges = Judges(imagenet=open_judge(), shipped_clip=open_shipped_clip())
    rows = [row for _, _, row in score(judges, benchmark, entries_in(out), out / "scores.jsonl")]
    write_csv(rows, out / "items.csv")
    baseline = next((name for name in BASELINES if any(row.entry == name for row in rows)), None)
    page = html_report(rows, entries, [command], baseline, f"Pets-Edit: {part}")
    write_atomically(out / "report.html", page.encode())
    print(f"{out / 'items.csv'} and {out / 'report.html'}: {len(rows)} edits", flush=True)


if __name__ == "__main__":
    main()
