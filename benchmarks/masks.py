"""How well the mask ``auto`` finds what is edited: ``python -m benchmarks.masks PETS [OPTIONS]``.

Nothing is edited. Prints of the photographs of PETS (``benchmarks.animals``) the share of the animal that is covered
and of the background that is kept. Needs zeroshift[eval].
"""

from collections.abc import Iterator, Sequence

import numpy as np

import zeroshift
from benchmarks.animals import FEWEST, Way, opened, parser, pooled
from benchmarks.markdown import head, row
from zeroshift import EditSpec
from zeroshift.framed import Encoded, stacked
from zeroshift.masks.masking import placed
from zeroshift.running.batching import groups
from zeroshift.running.looking import look_at


def shares(editor: zeroshift.Editor, way: Way) -> Iterator[tuple[float, float]]:
    """Yield of every photograph the share of the animal covered and of the background kept; NaN where there is none."""
    spec = EditSpec(source=way.source, target=way.target, mask="auto")
    for group in groups(editor, look_at(editor, way.files, spec), [spec]):
        photographs = Encoded(editor.backbone, stacked(group.frames))
        ((*places,),) = placed(group.frames, group.requests, photographs, group.seeds, editor.segmenter)
        for member, place in zip(group.members, places, strict=True):
            subject = way.subjects[member]
            found, background = place.mask if place else np.ones(subject.shape, np.bool_), ~subject
            yield (
                float(found[subject].mean()) if subject.sum() > FEWEST else np.nan,
                1 - float(found[background].mean()) if background.sum() > FEWEST else np.nan,
            )


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    given = parser("masks", "bench-test", by_method=False).parse_args(words)
    editor, ways = opened(given, masks=True)
    print(f"{given.split}\n{head(('photographs', 'subject covered', 'background kept'))}")
    for photographs, table in pooled(ways, [[*shares(editor, way)] for way in ways]):
        print(row([photographs, *(f"{np.nanmean(own):.1%} (median {np.nanmedian(own):.1%})" for own in table.T)]))


if __name__ == "__main__":
    main()
