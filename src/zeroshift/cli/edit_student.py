"""``zeroshift edit --student``: edits by a distilled network, in one pass."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from zeroshift.asked.checks import check_region
from zeroshift.asked.edits import EditSpec
from zeroshift.cli.delivery import Place, deliver, finished, write_sheet
from zeroshift.cli.editing import Photograph, Written, numbers_of, photographs_of, written_files
from zeroshift.cli.files import DEFAULT_PHOTOGRAPHS, DEFAULT_RESULTS, PhotographFlags, ResultFlags
from zeroshift.cli.numbers import check_threads
from zeroshift.cli.remarks import left_out
from zeroshift.cli.shared import DEFAULT_LOUDNESS, Loudness, Text
from zeroshift.cli.wrong import Wrong, as_flags, usage
from zeroshift.image import Photo, load_image
from zeroshift.image.masks import ALPHA, Alpha
from zeroshift.recipe import STUDENT

if TYPE_CHECKING:
    from zeroshift.distillation.editing import StudentEditor, StudentSpec

IDLE = ("segmenter", "detail", "batch", "inversion_file")
"""options of photographs that mean nothing to a student"""


def edit(
    *images: Annotated[Path, Parameter(help="photographs, folders or patterns, or -")],
    student: Annotated[Path, Parameter(help="folder of a student, its hub id, or shipped", metavar="FOLDER")],
    target: Annotated[Text, Parameter(help="what it shall show: a word that the student knows a way to")],
    source: Annotated[Text | None, Parameter(help="what it shows [default the only way to the target]")] = None,
    strength: Annotated[
        Text,
        Parameter(
            name=["--strength", "--strengths"],
            help="how much of the edit, 0 to 1: 0 is the photograph; several as in 0.5,1",
            metavar="X,X",
        ),
    ] = "1",
    model: Annotated[
        Text | None,
        Parameter(help="the model that a one-step student changes [default where the student says]", metavar="MODEL"),
    ] = None,
    threads: Annotated[int | None, Parameter(help="CPU threads", metavar="N", validator=Number(gte=1))] = None,
    photographs: PhotographFlags = DEFAULT_PHOTOGRAPHS,
    results: ResultFlags = DEFAULT_RESULTS,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Translate photographs by a student, a small network that learned an edit (zeroshift distill): in milliseconds.

    The part that is edited, masks, recipes and files are those of every other edit.
    """
    check_threads(threads)
    if not images:
        raise Wrong("A student edits photographs, and none is given; give one.")
    photographs.check(len(images))
    results.check()
    check_idle(photographs, results)
    strengths = numbers_of(strength)
    if len(set(strengths)) < len(strengths):
        raise Wrong(f"--strength has one of {strength} twice; give each once.")
    with usage():
        specs = [spec_of(source, target, one, photographs, named=len(strengths) > 1) for one in strengths]
    said, picture = photographs.masked()
    mask = picture if picture is not None else ALPHA if said == ALPHA else None
    from zeroshift.distillation.editing import StudentSpec
    from zeroshift.distillation.opening import open_editor
    from zeroshift.distillation.students import check_asked

    with usage():
        check_asked(student, source, target, model)
    found = photographs_of(images, photographs, results.output)
    written = written_files(found, specs, None, photographs, results)
    framed = {name: getattr(photographs, name) for name in ("fit", "region", "size", "soft")}
    asked = [StudentSpec(target=target, source=source, intensity=one, **framed) for one in strengths]
    with usage():
        editor = open_editor(student, threads, model=model)
    faults = carry_out(editor, found, asked, mask, written, photographs, results, loud)
    if written.sheet is not None and len(faults) < len(found):
        write_sheet(found, specs, written.results, written.sheet)
    name_faults(faults, len(found), loud)


def check_idle(photographs: PhotographFlags, results: ResultFlags) -> None:
    """Refuse options that are about a diffusion model's work.

    Raises:
        Wrong: there is one.
    """
    idle = [name for name in IDLE if getattr(photographs, name) not in (None, False)]
    idle += ["previews"] * (results.previews is not None)
    if str(photographs.mask) in ("auto", "grown"):
        idle.append(f"mask {photographs.mask}")
    if idle:
        named = " and ".join(f"--{name.replace('_', '-')}" for name in idle)
        means = "mean" if len(idle) > 1 else "means"
        raise Wrong(f"{named} {means} nothing to a student, which makes its edit in one pass; leave that out.")


def spec_of(source: str | None, target: str, strength: float, photographs: PhotographFlags, *, named: bool) -> EditSpec:
    """An edit as its files are named.

    Raises:
        ValueError: the strength is out of range, or the region is none.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"A student's `strength` is from 0 to 1, not {strength:g}.")
    if photographs.region is not None:
        check_region(photographs.region)
    options = {"conditioning": {"strength": strength}} if named else {}
    return EditSpec(target=target, source=source, method=STUDENT, options=options, region=photographs.region)


def carry_out(
    editor: "StudentEditor",
    found: Sequence[Photograph],
    asked: "Sequence[StudentSpec]",
    mask: Photo | Alpha | None,
    written: Written,
    photographs: PhotographFlags,
    results: ResultFlags,
    loud: Loudness,
) -> dict[Path, ValueError]:
    """Edit one photograph after another and write the results; return what --keep-going left out, and why.

    Raises:
        ValueError: a photograph cannot be edited, and nobody said to keep going.
    """
    faults = dict[Path, ValueError]()
    for place, photograph, spec in places(found, asked, written, photographs, results):
        begun = time.perf_counter()
        try:
            frame = editor.framed(load_image(photograph.source, photographs.megapixels), spec, mask)
            result = editor.edit_framed(frame, spec)
            made = finished(place, frame, result, results, None)
        except ValueError as error:
            if not photographs.keep_going:
                raise
            faults[photograph.path] = error
            continue
        deliver(
            made, place, time.perf_counter() - begun, "" if result.part is None else as_flags(f"; {result.part}"), loud
        )
    return faults


def name_faults(faults: Mapping[Path, ValueError], photographs: int, loud: Loudness) -> None:
    """Name what was left out.

    Raises:
        ValueError: something was; exit code 1 tells that.
    """
    for path, fault in faults.items():
        left_out("source", path, fault, loud)
    if faults:
        rest = "the others are done" if len(faults) < photographs else "nothing is done"
        raise ValueError(f"{len(faults)} of {photographs} photographs could not be edited; {rest}.")


def places(
    found: Sequence[Photograph],
    asked: "Sequence[StudentSpec]",
    written: Written,
    photographs: PhotographFlags,
    results: ResultFlags,
) -> "Iterator[tuple[Place, Photograph, StudentSpec]]":
    """Yield every edit that is to be made, with where it goes."""
    for k, photograph in enumerate(found):
        for n, spec in enumerate(asked):
            at = k * len(asked) + n
            file, beside = written.results[at], written.beside[at] if written.beside else None
            if not (results.skip_existing and file.exists()):
                yield Place(photograph, file, beside, None, photographs.mask_file), photograph, spec
