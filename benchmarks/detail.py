"""What ``--detail`` gives back: ``python -m benchmarks.detail PICTURES SOURCE TARGET MASKS [OPTIONS]``.

PICTURES and MASKS are folders as for ``benchmarks.masks``. Every picture is edited without a mask on one inversion, and
given back none, half and all of its detail. Prints of each, over the background, which an edit should leave as it is:
decibels to the photograph and sharpness, the mean gradient as a share of the photograph's; and of the subject, which
should change, success. Needs zeroshift[eval].
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import zeroshift
from benchmarks.animals import parser
from benchmarks.masked import pooled, psnr_over
from zeroshift import EditSpec
from zeroshift.bench.statistics import mean_of
from zeroshift.evaluation.imagenet import open_judge, success

SHARES = (0.0, 0.5, 1.0)


def sharpness(picture: Image.Image, part: NDArray[np.bool_]) -> float:
    """The mean length of the gradient of brightness over the pixels of ``part``, in grey levels a pixel."""
    grey = np.asarray(picture.convert("L"), np.float32)
    across, down = (cv2.Sobel(grey, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1)))
    return float(np.hypot(across, down)[part].mean())


def main(words: Sequence[str] | None = None) -> None:
    """Print the table of two folders."""
    asked = parser("detail")
    asked.add_argument("masks", type=Path)
    asked.add_argument("--method", default="pix2pix-zero", metavar="NAME")
    given = asked.parse_args(words)
    editor, judge, kept = zeroshift.load(given.model), open_judge(), zeroshift.InversionMemory()
    pictures = sorted(path for path in given.pictures.iterdir() if (given.masks / f"{path.stem}.png").is_file())
    photographs = [Image.open(path).convert("RGB") for path in pictures]
    parts = [np.asarray(Image.open(given.masks / f"{path.stem}.png")) == 2 for path in pictures]
    before = judge.look(photographs)
    print(f"{len(pictures)} pictures, {given.source} to {given.target}, {given.method}")
    print("| detail | background, dB: median, pooled | sharpness of the background | success, % |")
    print("|---|---|---|---|")
    for share in SHARES:
        spec = EditSpec(source=given.source, target=given.target, method=given.method, mask="none", detail=share)
        edits = [result.image for result in editor.edit(pictures, spec, inversions=kept)]
        near = np.array([psnr_over(*row) for row in zip(edits, photographs, parts, strict=True)])
        sharp = [
            sharpness(edit, part) / sharpness(photograph, part)
            for edit, photograph, part in zip(edits, photographs, parts, strict=True)
            if part.any()
        ]
        reached = mean_of(success(before, judge.look(edits), given.source, given.target).tolist()).value
        decibels = f"{np.nanmedian(near):.1f}, {pooled(near):.1f}"
        print(f"| {share:g} | {decibels} | {np.mean(sharp):.2f} | {reached:.0%} |", flush=True)


if __name__ == "__main__":
    main()
