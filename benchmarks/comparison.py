"""The whole comparison on the shipped model: ``python -m benchmarks.comparison DATA OUT [--parts ...] [--minutes X]``.

DATA is a folder of captioned photographs as for ``benchmarks.pets_edit``. Every part is run, scored and reported in
OUT/PART; entries that invert alike do it once, so that seconds compare nothing. What is there is not made again, so
the same command goes on where it was stopped; with ``--overwrite`` what older presets made is. All of it takes days on
one core; ``--small``, ``--entries`` and ``--minutes`` take a part of it, as many items of every task and of every
method.
The part ``tuning``, which is made only if it is named, is what presets were chosen by: it reads ``bench-val`` alone.
"""

import argparse
import fnmatch
import itertools
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

import zeroshift
from benchmarks import plans
from benchmarks.diversity import apart, diversity
from benchmarks.drawing import SMALL, WHOLE, Sizes, drawn
from benchmarks.kids import kids
from benchmarks.sheets import write_sheets
from benchmarks.tables import beside, by_target, grids, means
from benchmarks.tuning import tuning
from zeroshift.bench.entries import Entry
from zeroshift.bench.foretelling import seconds_before
from zeroshift.bench.items import Benchmark, Item, read_plain
from zeroshift.bench.judging import Judges
from zeroshift.bench.reconstructing import NOT_INVERTED, read_returned, reconstruct, unmeasured
from zeroshift.bench.report import html_report
from zeroshift.bench.resuming import due
from zeroshift.bench.running import Step, read_run, run, took_before, write_run
from zeroshift.bench.scoring import Scored, entries_in, score
from zeroshift.bench.shipped_clip import open_shipped_clip
from zeroshift.bench.table import write_csv
from zeroshift.cli.bench import spelled
from zeroshift.cli.shared import hush_libraries
from zeroshift.cli.wrong import as_flags
from zeroshift.evaluation.imagenet import open_judge
from zeroshift.files import write_atomically
from zeroshift.presets import build_method

T = TypeVar("T")
PARTS = ("defaults", "ablations", "diversity", "targets", "matrix")
TUNING = "tuning"
PLANS = {
    "defaults": plans.defaults,
    "ablations": plans.ablations,
    "diversity": plans.diversity,
    "targets": plans.targets,
    TUNING: tuning,
}
SHAPES: Mapping[str, Callable[[Sequence[Scored]], list[str]]] = {"matrix": grids, "targets": by_target}
"""how a part's means are laid out, where it is not a line per entry"""
TABLES = "tables.md"
BASELINES = ("ddim", "ddim+ddim", "pix2pix-zero-A-noise+swap", "ddim-g5")
"""of each part: what the others are compared with, item by item"""


@dataclass(frozen=True)
class Work:
    """Items of a part that are edited by the same entries."""

    part: str
    benchmark: Benchmark
    entries: Sequence[Entry]
    todo: Sequence[tuple[Item, Entry]]
    """what is not there yet"""
    back: Sequence[tuple[Item, Entry]]
    """of what it is to be measured how well photographs come back: of the part ``defaults``, of each method as it is"""
    seconds: float | None
    """about how long both take at most, where it is known"""


def main() -> None:
    """Make what is missing, and the tables and reports of what is there."""
    given = arguments()
    command = shlex.join(["python", "-m", "benchmarks.comparison", *sys.argv[1:]])
    torch.set_num_threads(1)
    hush_libraries()
    end = time.monotonic() + 60 * given.minutes
    editor, kept = zeroshift.load(device="cpu"), zeroshift.InversionMemory()
    wholes = {part: pets(given.data, given.out, part) for part in given.parts}
    works = list[Work]()
    for part, whole in wholes.items():
        for one in works_of(editor, part, whole, given):
            print(said(one), flush=True)
            works.append(one)
    if not works:
        named = f"{' or '.join(given.entries)} in {' or '.join(given.parts)}"
        raise SystemExit(f"No entry is called {named}; see benchmarks/plans.py for their names.")
    print(said_of_all(works), flush=True)
    for part in dict.fromkeys(one.part for one in works):
        out, whole = given.out / part, wholes[part]
        for one in (one for one in works if one.part == part):
            write_run(out, one.benchmark, one.entries, editor.backbone.identity.name, 0, command)
            begun = time.monotonic()
            steps = run(editor, one.benchmark, one.entries, out, batch=given.batch, inversions=kept, todo=one.todo)
            for step in until(steps, end):
                print(progress(step, time.monotonic() - begun), flush=True)
            if one.back:
                missing = unmeasured(editor, one.benchmark, [*filter(plans.as_it_is, one.entries)], out)
                for item, entry, decibels in until(reconstruct(editor, missing, out, inversions=kept), end):
                    print(f"{entry.name} {item.name} comes back at {decibels:.1f} dB", flush=True)
        tell(part, whole, SMALL[part] if given.small else WHOLE[part], out)


def progress(step: Step, elapsed: float) -> str:
    """What was made last, and about how long the rest of these items and entries takes, by what they took so far."""
    rest = f"; about {spelled(elapsed / step.done * (step.total - step.done))} left" if step.done < step.total else ""
    failed = f", failed: {step.made.error}" if step.made.error else ""
    return f"{step.done} of {step.total}: {step.made.entry} {step.made.item}, {step.made.seconds:.1f} s{failed}{rest}"


