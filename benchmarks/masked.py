"""What a mask does for edits: ``python -m benchmarks.masked PICTURES SOURCE TARGET MASKS [OPTIONS]``.

PICTURES and MASKS are folders as for ``benchmarks.masks``; the masks are for measuring alone. Every picture is edited
with ``--mask`` (auto or grown) and without one, on one inversion. Prints how much of subject and background it is right
about, the decibels over all background pixels, the largest change of a pixel outside of it, and success with the paired
difference and its 95 % interval. Needs zeroshift[eval].
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import zeroshift
from benchmarks.animals import parser
from zeroshift import EditSpec
from zeroshift.bench.statistics import difference, mean_of
from zeroshift.evaluation.imagenet import as_bytes, open_judge, success
from zeroshift.evaluation.pixels import psnr
from zeroshift.results import Result

FEWEST = 50
"""pixels of subject or background from which on a picture counts"""


def edited(editor: zeroshift.Editor, pictures: Sequence[Path], spec: EditSpec) -> list[tuple[Result, Result]]:
    """Every picture's edit with the mask, and without."""
    kept = zeroshift.InversionMemory()
    ways = (spec, spec.model_copy(update={"mask": "none"}))
    inside, everywhere = (editor.edit(pictures, one, inversions=kept) for one in ways)
    return list(zip(inside, everywhere, strict=True))


def psnr_over(one: Image.Image, other: Image.Image, part: NDArray[np.bool_]) -> float:
    """Decibels over the pixels of ``part``; infinite where they are equal, NaN where there are too few."""
    if part.sum() <= FEWEST:
        return math.nan
    return float(psnr(as_bytes(one), as_bytes(other), torch.from_numpy(part)[None, None]))


def figures(photograph: Image.Image, truth: NDArray[np.uint8], inside: Result, everywhere: Result) -> Iterator[float]:
    """Yield covered, kept, background with the mask and without, and the largest change outside of the mask."""
    assert inside.mask is not None
    found, subject, background = np.asarray(inside.mask) > 0, truth == 1, truth == 2
    yield float(found[subject].mean()) if subject.sum() > FEWEST else math.nan
    yield 1 - float(found[background].mean()) if background.sum() > FEWEST else math.nan
    yield from (psnr_over(one.image, photograph, background) for one in (inside, everywhere))
    apart = np.abs(np.asarray(inside.image.convert("RGB"), dtype=int) - np.asarray(photograph, dtype=int))
    yield float(apart[~found].max(initial=0))


def main(words: Sequence[str] | None = None) -> None:
    """Print the figures of two folders."""
    asked = parser("masked")
    asked.add_argument("masks", type=Path)
    asked.add_argument("--method", default="pix2pix-zero", metavar="NAME")
    asked.add_argument("--mask", default="auto", choices=["auto", "grown"])
    asked.add_argument("--count", type=int, help="edit so many, evenly spread over the names", metavar="N")
    given = asked.parse_args(words)
    pictures = sorted(path for path in given.pictures.iterdir() if (given.masks / f"{path.stem}.png").is_file())
    pictures = pictures[:: max(1, len(pictures) // (given.count or len(pictures)))][: given.count]
    editor, judge = zeroshift.load(given.model), open_judge()
    spec = EditSpec(source=given.source, target=given.target, method=given.method, mask=given.mask)
    pairs, photographs = edited(editor, pictures, spec), [Image.open(path).convert("RGB") for path in pictures]
    truths = [np.asarray(Image.open(given.masks / f"{path.stem}.png")) for path in pictures]
    known = zip(photographs, truths, pairs, strict=True)
    rows = [[*figures(photograph, truth, *pair)] for photograph, truth, pair in known]
    covered, kept, background, without, outside = np.array(rows).T
    before = judge.look(photographs)
    reached, free = (
        success(before, judge.look([pair[n].image for pair in pairs]), given.source, given.target) for n in (0, 1)
    )
    apart = difference(reached.tolist(), free.tolist()).mean
    finite = [value for value in background if math.isfinite(value)]
    print(f"{len(pictures)} pictures, {given.source} to {given.target}, {given.method}, {given.mask}")
    print(f"subject covered {np.nanmean(covered):.1%}, background kept {np.nanmean(kept):.1%}")
    print(f"largest change outside of the mask {outside.max():.0f}")
    print(f"background {np.mean(finite):.1f} dB, median {np.nanmedian(background):.1f}", end=", ")
    print(f"without {np.nanmean(without):.1f} dB")
    print(f"of the mean error {pooled(background):.1f} dB, without {pooled(without):.1f} dB")
    print(f"success {mean_of(reached.tolist()).value:.1%}, without {mean_of(free.tolist()).value:.1%}", end=", ")
    print(f"difference {apart.value:+.1%} ({apart.low:+.1%} to {apart.high:+.1%})")


def pooled(decibels: NDArray[np.float64]) -> float:
    """Decibels of the mean error of pictures that count alike."""
    known = decibels[~np.isnan(decibels)]
    return float(-10 * np.log10(np.mean(10 ** (-known / 10))))


if __name__ == "__main__":
    main()
