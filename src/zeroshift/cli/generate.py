"""``zeroshift generate``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.cli.files import BATCH
from zeroshift.cli.output import check_apart, check_picture, places, put, settle, tell, tell_moved, unused
from zeroshift.cli.progress import follow
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
    steps: Annotated[int, Parameter(help="sampling steps", metavar="N", validator=Number(gte=1, lte=999))] = 50,
    guidance_scale: Annotated[
        float, Parameter(help="classifier-free guidance; 1 is off", metavar="X", validator=Number(gte=1, lte=50))
    ] = 5.0,
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
    from zeroshift.translate import generate as sampled

    for first in range(0, len(prompts), BATCH):
        batch = prompts[first : first + BATCH]
        run = sampled(editor.backbone, batch, seeds=[seed] * len(batch), steps=steps, guidance_scale=guidance_scale)
        last, seconds = follow(run, loud.silent)
        for path, (result,) in zip(files[first : first + BATCH], last.results, strict=True):
            kind = "PNG" if path == STDOUT else FORMATS[path.suffix.lower()]
            put(encode_image(result.image, kind, result.recipe), path)
            tell(path, seconds, {"prompt": result.recipe["prompt"], "recipe": result.recipe}, loud)
