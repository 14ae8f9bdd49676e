"""Tables of a comparison for a page, in Markdown, from the table of single edits."""

import math
from collections.abc import Sequence

from zeroshift.bench.scoring import Scored
from zeroshift.bench.statistics import Difference, Mean
from zeroshift.bench.summary import Summary, summaries

HEADS = ("", "photographs", "flipped", "surely", "structure", "background, features", "background, dB")
BESIDE = ("", "photographs", "flips, %", "p", "structure", "background, features", "background, MSE · 1000")


def means(rows: Sequence[Scored]) -> list[str]:
    """A line per entry: flipped and surely flipped of those that count, structure, what is kept of the background."""
    return _table(HEADS, [_line(one) for one in summaries(rows)])


def _line(one: Summary) -> list[str]:
    flips, surely = (one.means[name] for name in ("imagenet-success", "imagenet-surely"))
    return [
        one.entry,
        str(one.items),
        f"{flips.value * flips.count:.0f} of {flips.count}" if flips.count else "",
        f"{surely.value * surely.count:.0f}" if surely.count else "",
        _with_ends(one.means["feature-structure"], 4),
        _with_ends(one.means["feature-distance-outside"], 3),
        _decibels(one.means["mse-outside"]),
    ]


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
    return f"{value:.1f}" if error.count == 1 else f"{value:.1f} ({least:.1f} to {most:.1f})"


def beside(rows: Sequence[Scored], baseline: str) -> list[str]:
    """A line per entry: what it is more than the baseline's, over the items that both have."""
    found = [one for one in summaries(rows, baseline) if one.beside]
    return _table(BESIDE, [_more(one) for one in found])


def _more(one: Summary) -> list[str]:
    flips = one.beside["imagenet-success"]
    return [
        one.entry,
        str(one.beside["feature-structure"].mean.count),
        _apart(flips, 100, 0),
        "" if flips.p is None else f"{flips.p:.2f}",
        _apart(one.beside["feature-structure"], 1, 4),
        _apart(one.beside["feature-distance-outside"], 1, 3),
        _apart(one.beside["mse-outside"], 1000, 1),
    ]


def _apart(one: Difference, unit: float, digits: int) -> str:
    value, low, high = (x * unit for x in (one.mean.value, one.mean.low, one.mean.high))
    ends = "" if math.isnan(low) else f" ({low:+.{digits}f} to {high:+.{digits}f})"
    return f"{value:+.{digits}f}{ends}" if one.mean.count else ""


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(line)} |" for line in lines)]
