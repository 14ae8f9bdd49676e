"""From the table of single edits to what is said of methods."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from zeroshift.bench.judging import BETTER, SUCCESS
from zeroshift.bench.papers import Comparison, compared
from zeroshift.bench.scoring import Scored
from zeroshift.bench.statistics import Difference, Mean, difference, mean_of, share_of
from zeroshift.bench.table import figures_in
from zeroshift.evaluation.lpips import FILES

BENCHMARK, MODE = "PIE-Bench", "paper"
"""what the published rows that are compared with were scored on, and how"""
ALL = 700
"""its items, of all of which they are"""


@dataclass(frozen=True)
class Summary:
    """One entry over all its items, or those of one task."""

    entry: str
    items: int
    means: Mapping[str, Mean]
    """by figure; of success, over the items that count: those that were judged rightly before the edit"""
    beside: Mapping[str, Difference]
    """by figure: what it is more than the baseline's, over the items that both have"""
    published: Sequence[Comparison]

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values; what is not defined is None."""
        return plain(asdict(self))  # type: ignore[return-value]


def summaries(rows: Sequence[Scored], baseline: str | None = None, task: str | None = None) -> list[Summary]:
    """Every entry's summary; differences are to ``baseline``, an entry's name.

    Raises:
        ValueError: there is no such entry.
    """
    rows = [row for row in rows if task is None or row.task == task]
    entries = list(dict.fromkeys(row.entry for row in rows))
    if baseline is not None and baseline not in entries:
        raise ValueError(f"There is no {baseline} among what is compared: {', '.join(entries)}.")
    return [_summary(rows, entry, baseline) for entry in entries]


def _summary(rows: Sequence[Scored], entry: str, baseline: str | None) -> Summary:
    own, figures = [row for row in rows if row.entry == entry], figures_in(rows)
    means = {name: (share_of if name in SUCCESS else mean_of)(column(own, name)) for name in (*figures, "seconds")}
    beside = dict[str, Difference]()
    if baseline is not None and entry != baseline:
        base = {row.item: row for row in rows if row.entry == baseline}
        both = [row for row in own if row.item in base]
        for name in figures:
            other = column([base[row.item] for row in both], name)
            beside[name] = difference(column(both, name), other, success=name in SUCCESS)
    found = {name: mean.value for name, mean in means.items() if name != "lpips-outside" or _as_published(own)}
    return Summary(entry, len(own), means, beside, [] if incomparable(own) else compared(entry, found))


def incomparable(rows: Sequence[Scored]) -> str:
    """Why published rows of PIE-Bench cannot stand beside these edits of one entry; empty where they can."""
    benchmarks, modes = ({getattr(row, name) or "nobody knows what" for row in rows} for name in ("benchmark", "mode"))
    if benchmarks == {BENCHMARK} and modes == {MODE}:
        count = len({row.item for row in rows})
        return "" if count >= ALL else f"published rows are of all {ALL} items of {BENCHMARK}, and these are {count}"
    of, by = " and ".join(sorted(benchmarks)), " and ".join(sorted(modes))
    return f"published rows are of {BENCHMARK} in the mode {MODE}, and these edits are of {of} in the mode {by}"


def judges_of(rows: Sequence[Scored]) -> dict[str, str]:
    """The names of what scored, several with "and" where rows differ; nothing where nobody has written it."""
    every = [json.loads(row.judges) for row in rows if row.judges]
    names = dict.fromkeys(name for one in every for name in one)
    return {name: " and ".join(dict.fromkeys(one[name] for one in every if name in one)) for name in names}


def _as_published(rows: Sequence[Scored]) -> bool:
    """Whether LPIPS is by the network of PIE-Bench's evaluator."""
    return judges_of(rows).get("lpips", FILES["squeeze"]) == FILES["squeeze"]


def column(rows: Sequence[Scored], name: str) -> list[float]:
    """One figure of each row, NaN where it is not defined."""
    return [row.seconds if name == "seconds" else row.figures.get(name, math.nan) for row in rows]


def better(name: str, value: float) -> float:
    """A figure so that more is better."""
    return value if BETTER[name] else -value


def plain(value: object) -> object:
    """Values for JSON, which has no NaN and no infinity."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
