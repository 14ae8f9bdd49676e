"""What ``--detail`` gives back: ``python -m benchmarks.detail PETS [OPTIONS]``.

Every photograph of PETS (``benchmarks.animals``) is edited without a mask on one inversion, and given back none, half
and all of its detail. Prints of each, over the background, which an edit should leave as it is: decibels to the
photograph and sharpness, the mean gradient as a share of the photograph's; and of the animal, which should change,
success. Needs zeroshift[eval].
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import zeroshift
from benchmarks.animals import Way, opened, parser, pooled
from benchmarks.markdown import head, row
from benchmarks.masked import of_error, psnr_over
from zeroshift import EditSpec
from zeroshift.bench.statistics import share_of
from zeroshift.evaluation.imagenet import success

SHARES = (0.0, 0.5, 1.0)
COLUMNS = (
    "method",
    "photographs",
    "detail",
    "background, dB: median, pooled",
    "sharpness of the background",
    "success",
)


def sharpness(picture: Image.Image, part: NDArray[np.bool_]) -> float:
    """The mean length of the gradient of brightness over the pixels of ``part``, in grey levels a pixel."""
    grey = np.asarray(picture.convert("L"), np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1)))
    return float(np.hypot(across, down)[part].mean()) if part.any() else np.nan


def figures(way: Way, edits: Sequence[Image.Image]) -> list[list[float]]:
    """Of every photograph decibels and sharpness over the background, and success."""
    reached = success(way.before, way.judge.look(edits), way.source, way.target).tolist()
    known = zip(edits, way.photographs, way.subjects, reached, strict=True)
    return [
        [psnr_over(edit, photograph, ~part), sharpness(edit, ~part) / sharpness(photograph, ~part), hit]
        for edit, photograph, part, hit in known
    ]


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    asked = parser("detail", "bench-val")
    asked.set_defaults(methods=["pix2pix-zero"])
    given = asked.parse_args(words)
    editor, ways = opened(given, masks=True)
    print(f"{given.split}, without a mask\n{head(COLUMNS)}")
    for name in given.methods:
        memories = [zeroshift.InversionMemory() for _ in ways]
        for share in SHARES:
            made = list[list[list[float]]]()
            for way, kept in zip(ways, memories, strict=True):
                spec = EditSpec(source=way.source, target=way.target, method=name, mask="none", detail=share)
                made.append(figures(way, [one.image for one in editor.edit(way.files, spec, inversions=kept)]))
            for photographs, table in pooled(ways, made):
                near, sharp, reached = table.T
                cells = [f"{np.nanmedian(near):.1f}, {of_error(near):.1f}", f"{np.nanmean(sharp):.2f}"]
                print(row([name, photographs, f"{share:g}", *cells, f"{share_of(reached).value:.1%}"]), flush=True)


if __name__ == "__main__":
    main()
