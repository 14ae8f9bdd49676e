"""What an edit says beside its results, on stderr: of photographs, of words, of what is left out."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.cli.shared import Loudness
from zeroshift.cli.wrong import as_flags
from zeroshift.image import ImageError
from zeroshift.masks.masking import Failed
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.results import FramedPhoto


def refusal(faults: Sequence[ImageError], photographs: int) -> str:
    """What is said of photographs that cannot be read."""
    more = f" {len(faults) - 1} more cannot be read, either." if len(faults) > 1 else ""
    others = " Nothing is done yet; --keep-going does the others." if photographs > len(faults) else ""
    return f"{faults[0]}{more}{others}"


def told(
    images: Sequence[Path], frames: "Iterable[FramedPhoto]", loud: Loudness, failed: Failed | None = None
) -> "Iterator[FramedPhoto]":
    """Say on stderr which part of each photograph was chosen as it comes, and what is seen in it."""
    coming = (image for k, image in enumerate(images) if failed is None or k not in failed)
    for frame in frames:
        image = next(coming)
        if frame.part is not None:
            say(f"{image}: edits {frame.part}", loud)
        if frame.caption is not None:
            sure = frame.seen is None or frame.seen.sure
            say(f"{image}: {'sees' if sure else 'not sure, perhaps'} {frame.caption}", loud)
        yield frame


def say(line: str, loud: Loudness) -> None:
    """Say something on stderr, unless nothing shall be said."""
    if not loud.silent:
        print(printable(line), file=sys.stderr)


def left_out(key: str, path: Path, error: Exception, loud: Loudness) -> None:
    """Name a photograph that fails; with JSON ``key`` is what its name stands under."""
    sentence = printable(as_flags(str(error)))
    if loud.json:
        print(json.dumps({key: str(path), "error": sentence}))
    else:
        named = sentence if sentence.startswith(str(path)) else f"{path}: {sentence}"
        print("zeroshift: left out:", named, file=sys.stderr)
