"""Make everything again that depends on the shipped model.

    python -m remake [--data FOLDER] [--only NAME ...]

NAME is a group (pictures) or one thing of it (pictures/ddim); ``--list`` prints all of them. They are made in an order
in which none is made before what it depends on, on one thread, and one that fails does not stop the others.
"""

import argparse
import logging
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from remake import (
    approximations,
    benchmarking,
    edits,
    facts,
    inversions,
    mirror,
    pictures,
    pinned,
    presets,
    quality,
    sentences,
    speed,
    whole,
)
from remake.place import Job, Jobs, Place
from zeroshift.cli.shared import hush_libraries

ROOT = Path(__file__).parent.parent


def all_jobs(place: Place) -> Jobs:
    """Everything: presets first, since the rest is made with them."""
    groups: Sequence[Callable[[], Jobs]] = [
        presets.jobs,
        quality.jobs,
        approximations.jobs,
        pictures.jobs,
        whole.jobs,
        edits.jobs,
        mirror.jobs,
        sentences.jobs,
        lambda: inversions.jobs(place),
        pinned.jobs,
        benchmarking.jobs,
        speed.jobs,
        facts.jobs,
    ]
    return [job for group in groups for job in group()]


def main(words: Sequence[str] | None = None) -> int:
    """Make what is asked for; return 1 if something failed, else 0."""
    given = arguments(words)
    place = Place(ROOT, given.data)
    found = all_jobs(place)
    if given.list:
        print(*(job.name for job in found), sep="\n")
        return 0
    quieten()
    return carry_out(chosen(found, given.only), place)


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m remake", description="Make everything again that depends on the shipped model."
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="captioned photographs; without it, what needs them is left out"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="groups, or single things")
    parser.add_argument("--list", action="store_true", help="print the names")
    return parser.parse_args(words)


def quieten() -> None:
    """Take one thread, so that results do not depend on their number, and keep libraries from warning."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    hush_libraries()


def chosen(found: Jobs, names: list[str]) -> Jobs:
    """The jobs that are wanted; exit with code 2 where a name means nothing."""
    known = {name for job in found for name in (job.name, job.name.partition("/")[0])}
    if unknown := [name for name in names if name not in known]:
        print(f"There is no {' or '.join(unknown)} to make; --list prints what there is.", file=sys.stderr)
        raise SystemExit(2)
    return [job for job in found if job.wanted(names)]


def carry_out(jobs: Jobs, place: Place) -> int:
    """Make one thing after the other, with a line about each; return the exit code."""
    failed = [not done(job, place) for job in jobs]
    return int(any(failed))


def done(job: Job, place: Place) -> bool:
    """Make one thing; tell whether nothing went wrong."""
    if job.with_data and place.data is None:
        print(f"{job.name}  left out: it needs photographs, --data FOLDER", flush=True)
        return True
    begun = time.perf_counter()
    try:
        what = job.make(place)
    except Exception as error:
        if not isinstance(error, ValueError):
            traceback.print_exception(error)
        print(f"{job.name}  failed: {error}", file=sys.stderr, flush=True)
        return False
    print(f"{job.name}  {what}  ({time.perf_counter() - begun:.1f} s)", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
