"""What ``zeroshift.keep`` finds of drifts of known size: ``python -m benchmarks.keep [PICTURE]`` prints a table.

With the name of a picture it also writes that: the photograph, what an editor gave back, what is kept, and the mask.
"""

import sys
from collections.abc import Iterator

import numpy as np
from PIL import Image

from benchmarks.drifting import drifted, edited, part, photograph
from zeroshift import Kept, keep
from zeroshift.image.registration import Motion

MOTIONS = (
    Motion(),
    Motion((3.4, -2.2)),
    Motion((-7, 5.5), 0.98),
    Motion((12, -9), 1.02),
    Motion(zoom=0.97),
    Motion(zoom=1.03),
    Motion((1, 1), 1.01, 1.0),
)
SHOWN = Motion((9, -6), 1.03)


def main() -> None:
    """Print the table, and write the picture if one is named."""
    print("\n".join(table()))
    if sys.argv[1:]:
        Image.fromarray(panels()).save(sys.argv[1])


def table() -> Iterator[str]:
    """Yield the lines of a Markdown table: what was done, and how far from it what was found lies."""
    heads = ("shift, zoom, turn", "shift found, px off", "zoom, off by", "turn, off by", "edit covered", "rest kept")
    yield f"| {' | '.join((*heads, 'outside, before'))} |"
    yield "|---" * (len(heads) + 1) + "|"
    picture = photograph()
    truth = part((picture.shape[1], picture.shape[0]))
    for motion in MOTIONS:
        kept = keep(picture, drifted(edited(picture, "mirror"), motion, soft=True, cast=True, quality=75))
        yield row(motion, kept, truth)


def row(motion: Motion, kept: Kept, truth: np.ndarray) -> str:
    """One line of the table."""
    found, mask, before = kept.drift.motion, np.asarray(kept.mask) > 0, kept.drift.outside
    apart = np.hypot(found.shift[0] - motion.shift[0], found.shift[1] - motion.shift[1])
    covered, left = mask[truth].mean(), 1 - mask[~truth].mean()
    cells = (
        f"{motion.shift[0]:g}, {motion.shift[1]:g} px; {motion.zoom:g}; {motion.turn:g}°",
        f"{apart:.2f}",
        f"{abs(found.zoom - motion.zoom):.1e}",
        f"{abs(found.turn - motion.turn):.3f}°",
        f"{covered:.1%}",
        f"{left:.1%}",
        "" if before is None or before.psnr is None else f"{before.psnr:.1f} dB, {before.changed:.0%} changed",
    )
    return f"| {' | '.join(cells)} |"


def panels() -> np.ndarray:
    """The photograph, an edit of it with a drift, what is kept of that, and where, side by side."""
    picture = photograph()
    came = drifted(edited(picture, "mirror"), SHOWN, soft=True, cast=True, quality=75)
    kept = keep(picture, came)
    gap = np.full((picture.shape[0], 8, 3), 255, np.uint8)
    shown = (picture, came, np.asarray(kept.image), np.asarray(kept.mask.convert("RGB")))
    return np.concatenate([pane for one in shown for pane in (one, gap)][:-1], axis=1)


if __name__ == "__main__":
    main()