def works_of(editor: "zeroshift.Editor", part: str, whole: Benchmark, given: argparse.Namespace) -> Iterator[Work]:
    """What is to be done for a part; leaves with a sentence where what is there was made otherwise."""
    for benchmark, entries in asked(part, whole, (SMALL if given.small else WHOLE)[part], given.entries):
        out = given.out / part
        try:
            todo = due(editor, benchmark, entries, out, overwrite=given.overwrite)
        except ValueError as error:
            raise SystemExit(as_flags(str(error))) from error
        back = unreturned(benchmark, entries, out) if given.reconstruct and part == "defaults" else []
        seconds = seconds_before(editor, [*todo, *back], took_before(entries, out), batch=given.batch, counting=1)
        yield Work(part, benchmark, entries, todo, back, seconds)


def unreturned(benchmark: Benchmark, entries: Sequence[Entry], out: Path) -> list[tuple[Item, Entry]]:
    """The photographs whose return from a method's inversion is not known, whether their edits are there or not.

    A method that begins with fresh noise has no inversion that anything could return from.
    """
    own = [entry for entry in entries if plans.as_it_is(entry)]
    kinds = {entry.name: build_method(entry.method).inversion.kind for entry in own}
    known = {entry.name: read_returned(out / entry.name) for entry in own if kinds[entry.name] not in NOT_INVERTED}
    return [
        (item, entry)
        for item in benchmark.items
        for entry in entries
        if entry.name in known and item.name not in known[entry.name]
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description="Compare all methods.")
    parser.add_argument("data", type=Path, help="folder of captioned photographs")
    parser.add_argument("out", type=Path, help="folder for edits, tables and reports")
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, TUNING), default=list(PARTS), metavar="NAME")
    parser.add_argument("--entries", nargs="+", default=["*"], help="those named like one of these", metavar="PATTERN")
    parser.add_argument("--small", action="store_true", help="fewer items, those of SMALL: 19 h of edits and more")
    parser.add_argument("--batch", type=int, default=8, help="items edited together at most [default 8]")
    parser.add_argument(
        "--reconstruct", action="store_true", help="measure how well photographs come back by each method, too"
    )
    parser.add_argument("--overwrite", action="store_true", help="make again what is there with older presets")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop making edits after so many")
    return parser.parse_args()


def pets(data: Path, out: Path, part: str) -> Benchmark:
    """Pets-Edit of the splits that a part reads, made where it is not there; leaves where that cannot be."""
    place, splits = (out / "pets-val", ["bench-val"]) if part == TUNING else (out / "pets", ["test", "bench-test"])
    if not place.is_dir():
        made = [sys.executable, "-m", "benchmarks.pets_edit", str(data), str(place), "--splits", *splits]
        if code := subprocess.run(made, check=False).returncode:
            raise SystemExit(code)  # it has said why
    return read_plain(place)


def asked(part: str, whole: Benchmark, sizes: Sizes, patterns: Sequence[str]) -> list[tuple[Benchmark, list[Entry]]]:
    """What is edited by what: a part's entries that are named like one of ``patterns``, apart those that get fewer."""
    many, few = (drawn(whole, sizes, fewer=fewer) for fewer in (False, True))
    planned = plans.matrix(many.items[0]) if part == "matrix" else PLANS[part]()
    entries = [entry for entry in planned if any(fnmatch.fnmatch(entry.name, one) for one in patterns)]
    rest, most = ([one for one in entries if plans.gets_fewer(part, one) == fewer] for fewer in (True, False))
    return [(items, some) for items, some in ((many, most), (few, rest)) if some and items.items]


def said(one: Work) -> str:
    """What is about to be done, and about how long that takes at most, for inversions are shared."""
    hours = f", about {one.seconds / 3600:.1f} h at most" if one.seconds else ""
    of = f"{len(one.benchmark.items)} items by {len(one.entries)} entries"
    back = f", {len(one.back)} photographs to come back" if one.back else ""
    return f"{one.part}: {len(one.todo)} edits to make, {of}{back}{hours}"


def said_of_all(works: Sequence[Work]) -> str:
    """The same of everything, before any of it."""
    known = sum(one.seconds or 0.0 for one in works)
    less = any(one.seconds is None for one in works if one.todo or one.back)
    hours = f", {'more than' if less else 'about'} {known / 3600:.1f} h{'' if less else ' at most'}" if known else ""
    return f"in all {sum(len(one.todo) for one in works)} edits to make{hours}; stopped, the same command goes on"


def until(steps: Iterator[T], end: float) -> Iterator[T]:
    """Steps until the clock says ``end``."""
    return itertools.takewhile(lambda _: time.monotonic() < end, steps)


def tell(part: str, whole: Benchmark, sizes: Sizes, out: Path) -> None:
    """Write the table and the report of a part, of all its entries that are there, whichever were asked for now.

    ``whole`` has the photographs that edits are to look like.
    """
    benchmark = drawn(whole, sizes, fewer=False)
    entries = [entry for _, own in asked(part, whole, sizes, ["*"]) for entry in own if (out / entry.name).is_dir()]
    judges = Judges(imagenet=open_judge(), shipped_clip=open_shipped_clip())
    rows = [row for _, _, row in score(judges, benchmark, entries_in(out), out / "scores.jsonl")]
    write_csv(rows, out / "items.csv")
    baseline = next((name for name in BASELINES if any(row.entry == name for row in rows)), None)
    write_sheets(benchmark, entries, out)
    tables = [*SHAPES.get(part, means)(rows), "", *([] if baseline is None else beside(rows, baseline)), ""]
    tables += [
        *diversity(apart(open_judge(), benchmark, entries, out)),
        "",
        *kids(open_judge(), benchmark, whole, entries, out),
    ]
    write_atomically(out / TABLES, ("\n".join(tables) + "\n").encode())
    page = html_report(rows, entries, read_run(out).commands, baseline, f"Pets-Edit: {part}")
    write_atomically(out / "report.html", page.encode())
    print(f"{out / 'items.csv'} and {out / 'report.html'}: {len(rows)} edits", flush=True)


if __name__ == "__main__":
    main()
