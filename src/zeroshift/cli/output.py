"""Where results go, what is written beside the recipe, and what is said about it."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from PIL.Image import registered_extensions

from zeroshift.cli.streams import STDOUT, called
from zeroshift.cli.wrong import Wrong, as_flags
from zeroshift.files import check_replaceable, free, why_unwritable
from zeroshift.sentences import printable

if TYPE_CHECKING:
    from zeroshift.cli.shared import Loudness

FOLDER = Path("out")


def places(names: Sequence[Path], output: Path | None) -> list[Path]:
    """One file per result, in the order of ``names``.

    ``output`` is a file for one result and a folder for several (or if it is a folder, or has no extension).

    Raises:
        Wrong: ``output`` is the name of one result and they are several.
    """
    if output == STDOUT and len(names) > 1:
        raise Wrong(f"-o - writes one picture to standard output, and these are {len(names)}; name a folder.")
    if output == STDOUT or output is not None and len(names) == 1 and output.suffix and not output.is_dir():
        return [output]
    if output is not None and output.suffix.lower() in registered_extensions() and not output.is_dir():
        raise Wrong(f"{output} is the name of one picture, and {len(names)} are to be written; name a folder.")
    return [(output or FOLDER) / name for name in names]


def settled(paths: Sequence[Path], overwrite: bool, loud: "Loudness") -> list[Path]:
    """Where results go: ``paths``, or numbered names beside what is there already, which is told in one line."""
    found = unused(paths, overwrite)
    tell_moved(paths, found, loud)
    return found


def unused(paths: Sequence[Path], overwrite: bool) -> list[Path]:
    """The same, without a word: ``tell_moved`` says it once nothing is in the way of the work any more."""
    if overwrite:
        return list(paths)
    found, taken = list[Path](), set(paths)
    for path in paths:
        taken.discard(path)
        found.append(path if path == STDOUT else free(path, taken))
        taken |= {path, found[-1]}
    return found


def tell_moved(paths: Sequence[Path], found: Sequence[Path], loud: "Loudness") -> None:
    """Say on stderr that results get other names than ``paths``, where something is there already."""
    moved = [(old, new) for old, new in zip(paths, found, strict=True) if old != new]
    if moved and not loud.silent:
        old, new = moved[0]
        many = f" ({len(moved)} files in all)" if len(moved) > 1 else ""
        line = f"{old} is there and stays; writing {new}{many}. --overwrite replaces it."
        print("zeroshift:", printable(line), file=sys.stderr)


def check_apart(read: Iterable[tuple[str, Path | None]], written: Iterable[Path | None]) -> None:
    """Refuse to write over what is read, and to write one file twice.

    ``read`` has what each file is, such as "the photograph"; None stands for files that play no part.

    Raises:
        Wrong: two of them are the same file.
    """
    known = {one_file(path): f"is {what} itself; give the result another name" for what, path in read if path}
    for path in (path for path in written if path is not None):
        if (met := known.get(one_file(path))) is not None:
            raise Wrong(f"{path} {met}.")
        known[one_file(path)] = "would be written twice; give pictures and results different names"


def one_file(path: Path) -> object:
    """What is equal for two names of one file, also by a link or on a disk that ignores case."""
    try:
        found = path.stat()
        return found.st_dev, found.st_ino
    except OSError:
        return os.path.realpath(path)


def check_picture(path: Path) -> None:
    """See that a picture can be written, before the work begins.

    Raises:
        Wrong: its name has no picture's extension.
        ValueError: no file can be written there.
    """
    from zeroshift.image import check_output
    from zeroshift.image.save import FORMATS

    if path == STDOUT:
        if sys.stdout.isatty():
            raise Wrong("Standard output is a terminal, which shows no picture; lead it to a file or a program.")
        return
    if path.suffix.lower() not in FORMATS:
        raise Wrong(f"{path} is no name of a picture; let it end in one of {', '.join(FORMATS)}.")
    check_output(path)


def put(data: bytes, path: Path) -> None:
    """Write a finished picture, to standard output where ``path`` says so.

    Raises:
        ValueError: it cannot be written there.
    """
    from zeroshift.image.save import write_picture

    if path != STDOUT:
        write_picture(data, path)
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ValueError(f"Standard output takes no more ({error.strerror}).") from error


def check_folder(path: Path) -> None:
    """See that files can be written into a folder, which is made if it is missing.

    Raises:
        ValueError: they cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()
    except OSError as error:
        raise ValueError(f"{path} cannot be written into ({why_unwritable(error)}); choose another folder.") from error


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
        raise ValueError(f"{path} cannot be written ({why_unwritable(error)}); choose another name.") from error
    check_folder(path.parent)


def relative(path: Path, output: Path) -> str:
    """``path`` as seen from the folder of ``output``, with forward slashes."""
    return Path(os.path.relpath(path, output.parent)).as_posix()


def tell(path: Path, seconds: float, facts: dict[str, object], loud: "Loudness", remark: str = "") -> None:
    """Say on stdout where a result is and how long it took; on stderr where the result itself is on stdout.

    Raises:
        BrokenPipeError: nobody reads that any more.
        ValueError: standard output is full.
    """
    stream = sys.stderr if path == STDOUT else sys.stdout
    try:
        if loud.json:
            print(json.dumps({"path": called(path), "seconds": round(seconds, 2), **facts}), file=stream)
        elif not loud.quiet:
            print(f"{called(path)}  ({seconds:.1f} s{remark})", file=stream)
        stream.flush()
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
