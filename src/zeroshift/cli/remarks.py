"""What an edit says beside its results, on stderr: of photographs, of words, of what is left out."""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.captioning import Seen
from zeroshift.cli.shared import Loudness
from zeroshift.cli.streams import called
from zeroshift.cli.wrong import as_flags
from zeroshift.image import ImageError
from zeroshift.image.regions import Region
from zeroshift.masks.masking import Failed
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.framed import FramedPhoto


def refusal(faults: Sequence[ImageError], photographs: int) -> str:
    """What is said of photographs that cannot be read."""
    more = f" {len(faults) - 1} more cannot be read, either." if len(faults) > 1 else ""
    others = " Nothing is done yet; --keep-going does the others." if photographs > len(faults) else ""
    return f"{faults[0]}{more}{others}"


def other_target(path: Path) -> str:
    """What to do about a photograph that is not there and may be one more target, as in "--target dog tiger"."""
    word = not path.exists() and path.name == str(path) and path.suffix == ""
    return f" If {path} is one more target, write --target {shlex.quote(str(path))}." if word else ""


def told(
    images: Sequence[Path], frames: "Iterable[FramedPhoto]", loud: Loudness, failed: Failed | None = None
) -> "Iterator[FramedPhoto]":
    """Say on stderr which part of each photograph was chosen as it comes, and what is seen in it."""
    coming = (image for k, image in enumerate(images) if failed is None or k not in failed)
    for frame in frames:
        image = next(coming)
        for line in remarks_on(frame):
            say(f"{called(image)}: {line}", loud)
        yield frame


def remarks_on(frame: "FramedPhoto") -> Iterator[str]:
    """Which part of a photograph is edited, where that is not plain, and what is seen in it."""
    if frame.part is not None:
        yield as_flags(f"edits {frame.part}")
    elif frame.region is not None:
        yield f"edits the part at {Region.of(frame.region)}"
    if frame.caption is not None:
        seen = Seen(frame.caption) if frame.seen is None else frame.seen
        doubt = f"no {seen.unseen}" if seen.unseen else f"no animal for sure, perhaps {frame.caption}"
        yield f"sees {frame.caption if seen.sure else doubt}"


def say(line: str, loud: Loudness) -> None:
    """Say something on stderr, unless nothing shall be said."""
    if not loud.silent:
        print(printable(line), file=sys.stderr)


def left_out(key: str, path: Path, error: Exception, loud: Loudness, target: str | None = None) -> None:
    """Name a photograph that fails, or its edit to ``target``; with JSON ``key`` is what its name stands under."""
    sentence, name = printable(as_flags(str(error))), called(path)
    if loud.json:
        print(json.dumps({key: name, **({} if target is None else {"target": target}), "error": sentence}))
    else:
        edit = name if target is None else f"{name} to {target}"
        named = sentence if target is None and sentence.startswith(name) else f"{edit}: {sentence}"
        print("zeroshift: left out:", printable(named), file=sys.stderr)
