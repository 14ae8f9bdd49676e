"""``zeroshift generate``."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.output import check_apart, check_picture, places, put, settle, tell, tell_moved, unused
from zeroshift.cli.progress import shown
from zeroshift.cli.shared import (
    DEFAULT_LOUDNESS,
    DEFAULT_MODEL,
    Loudness,
    ModelFlags,
    Output,
    Overwrite,
    Seed,
    Strict,
    Text,
    as_app,
)
from zeroshift.cli.streams import STDOUT
from zeroshift.cli.wrong import Wrong
from zeroshift.files import slug


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(generate, "generate", "generate PROMPT... [OPTIONS]")


def generate(
    *prompts: Annotated[Text, Parameter(help="descriptions, one picture each")],
    seed: Seed = 0,
    steps: Annotated[
        int | None,
        Parameter(
            help="sampling steps [default 50; 4 of a Turbo model]", metavar="N", validator=Number(gte=1, lte=999)
        ),
    ] = None,
    guidance_scale: Annotated[
        float | None,
        Parameter(
            help="classifier-free guidance; 1 is off [default 5; 1 of a Turbo model]",
            metavar="X",
            validator=Number(gte=1, lte=50),
        ),
    ] = None,
    restore: Annotated[
        bool,
        Parameter(help="redraw photos of animals as sharp as photographs, if the model can", negative="--no-restore"),
    ] = True,
    strict: Strict = False,
    output: Annotated[Output, Parameter(help="file, folder of several, or - [default out/PROMPT-SEED.png]")] = None,
    overwrite: Overwrite = False,
    model: ModelFlags = DEFAULT_MODEL,
    loud: Loudness = DEFAULT_LOUDNESS,
) -> None:
    """Sample pictures from prompts, at the model's own size, all from the same noise."""
    if not prompts or not all(prompt.strip() for prompt in prompts):
        raise Wrong("Give one prompt or more, none of them empty, as in: a photo of a cat.")
    named = places([Path(f"{slug(prompt)}-{seed}.png") for prompt in prompts], output)
    check_apart([], named)
    files = unused(named, overwrite)
    for path in files:
        check_picture(path)
    editor, _ = model.opened(loud)
    settle(editor.doubts(prompts), strict, loud)
    tell_moved(named, files, loud)
    from zeroshift.image import encode_image
    from zeroshift.image.save import FORMATS
    from zeroshift.running.generating import generate_all

    seeds, usual = [seed] * len(prompts), editor.sampled
    steps, guidance_scale = steps or usual.steps, guidance_scale or usual.guidance_scale
    work = generate_all(editor, prompts, seeds=seeds, steps=steps, guidance_scale=guidance_scale, restore=restore)
    begun = time.perf_counter()
    for part, step in shown(work, len(prompts), loud.silent):
        if not step.results:
            continue
        now = time.perf_counter()
        seconds, begun = now - begun, now
        for k, (result,) in zip(part, step.results, strict=True):
            kind = "PNG" if files[k] == STDOUT else FORMATS[files[k].suffix.lower()]
            put(encode_image(result.image, kind, result.recipe), files[k])
            tell(files[k], seconds, {"prompt": result.recipe["prompt"], "recipe": result.recipe}, loud)
