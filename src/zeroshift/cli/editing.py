"""What is asked for on the command line of an edit: which edits of which pictures, in which files."""

import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import check_together, spread
from zeroshift.cli.files import PhotographFlags, ResultFlags
from zeroshift.cli.output import FOLDER, check_apart, check_picture, places, unused
from zeroshift.cli.streams import STDIN, STDOUT
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.files import slug
from zeroshift.image import ImageError, find_pictures
from zeroshift.image.save import FORMATS
from zeroshift.image.sheet import check_rows
from zeroshift.naming import USUAL, result_stem, suffix_for, table_of

INEXACT = (
    "a JPEG changes every pixel a little when it is written, also those that the photograph keeps; "
    "with --format png none of these changes."
)

T = TypeVar("T")


@dataclass(frozen=True)
class Photograph:
    """A photograph that is edited."""

    path: Path
    """its file, or ``STDIN``"""
    under: Path
    """the folder that it lies in, below the one that was named"""
    data: bytes | None
    """of a photograph from standard input"""

    @property
    def source(self) -> Path | bytes:
        """What is opened."""
        return self.path if self.data is None else self.data

    @property
    def stem(self) -> Path:
        """What names of results begin with."""
        return self.under / ("stdin" if self.data is not None else self.path.stem)


@dataclass(frozen=True)
class Written:
    """The files that an edit writes: of every photograph its edits side by side."""

    results: Sequence[Path]
    beside: Sequence[Path]
    """each result beside its source; empty if that is not asked for"""
    sheet: Path | None
    """the sheet of all"""
    wanted: Sequence[Path]
    """what all of these would be called if no such files were there"""

    @property
    def every(self) -> list[Path]:
        """All files."""
        return [*self.results, *self.beside, *([] if self.sheet is None else [self.sheet])]


def photographs_of(images: Sequence[Path], flags: PhotographFlags, output: Path | None) -> list[Photograph]:
    """The photographs that names, folders, patterns and "-" stand for.

    Raises:
        Wrong: results would go where the photographs lie, or standard input is named twice.
        ImageError: there is nothing in a folder, or nothing of a pattern.
    """
    home = Path(os.path.realpath(output or FOLDER))
    if inside := next((image for image in images if image.is_dir() and image.resolve() == home), None):
        raise Wrong(f"{inside} has the photographs, and results there would be edited next time; name another folder.")
    return photographs_named(images, flags.recursive, home)


def photographs_named(images: Sequence[Path], recursive: bool, apart: Path | None = None) -> list[Photograph]:
    """The same, of folders without ``apart``.

    Raises:
        Wrong: standard input is named twice.
        ImageError: there is nothing in a folder, or nothing of a pattern.
    """
    if list(images).count(STDIN) > 1:
        raise Wrong("- stands for standard input, which has one picture; give it once.")
    piped = [Photograph(STDIN, Path(), _piped())] if STDIN in images else []
    named = find_pictures([image for image in images if image != STDIN], recursive=recursive, apart=apart)
    return [*piped, *(Photograph(one.path, one.under, None) for one in named)]


def _piped() -> bytes:
    """What standard input has.

    Raises:
        ImageError: it is empty.
    """
    if not (data := sys.stdin.buffer.read()):
        raise ImageError("Standard input is empty, expected a picture; pipe one in, as in: < photo.jpg.")
    return data


def asked_for(
    first: EditSpec, targets: Sequence[str], methods: str, seeds: str | None, strength: str | None
) -> list[EditSpec]:
    """The edit ``first`` by every method with every seed to every target at every strength, in this order.

    Raises:
        Wrong: a list holds something else than it should, or means nothing to the edit.
    """
    drawn = [first.seed] if seeds is None else seeds_of(seeds)
    numbers = None if strength is None else numbers_of(strength)
    names = [name.strip() for name in methods.split(",")]
    for flag, found in (("--seeds", drawn), ("--strength", numbers or []), ("--method", names)):
        if len(set(found)) < len(found):
            raise Wrong(f"{flag} has one of {', '.join(map(str, found))} twice; give each once.")
    with usage():
        kinds = [{**dict(first), "method": name, "seed": seed} for name in names for seed in drawn]
        specs = [EditSpec.parse({**kind, "target": target}) for kind in kinds for target in targets]
        return specs if numbers is None else [one for spec in specs for one in spread(spec, numbers)]


