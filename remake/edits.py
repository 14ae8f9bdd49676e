"""The card's edits: photographs of ``bench-test`` and what the program makes of them by itself, to be looked at.

None is selected: the photographs are those whose names have the smallest hashes.
"""

from collections.abc import Sequence
from hashlib import sha256

from PIL import Image

from remake.pages import put
from remake.place import Job, Jobs, Place
from remake.whole import laid_out
from zeroshift.evaluation.imagenet import ImageNetJudge, flips, open_judge
from zeroshift.image import Photo, before_after, save_image
from zeroshift.miniature.data import CaptionedFolder, rows_of

FILE = "docs/edits-{}-{}.jpg"
WORDS: Sequence[tuple[str, str]] = (("cat", "dog"), ("dog", "cat"), ("cat", "tiger"))
COUNT = 24
COLUMNS = 4
"""pairs in a row"""
SPLIT = "bench-test"
HEAD = """| 24 edits | by an ImageNet network the target rather than the source | and sure of it |
|---|---|---|"""


def jobs() -> Jobs:
    return [Job("edits", make, with_data=True)]


def make(place: Place) -> str:
    """Edit photographs in every direction, write a sheet of each, and put what an ImageNet network says on the card."""
    judge = open_judge()
    return put(place.root, {"edits": "\n".join([HEAD, *(edited(place, judge, *words) for words in WORDS)])})


def edited(place: Place, judge: ImageNetJudge, source: str, target: str) -> str:
    """Edit photographs by the program's defaults, write their sheet, and say how many arrived."""
    photos, editor = photographs(place, source), place.editor()
    results = editor.edit(photos, source, target)
    pairs = [before_after(photo.image, result.image) for photo, result in zip(photos, results, strict=True)]
    facts = {"command": "remake", "split": SPLIT, "first": results[0].recipe}  # all would be too long for a JPEG
    save_image(laid_out(pairs, COLUMNS), place.root / FILE.format(source, target), recipe=facts)
    before, after = (judge.look(pictures) for pictures in ([p.image for p in photos], [r.image for r in results]))
    found = flips(before, after, source, target)
    counted = [f"{share * found.judged:.0f} of {found.judged}" for share in (found.flipped, found.surely)]
    return f"| {source} → {target} | {counted[0]} | {counted[1]} |"


def photographs(place: Place, animal: str) -> list[Photo]:
    """The split's first photographs of an animal, in the order of their names' hashes."""
    assert place.data is not None  # the job says that it needs it
    data = CaptionedFolder.open(place.data)
    rows = [row for row in rows_of(data, (SPLIT,)) if row.labels["species"] == animal]
    chosen = sorted(rows, key=lambda row: sha256(row.file.encode()).digest())[:COUNT]
    pixels = data.read(chosen, place.backbone.size)
    return [Photo.of(Image.fromarray(p.permute(1, 2, 0).contiguous().numpy())) for p in pixels]
