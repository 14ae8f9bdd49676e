"""``zeroshift edit``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from zeroshift.asked.edits import EditSpec
from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.concluding import conclude
from zeroshift.cli.edit_student import edit as edit_by_student
from zeroshift.cli.editing import INEXACT, asked_for, check_all, lossy, photographs_of, written_files
from zeroshift.cli.files import DEFAULT_PHOTOGRAPHS, DEFAULT_RESULTS, PhotographFlags, ResultFlags
from zeroshift.cli.flags import Flag, Given, with_flags
from zeroshift.cli.job import carry_out, plan
from zeroshift.cli.output import warn
from zeroshift.cli.sentences_from import DEFAULT_SENTENCES, SentenceFlags, kept_on_failure
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    REMARK,
    SHIPPED_METHOD,
    Loudness,
    ModelFlags,
    Seed,
    Strict,
    Text,
    Vgg,
    as_app,
    method_flags,
)
from zeroshift.cli.wrong import usage
from zeroshift.conditioning.direction import as_direction
from zeroshift.generators.making import GeneratedDirections
from zeroshift.naming import strength_of

if TYPE_CHECKING:
    from zeroshift.methods import Method


def command(tokens: Sequence[str]) -> App:
    """The verb with the options of the method and of the kinds of parts that ``tokens`` name, or those of a student."""
    if any(token.partition("=")[0] == "--student" for token in tokens):
        return as_app(edit_by_student, "edit", "edit IMAGE... --student FOLDER --target TEXT [OPTIONS]")
    method, flags = flags_for(tokens)
    verb = with_flags(edit, flags, f"Options of {method.name}", REMARK)
    return as_app(verb, "edit", "edit [IMAGE...] [--source TEXT] --target TEXT [OPTIONS]")


def flags_for(tokens: Sequence[str]) -> "tuple[type[Method], list[Flag]]":
    """The method that ``tokens`` name, and its flags without the strength, of which the verb itself takes several."""
    method, flags = method_flags(tokens)
    return method, [flag for flag in flags if flag.name != "strength"]


def edit(
    *images: Annotated[
        Path, Parameter(help="photographs, folders, patterns, or -; without any, the source is generated")
    ],
    source: Annotated[
        Text | None, Parameter(help="what it shows: a word of the prompt, or a whole prompt [default what is seen]")
    ] = None,
    target: Annotated[
        list[Text], Parameter(help="what it shall show: a word or a whole prompt; give it again for more")
    ],
    prompt: Annotated[Text | None, Parameter(help='the picture in words [default "a photo of a SOURCE"]')] = None,
    direction: Annotated[Path | None, Parameter(help="saved edit direction, instead of one from the words")] = None,
    method: Annotated[str, Parameter(help="see: zeroshift methods; several as in sdedit,ddim", metavar="NAME")] = (
        SHIPPED_METHOD
    ),
    strength: Annotated[
        Text | None,
        Parameter(
            name=["--strength", "--strengths"],
            help="how much of the edit: 0 is the photograph, 1 the method's own, above 1 more; several share one "
            "inversion, as in 0,0.5,1 [default 1]",
            metavar="X,X",
        ),
    ] = None,
    second_try: Annotated[
        bool,
        Parameter(
            help="without --method and its options: where a result does not look good, also try kinds of the target "
            "that the model draws better, such as breeds, and from nearer; where the target is not clear, "
            "edit-friendly inversion, then sdedit",
            negative="--no-second-try",
        ),
    ] = True,
    restore: Annotated[
        bool | None,
        Parameter(
            help="redraw what the model drew as sharp as photographs, where its restorer knows the target [default: "
            "with the mask grown]",
            negative="--no-restore",
        ),
    ] = None,
    fast: Annotated[
        bool, Parameter(help="fewer passes of the network, as measured for the method; options go before it")
    ] = False,
    paper_defaults: Annotated[bool, Parameter(help="ignore what the model recommends")] = False,
    seed: Seed = 0,
    seeds: Annotated[Text | None, Parameter(help="several seeds in one run, as in 0,1,2")] = None,
    strict: Strict = False,
    vgg: Vgg = None,
    photographs: PhotographFlags = DEFAULT_PHOTOGRAPHS,
    wording: SentenceFlags = DEFAULT_SENTENCES,
    model: ModelFlags = DEFAULT_MODEL,
    cache: CacheFlags = DEFAULT_CACHE,
    results: ResultFlags = DEFAULT_RESULTS,
    loud: Loudness = DEFAULT_LOUDNESS,
    given: Given,
) -> None:
    """Translate photographs, or a picture that the model generates: a cat becomes a dog.

    Words are swapped in the prompt, the article corrected; whole prompts are taken as they are. Without --source the
    model says what it sees. Pictures of one framed size and source run as one batch; targets and strengths share the
    work on the source.
    """
    photographs.check(len(images))
    results.check()
    words = {"target": "", "source": source, "prompt": prompt}
    said, mask = photographs.masked()
    framed = {name: getattr(photographs, name) for name in ("fit", "region", "size", "soft")} | {"mask": said}
    chosen = {
        "options": given,
        "paper_defaults": paper_defaults,
        "fast": fast,
        "second_try": second_try,
        "restore": restore,
        "seed": seed,
        "strict": strict,
    }
    with usage():
        first = EditSpec.parse({**words, **chosen, **framed, "detail": photographs.detail or 0.0})
    specs = asked_for(first, target, method, seeds, strength)
    check_all(specs, len(images), photographs, directed=direction is not None, vgg=vgg is not None)
    generator = wording.for_edits(specs, direction, model)
    found = photographs_of(images, photographs, results.output)
    photographs.check(len(found) if images else 0)
    written = written_files(found, specs, direction, photographs, results)
    exact = said not in (None, "none") or any(strength_of(spec) == 0 for spec in specs)
    warn([INEXACT] if exact and found and lossy(found, specs, written.results, results) else [], loud)
    along = as_direction(direction)
    from zeroshift.loading import open_segmenter

    job = plan(found, written, specs, direction, mask, photographs, results, loud)
    if job.todo or not images:
        editor, loaded = model.opened(loud, vgg, cache.place, wording.sentences_from)
        if photographs.segmenter is not None:
            editor = replace(editor, segmenter=open_segmenter(photographs.segmenter, editor.backbone.device))
        if generator is not None:
            editor = replace(editor, directions=GeneratedDirections(editor.backbone, generator))
        with kept_on_failure(editor.directions, written.results[0].parent / "directions"):
            carry_out(job, editor, along, loaded)
    conclude(job)