def numbers_of(text: str, flag: str = "--strength") -> list[float]:
    """Read "0.5,1".

    Raises:
        Wrong: these are no numbers.
    """
    return _listed(text, _finite, f"{flag} takes numbers", "0.5,1")


def seeds_of(text: str) -> list[int]:
    """Read "0,1,2".

    Raises:
        Wrong: these are no whole numbers.
    """
    return _listed(text, int, "--seeds takes whole numbers", "0,1,2")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


def _listed(text: str, kind: Callable[[str], T], takes: str, example: str) -> list[T]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise Wrong(f"{takes} with commas between, as in {example}, not {text!r}.") from error


def check_all(
    specs: Sequence[EditSpec], photographs: int, photograph: PhotographFlags, directed: bool, vgg: bool
) -> None:
    """Refuse edits that make no sense, before the model is loaded.

    Raises:
        Wrong: a word, an option or a value makes no sense, or an option would do nothing.
    """
    inverted = photograph.inversion_file is None
    with usage():
        for spec in specs:
            spec.check(photograph=photographs > 0, inverted=inverted, directed=directed, vgg=vgg)
        check_together(specs, directed=directed)


def named(photographs: Sequence[Photograph], specs: Sequence[EditSpec], results: ResultFlags) -> list[Path]:
    """The names of all results, the edits of one picture side by side."""
    stems = [(one.stem, suffix_for(one.source)) for one in photographs] or [(Path(slug(specs[0].source or "")), USUAL)]
    given = None if results.format is None else f".{results.format}"
    return [Path(f"{result_stem(str(stem), spec)}{given or suffix}") for stem, suffix in stems for spec in specs]


def lossy(
    photographs: Sequence[Photograph], specs: Sequence[EditSpec], files: Sequence[Path], results: ResultFlags
) -> bool:
    """Whether a result is written in a format that does not hold pixels as they are."""
    names = named(photographs, specs, results) if STDOUT in files else files
    return any(FORMATS.get(name.suffix.lower()) == "JPEG" for name in names)


def written_files(
    photographs: Sequence[Photograph],
    specs: Sequence[EditSpec],
    direction: Path | None,
    flags: PhotographFlags,
    results: ResultFlags,
) -> Written:
    """The files of all results and of what is written beside them.

    Raises:
        Wrong: one would be written over what is read or over another one, or has no picture's extension.
        ValueError: a file cannot be written there.
    """
    files = places(named(photographs, specs, results), results.output)
    if results.format is not None and files[0] != STDOUT and files[0].suffix.lower() != f".{results.format}":
        raise Wrong(f"{files[0]} and --format {results.format} say different things; leave one out.")
    sheet = [] if results.sheet is None else [results.sheet]
    if sheet:
        check_rows(max(len(photographs), 1) * len(table_of(specs)[0]))
    read = [*(("the photograph", one.path) for one in photographs), ("the edit direction", direction)]
    every = [*files, *beside_of(files, results.before_after), *sheet]
    read += [("the inversion", flags.inversion_file), ("the mask", flags.mask_file)]
    check_apart(read, [path for path in every if path != STDOUT])
    wanted = every
    if results.skip_existing:
        every = [*every[: len(every) - len(sheet)], *unused(sheet, False)]
    else:
        every = unused(every, results.overwrite)
    for path in every:
        if not (results.skip_existing and os.path.lexists(path)):
            check_picture(path)
    n = len(files)
    return Written(every[:n], every[n : len(every) - len(sheet)], every[-1] if sheet else None, wanted)


def beside_of(files: Sequence[Path], before_after: Path | None) -> list[Path]:
    """Where each result stands beside its source: the file that is named, or one of the folder that is.

    Raises:
        Wrong: several results, and the name of one file.
    """
    if before_after is None:
        return []
    if len(files) == 1 and not before_after.is_dir():
        return [before_after]
    if before_after.suffix and not before_after.is_dir():
        raise Wrong(f"{before_after} is the name of one picture, and {len(files)} are to be written; name a folder.")
    top = os.path.commonpath([path.parent for path in files])
    return [before_after / path.relative_to(top) for path in files]
