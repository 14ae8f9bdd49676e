"""``zeroshift keep``."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift import __version__
from zeroshift.cli.files import MEGAPIXELS
from zeroshift.cli.output import check_apart, check_picture, put, relative, settled, tell, warn
from zeroshift.cli.shared import DEFAULT_LOUDNESS, OUTPUT, Loudness, Output, Overwrite, as_app
from zeroshift.cli.streams import STDOUT
from zeroshift.image import encode_image, load_image
from zeroshift.image.save import FORMATS

if TYPE_CHECKING:
    from zeroshift.image.drift import Difference
    from zeroshift.masks.keeping import Kept


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(keep, "keep", "keep ORIGINAL EDITED [OPTIONS]")


def keep(
    original: Annotated[Path, Parameter(help="the photograph")],
    edited: Annotated[Path, Parameter(help="the same after any editor, of any size")],
    /,
    *,
    mask: Annotated[
        Path | None, Parameter(help="where the edit is taken: white, or transparent [default where it changed]")
    ] = None,
    soft: Annotated[
        int | None,
        Parameter(
            help="pixels over which the edit fades in, inside the mask [default 1/60 of the shorter side]",
            metavar="N",
            validator=Number(gte=0, lte=1000),
        ),
    ] = None,
    max_megapixels: Annotated[
        float, Parameter(help="refuse larger ones", metavar="X", validator=Number(gt=0))
    ] = MEGAPIXELS,
    output: Annotated[Output, Parameter(help="file to write [default NAME-kept.png beside EDITED]")] = None,
    mask_output: Annotated[Path | None, Parameter(group=OUTPUT, help="also write where the edit was taken")] = None,
    overwrite: Overwrite = False,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Take from an edited picture what was meant to change, and everything else from the photograph.

    The edit is laid over the photograph (size, shift, zoom and turn), the part that changed is found and blended in,
    and outside of it the result has the photograph's own pixels. Says how far the edit had drifted.
    """
    results = [output or edited.with_name(f"{edited.stem}-kept.png"), *([] if mask_output is None else [mask_output])]
    check_apart([("the photograph", original), ("the edited picture", edited), ("the mask", mask)], results)
    results = settled(results, overwrite, loud)
    for path in results:
        check_picture(path)
    photo, edit = load_image(original, max_megapixels), load_image(edited, max_megapixels)
    shown = None if mask is None else load_image(mask, max_megapixels)
    from zeroshift.masks.keeping import keep as kept_of

    begun = time.perf_counter()
    kept = kept_of(photo, edit, mask=shown, soft=soft)
    seconds = time.perf_counter() - begun
    recipe = {"zeroshift": __version__, "source_sha256": photo.sha256, "edited_sha256": edit.sha256}
    for path, picture, made in zip(results, (kept.image, kept.mask), ("keep", "mask"), strict=False):
        facts = recipe | {"command": made} | ({} if path == STDOUT else {"source_path": relative(original, path)})
        put(encode_image(picture, FORMATS.get(path.suffix.lower(), "PNG"), facts), path)
    warn([*doubts(kept, results[0])], loud)
    told = {"original": str(original), "edited": str(edited), "mask": str(results[1]) if results[1:] else None}
    tell(results[0], seconds, {**told, "drift": kept.drift.told}, loud)
    for line in () if loud.silent else said(kept):
        print(f"  {line}", file=sys.stderr if results[0] == STDOUT else sys.stdout)


def doubts(kept: "Kept", to: Path) -> Iterator[str]:
    """What may not be as somebody thinks."""
    yield from kept.warnings
    if FORMATS.get(to.suffix.lower()) == "JPEG":
        yield f"{to.name} is a JPEG, which changes every pixel a little when it is written; a .png or .webp does not."


def said(kept: "Kept") -> Iterator[str]:
    """The drift in lines."""
    drift = kept.drift
    (x, y), zoom, turn = drift.motion.shift, drift.motion.zoom, drift.motion.turn
    x, y, turn = round(x, 1) + 0.0, round(y, 1) + 0.0, round(turn, 2) + 0.0  # no -0.0
    if drift.motion.support:
        yield f"the edit had moved by {x:+.1f}, {y:+.1f} px, zoomed to {zoom:.4f} and turned by {turn:+.2f} degrees"
    if drift.inside is not None:
        yield f"taken from it: {drift.inside.share:.1%} of the picture; {compared(drift.inside)}"
    if drift.outside is not None:
        own = 1 - (0 if drift.inside is None else drift.inside.share)
        yield f"the photograph's own: {own:.1%}; the edit had {compared(drift.outside)}"


def compared(part: "Difference") -> str:
    """A difference in words."""
    likeness = "" if part.psnr is None else f", PSNR {part.psnr:.1f} dB, SSIM {part.ssim:.3f}"
    return f"{part.changed:.1%} of the pixels there changed, by {part.largest} levels at most{likeness}"
