"""``zeroshift caption``."""

import json as text
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from zeroshift.asked.checks import check_region
from zeroshift.captioning import Seen
from zeroshift.cli.cache import DEFAULT_CACHE, CacheFlags
from zeroshift.cli.editing import photographs_named
from zeroshift.cli.files import MEGAPIXELS, REGION, KeepGoing, Recursive
from zeroshift.cli.remarks import left_out, refusal
from zeroshift.cli.shared import DEFAULT_MODEL, OUTPUT, Loudness, ModelFlags, Text, as_app
from zeroshift.cli.streams import called
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.image import Fit, ImageError, unreadable


def command(tokens: Sequence[str]) -> App:
    """The verb."""
    return as_app(caption, "caption", "caption IMAGE... [OPTIONS]")


def caption(
    *images: Annotated[Path, Parameter(help="photographs, folders, patterns, or - for standard input")],
    fit: Annotated[Fit | None, Parameter(help="how it meets the model's frame [default the model's]")] = None,
    region: Annotated[Text | None, REGION] = None,
    max_megapixels: Annotated[
        float, Parameter(help="refuse larger ones", metavar="X", validator=Number(gt=0))
    ] = MEGAPIXELS,
    recursive: Recursive = False,
    keep_going: KeepGoing = False,
    model: ModelFlags = DEFAULT_MODEL,
    cache: CacheFlags = DEFAULT_CACHE,
    json: Annotated[bool, Parameter(group=OUTPUT, help="print one JSON object per photograph")] = False,
) -> None:
    """Say what photographs show, a line for each: what an edit without --source takes as its source."""
    if not images:
        raise Wrong("Give one photograph or more.")
    with usage():
        check_region(region or "none")
    from zeroshift.running.looking import look

    found, loud = photographs_named(images, recursive), Loudness(json=json)
    pictures = [one.source for one in found]
    if faults := [] if keep_going else list(unreadable(pictures, max_megapixels).values()):
        raise ImageError(refusal(faults, len(found)))
    editor, _ = model.opened(loud, cache=cache.place)
    failed: dict[int, Exception] | None = {} if keep_going else None
    frames = look(editor, pictures, fit=fit, region=region, caption=True, max_megapixels=max_megapixels, failed=failed)
    places = (k for k in range(len(found)) if failed is None or k not in failed)
    for seen in (frame.seen for frame in frames if frame.seen):
        path = called(found[next(places)].path)
        print(text.dumps({"path": path, **asdict(seen)}) if json else f"{path}: {spoken(seen)}")
    for place, error in sorted((failed or {}).items()):
        left_out("path", found[place].path, error, loud)
    if failed:
        raise ValueError(f"{len(failed)} of {len(found)} photographs could not be captioned.")


def spoken(seen: Seen) -> str:
    """A caption with its probabilities, or that there is none to rely on."""
    doubt = f"no {seen.unseen}" if seen.unseen else "not sure"
    return seen.guess if seen.sure else f"{doubt}; the best guess is {seen.guess}"
