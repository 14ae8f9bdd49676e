"""A report of a comparison: one HTML file that opens offline."""

import math
from collections.abc import Iterator, Sequence
from html import escape

from zeroshift.bench.cases import cases, side_by_side
from zeroshift.bench.curves import curve
from zeroshift.bench.entries import Entry
from zeroshift.bench.judging import BETTER, SUCCESS
from zeroshift.bench.papers import is_published, published
from zeroshift.bench.scoring import Scored
from zeroshift.bench.statistics import Difference, Mean
from zeroshift.bench.summary import Summary, incomparable, judges_of, summaries
from zeroshift.bench.table import figures_in

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1c1c1c; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
table { display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: #fff; }
.legend { columns: 18rem; margin: 0 0 1rem; }
small { color: #666; } code { background: #f3f3f3; padding: .1rem .3rem; white-space: pre-wrap; }
figure { display: inline-block; margin: .4rem; } figcaption { font-size: .8rem; color: #444; max-width: 17rem; }
img { width: 8rem; image-rendering: auto; } svg { max-width: 100%; }
"""
CURVES = ("lpips-outside", "feature-distance-outside", "feature-distance", "psnr-outside", "psnr")
"""what success is drawn against: the first that is there"""
STRUCTURES = ("structure-distance", "feature-structure")
"""structure: the first that is there"""


def html_report(
    rows: Sequence[Scored], entries: Sequence[Entry], commands: Sequence[str], baseline: str | None, title: str
) -> str:
    """The report of a table of scored edits.

    Args:
        rows: all edits.
        entries: what was compared, for the curves; empty where it is not known.
        commands: what made the edits and the table.
        baseline: the entry that the others are compared with.
        title: what was compared.

    Raises:
        ValueError: there is no such baseline.
    """
    found = summaries(rows, baseline)
    tasks = list(dict.fromkeys(row.task for row in rows))
    parts = [
        f"<h1>{escape(title)}</h1>",
        "<h2>Commands</h2>",
        *(f"<p><code>{escape(command)}</code></p>" for command in commands),
        "<h2>What was scored, and by what</h2>",
        f"<p>{escape(scored_by(rows))}</p>",
        "<h2>Means</h2>",
        "<p>Means over items, with 95 % intervals: of success and its differences by scores (Wilson, Tango), which are "
        "wide for few items, of all else by a bootstrap over items. An item counts for success only if it was "
        "judged rightly before the edit; how many count stands beside. ↑: more is better, ↓: less is.</p>",
        means_table(found, figures_in(rows)),
        *_curves(found, entries),
        *_differences(found, baseline),
        *_published(found, rows),
        *(part for task in (tasks if len(tasks) > 1 else []) for part in _task(rows, task)),
        *_side_by_side(rows),
        "<h2>Cases</h2>",
        *(part for summary in found for part in cases(rows, summary.entry)),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def means_table(found: Sequence[Summary], figures: Sequence[str]) -> str:
    """Entries by figures, those that tell most first."""
    names = key_first([*figures, "seconds"])
    heads = ["", "items", *map(headed, names)]
    lines = [[escape(one.entry), str(one.items), *(shown(one.means[name], name) for name in names)] for one in found]
    return _table(heads, lines)


def key_first(figures: Sequence[str]) -> list[str]:
    """Figures with success, structure, background and seconds before all others."""
    firsts = [
        next((name for name in kind if name in figures), None) for kind in (SUCCESS, STRUCTURES, CURVES, ("seconds",))
    ]
    keys = [name for name in firsts if name is not None]
    return [*keys, *(name for name in figures if name not in keys)]


def headed(name: str) -> str:
    """A figure's name with an arrow to where it is better."""
    return f"{name} {'↑' if BETTER.get(name, False) else '↓'}"


def shown(mean: Mean, name: str) -> str:
    """A mean with its interval; of success, with how many items count."""
    if not mean.count:
        return ""
    ends = "" if math.isnan(mean.low) else f" <small>{mean.low:.4g} to {mean.high:.4g}</small>"
    counted = f" <small>of {mean.count}</small>" if name in SUCCESS else ""
    return f"{mean.value:.4g}{ends}{counted}"


def _curves(found: Sequence[Summary], entries: Sequence[Entry]) -> Iterator[str]:
    figures = {name for one in found for name in one.means}
    success = next((name for name in SUCCESS if name in figures), None)
    kept = next((name for name in CURVES if name in figures), None)
    if success is None or kept is None:
        return
    methods = {entry.name: entry for entry in entries}
    lines: dict[str, list[tuple[float, Summary]]] = {}
    for one in found:
        entry = methods.get(one.entry)
        line = one.entry if entry is None or entry.intensity is None else entry.method
        lines.setdefault(line, []).append((entry.intensity or 1.0 if entry else 1.0, one))
    points = {
        line: [(one.means[kept].value, one.means[success].value, one.entry) for _, one in sorted(ones, key=_first)]
        for line, ones in lines.items()
    }
    yield f"<h2>{success} against {kept}</h2><p>Intensities of one method are joined: a method that hardly edits keeps "
    yield "much and succeeds rarely.</p>"
    yield curve(points, headed(kept), headed(success), (0.0, 1.0))


def _first(pair: tuple[float, Summary]) -> float:
    return pair[0]


def _differences(found: Sequence[Summary], baseline: str | None) -> Iterator[str]:
    others = [one for one in found if one.beside]
    if not others:
        return
    figures = key_first(list(others[0].beside))
    yield f"<h2>Beside {escape(str(baseline))}</h2><p>Paired differences over the items that both have; p is of "
    yield "McNemar's exact test.</p>"
    yield _table(
        ["", *map(headed, figures)],
        [[escape(one.entry), *(_more(one.beside[name]) for name in figures)] for one in others],
    )


def _more(one: Difference) -> str:
    if not one.mean.count:
        return ""
    ends = "" if math.isnan(one.mean.low) else f" <small>{one.mean.low:+.3g} to {one.mean.high:+.3g}</small>"
    p = "" if one.p is None else f" <small>p {one.p:.2g}</small>"
    return f"{one.mean.value:+.3g}{ends}{p}"


def scored_by(rows: Sequence[Scored]) -> str:
    """Benchmark, mode and judges in one sentence, as the table says them."""
    said = [" and ".join(sorted({getattr(row, name) or "not known" for row in rows})) for name in ("benchmark", "mode")]
    judges = ", ".join(f"{name}: {network}" for name, network in judges_of(rows).items())
    return f"Benchmark {said[0]}, mode {said[1]}, judges {judges or 'not known'}."


def _published(found: Sequence[Summary], rows: Sequence[Scored]) -> Iterator[str]:
    known = [one for one in found if one.published]
    named = [one.entry for one in found if is_published(one.entry)]
    if named:
        yield "<h2>Beside published figures</h2>"
    for entry in named:
        if why := incomparable([row for row in rows if row.entry == entry]):
            yield f"<p>Nothing is set beside {escape(entry)}: {escape(why)}.</p>"
    if not known:
        return
    yield "<p>Near is as near as two publications of one method were:</p><ul>"
    yield "".join(f"<li>{escape(one.text)}</li>" for one in published().bands_from) + "</ul>"
    words = {True: "near", False: "not near", None: ""}
    yield _table(
        ["", "figure", "published", "measured", ""],
        [
            [escape(one.entry), headed(each.figure), f"{each.published:.4g}", f"{each.measured:.4g}", words[each.near]]
            for one in known
            for each in one.published
        ],
    )


def _task(rows: Sequence[Scored], task: str) -> Iterator[str]:
    own = [row for row in rows if row.task == task]
    yield f"<h3>{escape(task)}</h3>"
    yield means_table(summaries(own), figures_in(own))


def _side_by_side(rows: Sequence[Scored]) -> Iterator[str]:
    entries = list(dict.fromkeys(row.entry for row in rows))
    lines = side_by_side(rows, entries)
    if len(entries) < 2 or not lines:
        return
    yield f"<h2>Side by side</h2><p>Items that are {escape(entries[0])}'s best, median and worst, by every entry.</p>"
    yield _table(["", "photograph", *entries], lines)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in lines)
    return f"<table><tr>{top}</tr>{body}</table>"
