"""Whether more strength is more edit: ``python -m benchmarks.intensity PICTURES SOURCE TARGET [OPTIONS]``.

PICTURES is a folder of photographs of SOURCE; both are animals that the ImageNet network knows (cat, dog, lion, tiger,
cheetah). Prints of every method, for every strength, how probable TARGET is where it is that or SOURCE, and how far the
edit is from the photograph, root mean square; and how strength and each of the two go together: Spearman's rank
correlation, the mean over pictures that change at all, and that of the means over all pictures; and the same of
probabilities to a percent, as finer differences of a network that is sure say nothing. The mask is that of the
photograph (``auto``) unless another is asked for: one that grows with the result has a course of its own. Needs
zeroshift[eval].
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import zeroshift
from benchmarks.animals import by_methods
from zeroshift import EditSpec
from zeroshift.evaluation.imagenet import ImageNetJudge, open_judge
from zeroshift.running.batching import groups
from zeroshift.running.groups import run_groups
from zeroshift.running.looking import look_at

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)


def edited(editor: zeroshift.Editor, pictures: Sequence[Path], spec: EditSpec) -> list[list[Image.Image]]:
    """The edits of every picture, at every strength."""
    specs = zeroshift.spread(spec, STRENGTHS)
    found: dict[int, list[Image.Image]] = {}
    for group, step in run_groups(editor, groups(editor, look_at(editor, pictures, spec), specs)):
        for member, row in zip(group.members, step.results, strict=False):  # of the last step
            found[member] = [result.image for result in row]
    return [found[k] for k in range(len(pictures))]


def figures(
    judge: ImageNetJudge, edits: Sequence[Sequence[Image.Image]], source: str, target: str
) -> NDArray[np.float64]:
    """Of every picture (N) and strength (S) the target's probability and the distance from the first: (2, N, S)."""
    seen = [judge.look(row) for row in edits]
    shown = [(one.of(target) / (one.of(source) + one.of(target))).numpy() for one in seen]
    rows = [[np.asarray(one.convert("RGB"), dtype=float) for one in row] for row in edits]
    apart = [[np.sqrt(np.square(one - row[0]).mean()) for one in row] for row in rows]
    return np.array([shown, apart])


def rank_correlation(values: NDArray[np.float64]) -> float:
    """Spearman's, of values with their places in order; ties have the mean of their ranks; NaN of equal values."""
    ranks = np.array([((values < one).sum() + (values <= one).sum() - 1) / 2 for one in values])
    if not ranks.std():
        return math.nan
    return float(np.corrcoef(np.arange(len(values)), ranks)[0, 1])


def line(name: str, table: NDArray[np.float64]) -> str:
    """A row of the table."""
    cells = [" ".join(f"{one:.2f}" for one in table[0].mean(0)), " ".join(f"{one:.0f}" for one in table[1].mean(0))]
    for one in (table[0], table[0].round(2), table[1]):
        single = np.nanmean([rank_correlation(row) for row in one])
        cells.append(f"{single:.2f}, {rank_correlation(one.mean(0)):.2f}")
    return f"| {name} | {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> None:
    """Print the table of a folder."""
    asked = by_methods("intensity")
    asked.add_argument("--mask", choices=("auto", "grown", "none"), default="auto")
    given = asked.parse_args(words)
    editor, judge = zeroshift.load(given.model), open_judge()
    pictures = sorted(given.pictures.iterdir())
    print(f"{len(pictures)} pictures, {given.source} to {given.target}, strengths {', '.join(map(str, STRENGTHS))}")
    print("| method | probability | distance | rank correlation, probability | to a percent | and distance |")
    print("|---|---|---|---|---|---|")
    for name in given.methods:
        spec = EditSpec(source=given.source, target=given.target, method=name, mask=given.mask)
        print(line(name, figures(judge, edited(editor, pictures, spec), given.source, given.target)), flush=True)


if __name__ == "__main__":
    main()
