"""How well each inversion withstands guidance without help: the column of decibels in ``docs/inversions.md``."""

from functools import partial

from remake.asked import asked
from remake.pages import marks, put
from remake.place import Job, Jobs, Place
from remake.sitting import Sitting
from zeroshift.image import frame, load_image
from zeroshift.image.tensors import psnr, to_bytes, to_tensor

PAGE = "docs/inversions.md"
MARK = "returned "
WORDS = "--source cat --target dog --fit pad --method ddim --guidance-scale 7.5 --strength 1e-9 --inversion"
"""a target branch under the source prompt, with guidance and no control (of no strength an edit is the photograph)"""


def jobs(place: Place) -> Jobs:
    """One job per inversion that the page has a mark for."""
    found = marks((place.root / PAGE).read_text(encoding="utf-8"))
    kinds = [name.removeprefix(MARK) for name in found if name.startswith(MARK)]
    return [Job(f"inversions/{kind}", partial(make, kind)) for kind in kinds]


def make(kind: str, place: Place) -> str:
    """Measure one inversion on ``examples/cat.png`` and write the figure."""
    words = " ".join((WORDS, kind, *place.words))
    figure = f"{returned_db(place, words):.0f} dB"
    return f"{figure}, {put(place.root, {MARK + kind: figure})}"


def returned_db(place: Place, words: str) -> float:
    """The PSNR in dB of an edit of ``examples/cat.png`` to what the autoencoder alone makes of it."""
    editor, wish = place.editor(), asked(words)
    source = load_image(place.root / "examples/cat.png")
    (result,) = Sitting(editor, [source]).edit(wish)
    backbone = editor.backbone
    framed, _ = frame(source.image, wish.fit or editor.default_fit, size=backbone.size, multiple=backbone.multiple)
    alone = backbone.decode(backbone.encode(to_tensor([framed])))
    there, back = (to_bytes((x + 1) * 127.5) for x in (alone, to_tensor([result.native])))
    return float(psnr(back, there))
