"""How well the mask ``auto`` finds what is edited: ``python -m benchmarks.masks PICTURES MASKS SOURCE TARGET``.

PICTURES and MASKS are folders with the same names (masks as PNG, in a palette or grey: 1 the subject, 2 the background,
all else does not count). Prints the mean share of the subject that is covered and of the background that is kept.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import zeroshift
from zeroshift import EditSpec, Photo
from zeroshift.framed import Encoded, stacked
from zeroshift.masks.masking import placed
from zeroshift.running.batching import groups
from zeroshift.running.looking import look_at

FEWEST = 50
"""pixels of subject or background from which on a picture counts"""


def shares(pictures: Path, masks: Path, source: str, target: str) -> Iterator[tuple[float, float]]:
    """Yield of every picture the share of the subject covered and of the background kept; NaN where there is none."""
    editor = zeroshift.load()
    spec = EditSpec(source=source, target=target, mask="auto")
    files = sorted(path for path in pictures.iterdir() if (masks / f"{path.stem}.png").is_file())
    frames = look_at(editor, [Photo.of(Image.open(path)) for path in files], spec)
    for group in groups(editor, frames, [spec]):
        photographs = Encoded(editor.backbone, stacked(group.frames))
        ((*places,),) = placed(group.frames, group.requests, photographs, group.seeds)
        for member, place in zip(group.members, places, strict=True):
            truth = np.asarray(Image.open(masks / f"{files[member].stem}.png"))
            found = place.mask if place else np.ones(truth.shape, np.bool_)
            subject, background = truth == 1, truth == 2
            yield (
                found[subject].mean() if subject.sum() > FEWEST else np.nan,
                1 - found[background].mean() if background.sum() > FEWEST else np.nan,
            )


def main() -> None:
    """Print the figures of two folders."""
    pictures, masks, source, target = sys.argv[1:]
    found = np.array([*shares(Path(pictures), Path(masks), source, target)])
    for name, column in zip(("subject covered", "background kept"), found.T, strict=True):
        known = column[~np.isnan(column)]
        print(f"{name}: mean {known.mean():.3f}, median {np.median(known):.3f} of {len(known)} pictures")


if __name__ == "__main__":
    main()
