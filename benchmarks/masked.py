"""What a mask does for edits: ``python -m benchmarks.masked PETS [OPTIONS]``.

Every photograph of PETS (``benchmarks.animals``) is edited with ``--mask`` (auto or grown) and without one, on one
inversion; the animals' own masks are for measuring alone. Prints how much of subject and background the mask is right
about, the decibels over all background pixels (mean and median of photographs, and "pooled", of the mean error), the
largest change of a colour outside of the mask, and success with the difference and its lower 95 % bound. Needs
zeroshift[eval].
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import zeroshift
from benchmarks.animals import FEWEST, Way, opened, parser, pooled
from benchmarks.fast import successes
from benchmarks.markdown import head, row
from zeroshift import EditSpec
from zeroshift.bench.statistics import share_of
from zeroshift.evaluation.imagenet import as_bytes, success
from zeroshift.evaluation.pixels import psnr
from zeroshift.image.registration import Mask
from zeroshift.results import Result

COLUMNS = (
    "method, mask",
    "photographs",
    "subject covered",
    "background kept",
    "background: mean, median, pooled",
    "without: mean, pooled",
    "most outside",
    "success",
    "without",
    "alone: without, with",
    "difference, points (at least)",
)


def edited(editor: zeroshift.Editor, way: Way, spec: EditSpec, masks: Sequence[str]) -> list[list[Result]]:
    """Every photograph's edit with each mask, and without one."""
    kept = zeroshift.InversionMemory()
    return [
        list(editor.edit(way.files, spec.model_copy(update={"mask": mask}), inversions=kept))
        for mask in (*masks, "none")
    ]


def psnr_over(one: Image.Image, other: Image.Image, part: NDArray[np.bool_]) -> float:
    """Decibels over the pixels of ``part``; infinite where they are equal, NaN where there are too few."""
    if part.sum() <= FEWEST:
        return math.nan
    return float(psnr(as_bytes(one), as_bytes(other), torch.from_numpy(part)[None, None]))


def figures(photograph: Image.Image, subject: Mask, inside: Result, everywhere: Result) -> Iterator[float]:
    """Yield covered, kept, background with the mask and without, and the largest change outside of the mask."""
    assert inside.mask is not None
    found, background = np.asarray(inside.mask) > 0, ~subject
    yield float(found[subject].mean()) if subject.sum() > FEWEST else math.nan
    yield 1 - float(found[background].mean()) if background.sum() > FEWEST else math.nan
    yield from (psnr_over(one.image, photograph, background) for one in (inside, everywhere))
    apart = np.abs(np.asarray(inside.image.convert("RGB"), dtype=int) - np.asarray(photograph, dtype=int))
    yield float(apart[~found].max(initial=0))


def rows(way: Way, inside: Sequence[Result], everywhere: Sequence[Result]) -> list[list[float]]:
    """The ``figures`` of every photograph, and success with the mask and without."""
    known = zip(way.photographs, way.subjects, inside, everywhere, strict=True)
    reached, free = (
        success(way.before, way.judge.look([one.image for one in edits]), way.source, way.target).tolist()
        for edits in (inside, everywhere)
    )
    return [[*figures(*one), a, b] for one, a, b in zip(known, reached, free, strict=True)]


def line(name: str, photographs: str, table: NDArray[np.float64]) -> str:
    """A row of the table, of figures (photographs, 7)."""
    covered, kept, background, without, outside, reached, free = table.T
    near = [f"{mean_where_finite(background):.1f}", f"{np.nanmedian(background):.1f}", f"{of_error(background):.1f}"]
    return row(
        [
            name,
            photographs,
            f"{np.nanmean(covered):.1%}",
            f"{np.nanmean(kept):.1%}",
            f"{', '.join(near)} dB",
            f"{mean_where_finite(without):.1f}, {of_error(without):.1f} dB",
            f"{outside.max():.0f}",
            f"{share_of(reached).value:.1%}",
            f"{share_of(free).value:.1%}",
            *successes(reached, free),
        ]
    )


def mean_where_finite(decibels: NDArray[np.float64]) -> float:
    """The mean over pictures that differ from their photographs."""
    found = decibels[np.isfinite(decibels)]
    return float(found.mean()) if len(found) else math.nan


def of_error(decibels: NDArray[np.float64]) -> float:
    """Decibels of the mean error of pictures that count alike."""
    error = np.nanmean(10 ** (-decibels / 10))
    return float(-10 * np.log10(error)) if error else math.inf


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = parser("masked", "bench-test")
    asked.add_argument("--masks", nargs="+", default=["auto", "grown"], choices=["auto", "grown"], metavar="NAME")
    given = asked.parse_args(words)
    editor, ways = opened(given, masks=True)
    print(f"{given.split}\n{head(COLUMNS)}")
    for name in given.methods:
        made = list[list[list[list[float]]]]()
        for way in ways:
            spec = EditSpec(source=way.source, target=way.target, method=name, restore=False)
            *inside, everywhere = edited(editor, way, spec, given.masks)
            made.append([rows(way, one, everywhere) for one in inside])
        for n, mask in enumerate(given.masks):
            for photographs, table in pooled(ways, [own[n] for own in made]):
                print(line(f"{name}, {mask}", photographs, table), flush=True)


if __name__ == "__main__":
    main()
