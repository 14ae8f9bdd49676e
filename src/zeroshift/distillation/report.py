"""What came of a collection: how many pairs were kept, why not the others, and a sheet of both."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from zeroshift.distillation.pairs import Pair, kept, read_about
from zeroshift.files import regular
from zeroshift.image.sheet import sheet

SHOWN, LEFT_OUT = 24, 12
"""pairs on a sheet, those that were kept and those that were not"""


def reasons(pairs: Sequence[Pair]) -> dict[str, int]:
    """How many pairs were left out, by why, most first."""
    return dict(Counter(pair.why.partition(":")[0] for pair in pairs if pair.why).most_common())


def contact_sheet(root: Path, pairs: Sequence[Pair]) -> Image.Image:
    """Photographs, edits at every intensity and masks: some pairs that were kept, then some that were not.

    Raises:
        ValueError: nothing was edited.
    """
    edited = [pair for pair in pairs if pair.intensities]
    if not edited:
        raise ValueError(f"There is nothing to show in {root}: no photograph was edited.")
    chosen = [*spaced(list(kept(edited)), SHOWN), *spaced([pair for pair in edited if pair.why], LEFT_OUT)]
    intensities, about = edited[0].intensities, read_about(root)
    rows = [
        [*(pair.picture(root, one) for one in (0, *intensities)), Image.open(regular(pair.mask_file(root)))]
        for pair in chosen
    ]
    names = [f"{about.source} to {about.target} {one:g}" for one in intensities]
    return sheet(rows, [pair.why or f"kept: {pair.photo}" for pair in chosen], ["photograph", *names, "mask"])


def spaced(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """At most so many, evenly spaced."""
    step = max(1, len(pairs) // most)
    return list(pairs[::step][:most])
