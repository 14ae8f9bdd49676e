"""``zeroshift caption``."""

import json as text
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.captioning import Seen
from zeroshift.cli.files import MEGAPIXELS, REGION
from zeroshift.cli.shared import DEFAULT_MODEL, OUTPUT, Loudness, ModelFlags, Text, as_app
from zeroshift.cli.wrong import Wrong
from zeroshift.image import Fit, check_files, load_image


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(caption, "caption", "caption IMAGE... [OPTIONS]")


def caption(
    *images: Annotated[Path, Parameter(help="photographs")],
    fit: Annotated[Fit | None, Parameter(help="how it meets the model's frame [default the model's]")] = None,
    region: Annotated[Text | None, REGION] = None,
    max_megapixels: Annotated[
        float, Parameter(help="refuse larger ones", metavar="X", validator=Number(gt=0))
    ] = MEGAPIXELS,
    model: ModelFlags = DEFAULT_MODEL,
    json: Annotated[bool, Parameter(group=OUTPUT, help="print one JSON object per photograph")] = False,
) -> None:
    """Say what photographs show, a line for each: what an edit without --source takes as its source."""
    if not images:
        raise Wrong("Give one photograph or more.")
    from zeroshift.batching import look

    check_files(images, max_megapixels)
    editor, _ = model.opened(Loudness(json=json))
    pictures = (load_image(image, max_megapixels=max_megapixels) for image in images)
    frames = look(editor, pictures, fit=fit, region=region, caption=True)
    for image, seen in zip(images, (frame.seen for frame in frames if frame.seen), strict=True):
        print(text.dumps({"path": str(image), **asdict(seen)}) if json else f"{image}: {spoken(seen)}")


def spoken(seen: Seen) -> str:
    """A caption with its probabilities, or that there is none to rely on."""
    return seen.guess if seen.sure else f"not sure; the best guess is {seen.guess}"
