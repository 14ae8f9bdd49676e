"""Where results go, what is written beside the recipe, and what is said about it."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from PIL.Image import registered_extensions

from zeroshift.cli.wrong import Wrong, as_flags
from zeroshift.files import check_replaceable, free
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.cli.shared import Loudness

FOLDER = Path("out")


def places(names: Sequence[str], output: Path | None) -> list[Path]:
    """One file per result, in the order of ``names``, which have no extension.

    ``output`` is a file for one result and a folder for several (or if it is a folder, or has no extension).

    Raises:
        Wrong: two results would have one name, or ``output`` is the name of one and they are several.
    """
    if output is not None and len(names) == 1 and output.suffix and not output.is_dir():
        found = [output]
    elif output is not None and output.suffix.lower() in registered_extensions() and not output.is_dir():
        raise Wrong(f"{output} is the name of one picture, and {len(names)} are to be written; name a folder.")
    else:
        found = [(output or FOLDER) / f"{name}.png" for name in names]
    doubled = [path for path in found if found.count(path) > 1]
    if doubled:
        raise Wrong(f"Two results would both be called {doubled[0]}; give pictures and targets of different names.")
    return found


def settled(paths: Sequence[Path], overwrite: bool, loud: "Loudness") -> list[Path]:
    """Where results go: ``paths``, or numbered names beside what is there already, which is told in one line."""
    if overwrite:
        return list(paths)
    found = list[Path]()
    for path in paths:
        found.append(free(path, {*found, *paths} - {path}))
    moved = [(old, new) for old, new in zip(paths, found, strict=True) if old != new]
    if moved and not loud.silent:
        old, new = moved[0]
        many = f" ({len(moved)} files in all)" if len(moved) > 1 else ""
        line = f"{old} is there and stays; writing {new}{many}. --overwrite replaces it."
        print("zeroshift:", printable(line), file=sys.stderr)
    return found


def check_apart(read: Iterable[tuple[str, Path | None]], written: Sequence[Path | None]) -> None:
    """Refuse to write over what is read, and to write one file twice.

    ``read`` has what each file is, such as "the photograph"; None stands for files that play no part.

    Raises:
        Wrong: two of them are the same file.
    """
    results = [path for path in written if path is not None]
    for what, path in read:
        for result in results:
            if path is not None and same_file(path, result):
                raise Wrong(f"{result} is {what} itself; give the result another name.")
    for one, other in combinations(results, 2):
        if same_file(one, other):
            raise Wrong(f"{other} would be written twice; give the results different names.")


def same_file(one: Path, other: Path) -> bool:
    """Whether two names mean one file, also by a link or on a disk that ignores case."""
    return os.path.realpath(one) == os.path.realpath(other) or (one.exists() and other.exists() and one.samefile(other))


def check_picture(path: Path) -> None:
    """See that a picture can be written, before the work begins.

    Raises:
        Wrong: its name has no picture's extension.
        ValueError: no file can be written there.
    """
    from zeroshift.image import check_output
    from zeroshift.image.save import FORMATS

    if path.suffix.lower() not in FORMATS:
        raise Wrong(f"{path} is no name of a picture; let it end in one of {', '.join(FORMATS)}.")
    check_output(path)


def check_folder(path: Path) -> None:
    """See that files can be written into a folder, which is made if it is missing.

    Raises:
        ValueError: they cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()
    except OSError as error:
        raise ValueError(f"{path} cannot be written into ({error.strerror}); choose another folder.") from error


def check_writable(path: Path, extension: str) -> None:
    """See that a file that is no picture can be written, before the work begins.

    Raises:
        Wrong: it has another extension.
        ValueError: no file can be written there.
    """
    if path.suffix != extension:
        raise Wrong(f"{path} must end in {extension}; give such a name.")
    if path.is_dir():
        raise Wrong(f"{path} is a folder; add a file name.")
    try:
        check_replaceable(path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error.strerror}); choose another name.") from error
    check_folder(path.parent)


def relative(path: Path, output: Path) -> str:
    """``path`` as seen from the folder of ``output``, with forward slashes."""
    return Path(os.path.relpath(path, output.parent)).as_posix()


def tell(path: Path, seconds: float, facts: dict[str, object], loud: "Loudness", remark: str = "") -> None:
    """Say on stdout where a result is and how long it took.

    Raises:
        BrokenPipeError: nobody reads that any more.
        ValueError: standard output is full.
    """
    try:
        if loud.json:
            print(json.dumps({"path": str(path), "seconds": round(seconds, 2), **facts}))
        elif not loud.quiet:
            print(f"{path}  ({seconds:.1f} s{remark})")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ValueError(f"{path} is written, but standard output takes no more ({error.strerror}).") from error


def warn(sentences: Sequence[str], loud: "Loudness") -> None:
    """Say on stderr what may not be as somebody thinks."""
    for sentence in sentences:
        if not loud.silent:
            print("zeroshift: warning:", printable(as_flags(sentence)), file=sys.stderr)


def settle(doubts: Sequence[str], strict: bool, loud: "Loudness") -> None:
    """Warn about words, or refuse them.

    Raises:
        DoubtfulWords: there are doubts, and ``strict`` was asked for.
    """
    from zeroshift.words import DoubtfulWords

    if doubts and strict:
        raise DoubtfulWords(" ".join(doubts))
    warn(doubts, loud)
