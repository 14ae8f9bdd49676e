"""Finished edits: their files, what stands in them, and the sheet of all."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from zeroshift.cli.editing import Photograph
from zeroshift.cli.files import ResultFlags
from zeroshift.cli.output import put, relative, tell, warn
from zeroshift.cli.remarks import say
from zeroshift.cli.sentences_from import keep_made
from zeroshift.cli.shared import Loudness
from zeroshift.cli.streams import STDOUT, called
from zeroshift.image import ImageError, before_after, encode_image, load_image, save_image
from zeroshift.image.drift import Drift
from zeroshift.image.save import FORMATS
from zeroshift.image.sheet import SIDE, sheet
from zeroshift.naming import suffix_for, table_of

if TYPE_CHECKING:
    from zeroshift.asked.edits import EditSpec
    from zeroshift.framed import FramedPhoto
    from zeroshift.generators.making import GeneratedDirections
    from zeroshift.results import Result

LEFT_OUT = "left out"
"""what stands in a sheet for an edit that was not made"""
SHOWN = 256
"""height in pixels that before and after have at least: a small model's pictures are hard to look at"""


@dataclass(frozen=True)
class Place:
    """Where one edit of one picture goes, and what it was made from."""

    photograph: Photograph | None
    file: Path
    beside: Path | None
    """file of the result beside its source"""
    direction: Path | None
    mask: Path | None


@dataclass(frozen=True)
class Finished:
    """What is written of one edit."""

    data: bytes
    beside: bytes
    """the result beside its source; empty if that is not asked for"""
    recipe: dict[str, object]
    result: "Result"
    drift: Drift
    """how the edit differs from its source, as it is written"""


def finished(
    place: Place,
    frame: "FramedPhoto | None",
    result: "Result",
    results: ResultFlags,
    directions: "GeneratedDirections | None",
) -> Finished:
    """The files of one edit; the edit direction that ``directions`` made of sentences is kept beside it.

    Raises:
        ImageError: the format cannot hold the picture.
    """
    recipe, native = {**result.recipe, "native": results.native}, results.native
    named = place.photograph is not None and place.photograph.data is None
    if place.photograph is not None and named:
        recipe["source_path"] = relative(place.photograph.path, place.file)
    made = keep_made(directions, place.file.parent / "directions")
    along = place.direction or made.get(str(recipe.get("direction_sha256")))
    if along is not None:
        recipe["direction_path"] = relative(along, place.file)
    if place.mask is not None:
        recipe["mask_path"] = relative(place.mask, place.file)
    capture = frame.photo.capture if frame is not None and results.keep_exif else b""
    if capture:
        recipe["exif"] = True
    drift = result.drift if native else drift_in(result, format_of(place, results))
    if frame is not None and not native:
        recipe["drift"] = drift.told
    picture, before = result.native if native else result.image, before_of(frame, result, native)
    data = encode_image(picture, format_of(place, results), recipe, capture=capture)
    if place.beside is None or before is None:
        return Finished(data, b"", recipe, result, drift)
    both = before_after(enlarged(before), enlarged(picture))
    facts = {**recipe, "command": "before-after"}
    return Finished(data, encode_image(both, FORMATS[place.beside.suffix.lower()], facts), recipe, result, drift)


def format_of(place: Place, results: ResultFlags) -> str:
    """The format of a result: of standard output the one that is asked for, else the photograph's."""
    if place.file != STDOUT:
        return FORMATS[place.file.suffix.lower()]
    usual = ".png" if place.photograph is None else suffix_for(place.photograph.source)
    return FORMATS[usual if results.format is None else f".{results.format}"]


def deliver(made: Finished, place: Place, seconds: float, remark: str, loud: Loudness) -> None:
    """Write what is finished and say where it is.

    Raises:
        ValueError: it cannot be written.
    """
    put(made.data, place.file)
    beside = str(place.beside) if made.beside else None
    if place.beside is not None and made.beside:
        put(made.beside, place.beside)
    source = None if place.photograph is None else called(place.photograph.path)
    facts = {"target": made.recipe["target"], "source": source, "before_after": beside}
    facts |= {"warnings": list(made.result.warnings), "note": made.result.note, "drift": made.drift.told}
    verdict = made.result.verdict
    facts |= {"verdict": None if verdict is None else asdict(verdict), "recipe": made.recipe}
    tell(place.file, seconds, facts, loud, f"{remark}{f'; before and after: {beside}' if beside else ''}")
    if made.result.note is not None:
        say(f"{called(place.file)}: {made.result.note}", loud)
    warn([f"{called(place.file)}: {verdict.advice}"] if verdict is not None and verdict.advice else [], loud)


def drift_in(result: "Result", format: str) -> Drift:
    """How the edit differs from its source in a file of a format: JPEG changes every pixel a little."""
    if format != "JPEG":
        return result.drift
    return result.drift_as(load_image(encode_image(result.image, format, {}), float("inf")).image)


def before_of(frame: "FramedPhoto | None", result: "Result", native: bool) -> Image.Image | None:
    """What an edit is compared with: the photograph, or what the model saw of it, or the generated source."""
    if frame is None:
        return result.reconstruction
    return frame.pixels if native else frame.photo.image


def enlarged(picture: Image.Image) -> Image.Image:
    """The picture at ``SHOWN`` pixels of height if it has less."""
    if picture.height >= SHOWN:
        return picture
    return picture.resize((round(picture.width * SHOWN / picture.height), SHOWN), Image.Resampling.LANCZOS)


def write_sheet(
    photographs: Sequence[Photograph], specs: "Sequence[EditSpec]", results: Sequence[Path], to: Path
) -> None:
    """Write the sheet of what lies in the files of the results: of each photograph a row per method and seed.

    Raises:
        ImageError: there are too many rows, or the sheet cannot be written.
    """
    beside, above = table_of(specs)
    rows, labels = list[list[Image.Image | str]](), list[str]()
    for k, photograph in enumerate(photographs or (None,)):
        shown = None if photograph is None else _opened(photograph.source)
        if photograph is not None and shown is None:  # no picture
            continue
        before = [] if shown is None else [shown]
        name = [photograph.path.name] if photograph is not None and len(photographs) > 1 else []
        edits = iter(results[k * len(specs) :])
        for words in beside:
            made = map(_opened, islice(edits, len(above)))
            rows.append([*before, *(LEFT_OUT if picture is None else picture for picture in made)])
            labels.append("\n".join([*name, *([words] if words else [])]))
    columns = [*(["source"] if photographs else []), *above]
    save_image(sheet(rows, labels, columns), to, recipe={"command": "sheet"})


def _opened(source: Path | bytes) -> Image.Image | None:
    """A small picture of a file; None where there is none, as of an edit that failed."""
    try:
        image = load_image(source, float("inf")).image
    except ImageError:
        return None
    image.thumbnail((2 * SIDE, 2 * SIDE))
    return image
