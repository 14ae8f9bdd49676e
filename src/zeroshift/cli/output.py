"""Where results go, what is written beside the recipe, and what is said about it."""

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.cli.wrong import Wrong

if TYPE_CHECKING:
    from zeroshift.cli.shared import Loudness

FOLDER = Path("out")


def places(names: Sequence[str], output: Path | None) -> list[Path]:
    """Return one file per result, in the order of ``names``, and see that each can be written.

    ``output`` is a file for one result and a folder for several (or if it is a folder, or has no extension).

    Raises:
        Wrong: two results would have one name.
        ValueError: a file cannot be written there.
    """
    from zeroshift.image import check_output

    if output is not None and len(names) == 1 and output.suffix and not output.is_dir():
        found = [output]
    else:
        found = [(output or FOLDER) / f"{name}.png" for name in names]
    doubled = [path for path in found if found.count(path) > 1]
    if doubled:
        raise Wrong(f"Two results would both be called {doubled[0]}; give pictures and targets of different names.")
    for path in found:
        check_output(path)
    return found


def check_writable(path: Path, extension: str) -> None:
    """See that a file that is no picture can be written, before the work begins.

    Raises:
        Wrong: it has another extension.
        ValueError: no file can be written there.
    """
    from zeroshift.image import check_output

    if path.suffix != extension:
        raise Wrong(f"{path} must end in {extension}; give such a name.")
    check_output(path.with_name(f"{path.name}.png"))


def slug(text: str) -> str:
    """Return a text as a short part of a file name."""
    return re.sub(r"\W+", "-", text.strip().lower()).strip("-")[:40].rstrip("-") or "edit"


def relative(path: Path, output: Path) -> str:
    """Return ``path`` as seen from the folder of ``output``, with forward slashes."""
    return Path(os.path.relpath(path, output.parent)).as_posix()


def tell(path: Path, seconds: float, facts: dict[str, object], loud: "Loudness", remark: str = "") -> None:
    """Say on stdout where a result is and how long it took."""
    if loud.json:
        print(json.dumps({"path": str(path), "seconds": round(seconds, 2), **facts}))
    elif not loud.quiet:
        print(f"{path}  ({seconds:.1f} s{remark})")
    sys.stdout.flush()
