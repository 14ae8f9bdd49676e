"""Whether more strength is more edit: ``python -m benchmarks.intensity PETS [OPTIONS]``.

Of the photographs of PETS (``benchmarks.animals``) it prints, for every method and strength, how probable the target is
where an ImageNet network sees that or the source, and how far the edit is from the photograph, root mean square; and
how strength and each of the two go together: Spearman's rank correlation, the mean over pictures that change at all,
and that of the means over all pictures; and the same of probabilities to a percent, as finer differences of a network
that is sure say nothing. The mask is that of the photograph (``auto``) unless another is asked for: one that grows with
the result has a course of its own. ``--marks`` tries others than a model's presets have. Needs zeroshift[eval].
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import zeroshift
from benchmarks.animals import Way, opened, parser
from benchmarks.markdown import head, row
from zeroshift import EditSpec
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_groups
from zeroshift.running.looking import look_at

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
COLUMNS = (
    "method",
    "photographs",
    "probability",
    "distance",
    "with the probability",
    "to a percent",
    "with the distance",
)


def edited(editor: zeroshift.Editor, pictures: Sequence[Path], spec: EditSpec) -> list[list[Image.Image]]:
    """The edits of every picture, at every strength."""
    specs = zeroshift.spread(spec, STRENGTHS)
    found: dict[int, list[Image.Image]] = {}
    for group, step in run_groups(editor, groups(editor, look_at(editor, pictures, spec), specs)):
        for member, course in zip(group.members, step.results, strict=False):  # of the last step
            found[member] = [result.image for result in course]
    return [found[k] for k in range(len(pictures))]


def by_marks(spec: EditSpec, marks: Sequence[float] | None) -> EditSpec:
    """The same edit with other marks of strength, where there are some."""
    return spec.model_copy(update={"options": {"conditioning": {"strength_marks": marks}}}) if marks else spec


def figures(way: Way, edits: Sequence[Sequence[Image.Image]]) -> NDArray[np.float64]:
    """Of every picture (N) and strength (S) the target's probability and the distance from the first: (2, N, S)."""
    seen = [way.judge.look(course) for course in edits]
    shown = [(one.of(way.target) / (one.of(way.source) + one.of(way.target))).numpy() for one in seen]
    courses = [[np.asarray(one.convert("RGB"), dtype=float) for one in course] for course in edits]
    apart = [[np.sqrt(np.square(one - course[0]).mean()) for one in course] for course in courses]
    return np.array([shown, apart])


def rank_correlation(values: NDArray[np.float64]) -> float:
    """Spearman's, of values with their places in order; ties have the mean of their ranks; NaN of equal values."""
    ranks = np.array([((values < one).sum() + (values <= one).sum() - 1) / 2 for one in values])
    if not ranks.std():
        return math.nan
    return float(np.corrcoef(np.arange(len(values)), ranks)[0, 1])


def cells(table: NDArray[np.float64]) -> Iterator[str]:
    """Yield what a row of the table says of figures (2, N, S)."""
    yield " ".join(f"{one:.2f}" for one in table[0].mean(0))
    yield " ".join(f"{one:.0f}" for one in table[1].mean(0))
    for one in (table[0], table[0].round(2), table[1]):
        single = [rank for course in one if not math.isnan(rank := rank_correlation(course))]
        mean = sum(single) / len(single) if single else math.nan
        yield f"{mean:.2f} ({rank_correlation(one.mean(0)):.2f})"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = parser("intensity", "bench-val")
    asked.add_argument("--mask", choices=("auto", "grown", "none"), default="auto")
    asked.add_argument("--marks", nargs="+", type=float, metavar="X", help="strength marks in place of the presets'")
    given = asked.parse_args(words)
    editor, ways = opened(given)
    marked = f", marks {', '.join(map(str, given.marks))}" if given.marks else ""
    print(f"{given.split}, mask {given.mask}, strengths {', '.join(map(str, STRENGTHS))}{marked}\n{head(COLUMNS)}")
    for name in given.methods:
        made = list[NDArray[np.float64]]()
        for way in ways:
            spec = EditSpec(source=way.source, target=way.target, method=name, mask=given.mask, restore=False)
            made.append(figures(way, edited(editor, way.files, by_marks(spec, given.marks))))
        every = np.concatenate(made, axis=1)
        print(row([name, str(every.shape[1]), *cells(every)]), flush=True)


if __name__ == "__main__":
    main()
