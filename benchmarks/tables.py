"""Tables of a comparison for a page, in Markdown, from the table of single edits."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.markdown import lined
from zeroshift.bench.scoring import Scored
from zeroshift.bench.statistics import Difference, Mean, mean_of
from zeroshift.bench.summary import Summary, summaries

if TYPE_CHECKING:
    from benchmarks.costs import EntryCost

HEADS = ("", "photographs", "flipped", "surely", "structure", "background, features", "background, dB")
COSTS = ("SF", "seconds alone")
TARGETS = ("", "photographs", "flipped", "surely", "nearer by CLIP", "structure", "features", "dB")
BESIDE = ("", "photographs", "flips, %", "p", "structure", "background, features", "background, MSE · 1000")


def means(rows: Sequence[Scored], costs: "Mapping[str, EntryCost] | None" = None) -> list[str]:
    """A line per entry: flipped and surely flipped of those that count, structure, what is kept of the background.

    What of ``MORE`` was measured stands behind, and then what entries cost, where somebody counted it.
    """
    found = summaries(rows)
    more = {head: cell for head, cell in MORE.items() if any(map(cell, found))}
    lines = [[*_line(one), *(cell(one) for cell in more.values())] for one in found]
    if not costs:
        return lined([*HEADS, *more], lines)
    paid = [_paid(costs.get(one.entry)) for one in found]
    return lined([*HEADS, *more, *COSTS], [[*line, *two] for line, two in zip(lines, paid, strict=True)])


def _paid(cost: "EntryCost | None") -> list[str]:
    return ["", ""] if cost is None else [f"{cost.first_sf:.0f}", f"{cost.seconds:.1f}"]


def _line(one: Summary) -> list[str]:
    return [
        one.entry,
        str(one.items),
        _share(one.means["imagenet-success"]),
        _sure(one),
        _with_ends(one.means["feature-structure"], 4),
        _with_ends(one.means["feature-distance-outside"], 3),
        _decibels(one.means["mse-outside"]),
    ]


def grids(rows: Sequence[Scored]) -> list[str]:
    """Tables with a row per inversion and a column per method, of entries that are called INVERSION+METHOD."""
    found = {tuple(one.entry.split("+", 1)): one for one in summaries(rows)}
    inversions, methods = (list(dict.fromkeys(key[k] for key in found)) for k in (0, 1))
    lines = list[str]()
    for title, cell in GRIDS.items():
        cells = [[cell(found[i, m]) if (i, m) in found else "" for m in methods] for i in inversions]
        lines += [
            f"{title}:",
            "",
            *lined(("", *methods), [[i, *row] for i, row in zip(inversions, cells, strict=True)]),
        ]
        lines.append("")
    return lines


def by_target(rows: Sequence[Scored]) -> list[str]:
    """A table per target, of tasks that are called SPLIT SOURCE-TARGET."""
    targets: dict[str, list[Scored]] = {}
    for row in rows:
        targets.setdefault(row.task.rsplit("-", 1)[1], []).append(row)
    lines = list[str]()
    for target, own in targets.items():
        lines += [f"{target}:", "", *lined(TARGETS, [_whole(one) for one in summaries(own)]), ""]
    return lines


def _whole(one: Summary) -> list[str]:
    means = defaultdict(lambda: mean_of([]), one.means)  # no edit into a style can flip
    return [
        one.entry,
        str(one.items),
        _share(means["imagenet-success"]),
        *(_counted(means[name]) for name in ("imagenet-surely", "shipped-clip-accuracy")),
        _with_ends(means["feature-structure"], 4),
        _with_ends(means["feature-distance"], 3),
        _decibels(means["mse"]),
    ]


def _sure(one: Summary) -> str:
    surely = one.means["imagenet-surely"]
    return f"{surely.value * surely.count:.0f}" if surely.count else ""


def _counted(share: Mean) -> str:
    return f"{share.value * share.count:.0f} of {share.count}" if share.count else ""


def _share(one: Mean) -> str:
    """How many of how many, and the ends of the share's interval in per cent."""
    return f"{_counted(one)} ({100 * one.low:.0f} to {100 * one.high:.0f} %)" if one.count else ""


def _with_ends(mean: Mean, digits: int) -> str:
    if not mean.count:
        return ""
    ends = "" if math.isnan(mean.low) else f" ({mean.low:.{digits}f} to {mean.high:.{digits}f})"
    return f"{mean.value:.{digits}f}{ends}"


def _decibels(error: Mean) -> str:
    """Of the mean error, since a background that stays exactly has infinitely many."""
    if not error.count:
        return ""
    value, most, least = (-10 * math.log10(x) if x > 0 else math.inf for x in (error.value, error.low, error.high))
    return f"{value:.1f}" if math.isnan(error.low) else f"{value:.1f} ({least:.1f} to {most:.1f})"


def beside(rows: Sequence[Scored], baseline: str) -> list[str]:
    """A line per entry: what it is more than the baseline's, over the items that both have."""
    found = [one for one in summaries(rows, baseline) if one.beside]
    return lined(BESIDE, [_more(one) for one in found])


def against(rows: Sequence[Scored], one: str, other: str) -> list[str]:
    """A line per entry of a method: what it is more than the other method's entry that ends alike."""
    found = {row.entry: row.entry.replace(one, other, 1) for row in rows if row.entry.startswith(one)}
    known = {row.entry for row in rows}
    both = {name: twin for name, twin in found.items() if twin in known}
    lines = [_more(line) for name, twin in both.items() for line in _pair(rows, name, twin)]
    return lined(BESIDE, lines)


def _pair(rows: Sequence[Scored], name: str, baseline: str) -> list[Summary]:
    return [one for one in summaries([row for row in rows if row.entry in (name, baseline)], baseline) if one.beside]


def _more(one: Summary) -> list[str]:
    flips = one.beside["imagenet-success"]
    return [
        one.entry,
        str(one.beside["feature-structure"].mean.count),
        _apart(flips, 100, 0),
        _probability(flips.p),
        _apart(one.beside["feature-structure"], 1, 4),
        _apart(one.beside["feature-distance-outside"], 1, 3),
        _apart(one.beside["mse-outside"], 1000, 1),
    ]


def _probability(p: float | None) -> str:
    if p is None:
        return ""
    return f"{p:.2f}" if p >= 0.01 else "< 0.01"


def _apart(one: Difference, unit: float, digits: int) -> str:
    # + 0.0 makes of a negative zero a positive one, for -0 is no number to read
    value, low, high = (round(x * unit, digits) + 0.0 for x in (one.mean.value, one.mean.low, one.mean.high))
    ends = "" if math.isnan(low) else f" ({low:+.{digits}f} to {high:+.{digits}f})"
    return f"{value:+.{digits}f}{ends}" if one.mean.count else ""


MORE: Mapping[str, Callable[[Summary], str]] = {
    "reconstruction, dB": lambda one: _with_ends(one.means.get("reconstruction", mean_of([])), 1)
}
"""columns that stand where somebody measured them"""
GRIDS: Mapping[str, Callable[[Summary], str]] = {
    "Flipped, in brackets surely": lambda one: f"{_counted(one.means['imagenet-success'])} ({_sure(one)})",
    "Structure": lambda one: _with_ends(one.means["feature-structure"], 4),
    "Background, features": lambda one: _with_ends(one.means["feature-distance-outside"], 3),
    "Background, dB": lambda one: _decibels(one.means["mse-outside"]),
}
