"""Which items of Pets-Edit a part takes: how many of each task, and how many for entries that get fewer."""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from zeroshift.bench.items import Benchmark

Sizes: TypeAlias = Sequence[tuple[str, int | None, int | None]]
"""for tasks whose names are like this: how many items, and how many for entries that get fewer; None is all"""
FEW: Sizes = (("bench-test cat-dog", 24, 24), ("bench-test dog-cat", 24, 24))
WHOLE: Mapping[str, Sizes] = {
    "defaults": (("*", None, None),),
    "matrix": FEW,
    "ablations": FEW,
    "diversity": FEW,
    "targets": (("bench-test *-cat", 0, 0), ("bench-test *-dog", 0, 0), ("bench-test *", 24, 0)),
    "tuning": (("bench-val cat-dog", 8, 8), ("bench-val dog-cat", 8, 8)),
}
SMALL: Mapping[str, Sizes] = {
    "defaults": (("bench-test cat-dog", None, 24), ("bench-test dog-cat", None, 24)),
    "ablations": FEW,
    "diversity": (("bench-test cat-dog", 4, 4), ("bench-test dog-cat", 4, 4)),
    "targets": (("bench-test cat-tiger", 12, 0), ("bench-test *-sketch", 4, 0), ("bench-test *-painting", 4, 0)),
    "matrix": FEW,
    "tuning": (("bench-val cat-dog", 8, 4), ("bench-val dog-cat", 8, 4)),
}


def drawn(whole: Benchmark, sizes: Sizes, *, fewer: bool) -> Benchmark:
    """Items by their names' hashes, as many of each task as its first line in ``sizes`` says; tasks go round."""
    tasks = list(dict.fromkeys(item.task for item in whole.items))
    counts = {
        task: next((less if fewer else many for name, many, less in sizes if fnmatch.fnmatch(task, name)), 0)
        for task in tasks
    }
    every = whole.drawn(len(whole.items))
    chosen = {
        item.name
        for task, count in counts.items()
        for item in [item for item in every.items if item.task == task][:count]
    }
    return replace(whole, items=tuple(item for item in every.items if item.name in chosen))
