"""``zeroshift edit``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.editing import Delivery, asked_for, check_beside, check_used, deliver, named, runs, seen
from zeroshift.cli.flags import Given, flags_of, with_flags
from zeroshift.cli.output import check_apart, places
from zeroshift.cli.progress import follow
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    OUTPUT,
    REMARK,
    SHIPPED_METHOD,
    Loudness,
    ModelFlags,
    Output,
    Seed,
    Text,
    as_app,
    method_class,
    method_named,
)
from zeroshift.cli.wrong import Wrong
from zeroshift.image import Fit, load_image
from zeroshift.request import Request


def command(tokens: Sequence[str]) -> App:
    """Return the verb with the options of the method that ``tokens`` name."""
    method = method_class(method_named(tokens))
    verb = with_flags(edit, flags_of(method), f"Options of {method.name}", REMARK)
    return as_app(verb, "edit", "edit [IMAGE...] --source TEXT --target TEXT [OPTIONS]")


def edit(
    *images: Annotated[Path, Parameter(help="photographs; without any, the source is generated")],
    source: Annotated[Text, Parameter(help="what it shows: a word of the prompt, or a whole prompt")],
    target: Annotated[
        list[Text], Parameter(help="what it shall show: a word or a whole prompt; give it again for more")
    ],
    prompt: Annotated[Text | None, Parameter(help='the picture in words [default "a photo of a SOURCE"]')] = None,
    direction: Annotated[Path | None, Parameter(help="saved edit direction, instead of one from the words")] = None,
    method: Annotated[str, Parameter(help="see: zeroshift methods", metavar="NAME")] = SHIPPED_METHOD,
    strengths: Annotated[Text | None, Parameter(help="several strengths in one run, as in 0.5,1")] = None,
    paper_defaults: Annotated[bool, Parameter(help="ignore what the model recommends")] = False,
    seed: Seed = 0,
    fit: Annotated[Fit | None, Parameter(help="how it meets the model's frame [default the model's]")] = None,
    max_megapixels: Annotated[float, Parameter(help="refuse larger ones", metavar="X", validator=Number(gt=0))] = 100,
    output: Annotated[Output, Parameter(help="file, or folder of several [default out/NAME-TARGET.png]")] = None,
    native: Annotated[bool, Parameter(help="write the model's own size", group=OUTPUT)] = False,
    before_after: Annotated[Path | None, Parameter(help="also write both, side by side", group=OUTPUT)] = None,
    inversion_file: Annotated[Path | None, Parameter(help="saved inversion (zeroshift invert) to start from")] = None,
    model: ModelFlags = DEFAULT_MODEL,
    loud: Loudness = DEFAULT_LOUDNESS,
    given: Given,
) -> None:
    """Translate photographs, or a picture that the model generates: a cat becomes a dog.

    Words are swapped in the prompt, the article corrected; whole prompts are taken as they are. Pictures of one framed
    size run as one batch; targets and strengths share the work on the source.
    """
    also = [name for name, option in (("--fit", fit), ("--inversion-file", inversion_file)) if option is not None]
    check_used(given, photographs=bool(images), words=direction is None, strengths=strengths is not None, also=also)
    wanted = asked_for(source, target, prompt, direction, method, given, strengths)
    files = places(named(images, source, wanted), output)
    read = [*(("the photograph", image) for image in images), ("the edit direction", direction)]
    check_apart([*read, ("the inversion", inversion_file)], [*files, before_after])
    if inversion_file is not None and len(images) != 1:
        raise Wrong("--inversion-file holds the inversion of one photograph; give that one.")
    check_beside(files, before_after)
    pictures = [load_image(image, max_megapixels=max_megapixels) for image in images]
    editor, loaded = model.opened(loud)
    requests = [Request(w.task, editor.method(method, w.given, paper_defaults)) for w in wanted]
    how = Delivery(native, before_after, direction, loaded, loud)
    for members, steps in runs(editor, pictures, requests, seed=seed, fit=fit, inversion=inversion_file):
        last, seconds = follow(steps, loud.silent)
        for member, row in zip(members, last.results, strict=True):
            image, before = (images[member], seen(editor, pictures[member], fit, native)) if images else (None, None)
            for k, result in enumerate(row):
                deliver(result, files[member * len(wanted) + k], image, before, seconds, how)
