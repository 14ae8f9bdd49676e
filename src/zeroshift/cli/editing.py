"""What is asked for on the command line of an edit: which edits of which pictures, in which files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zeroshift.cli.files import PhotographFlags, ResultFlags
from zeroshift.cli.output import check_apart, check_picture, places, slug
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.edits import EditSpec, spread


@dataclass(frozen=True)
class Wanted:
    """One edit of every picture."""

    spec: EditSpec
    label: str
    """its part of a file name"""


def asked_for(first: EditSpec, targets: Sequence[str], strengths: str | None) -> list[Wanted]:
    """The edit ``first`` to every target at every strength.

    Raises:
        Wrong: the strengths are no numbers, or mean nothing to the edit.
    """
    wanted = []
    for target in targets:
        with usage():
            spec = EditSpec.parse({**dict(first), "target": target})
        if strengths is None:
            wanted.append(Wanted(spec, slug(target)))
            continue
        numbers = numbers_of(strengths)
        with usage():
            spaced = zip(spread(spec, numbers), numbers, strict=True)
        wanted += [Wanted(one, f"{slug(target)}-{strength:g}") for one, strength in spaced]
    return wanted


def numbers_of(strengths: str) -> list[float]:
    """Read "0.5,1".

    Raises:
        Wrong: these are no numbers.
    """
    try:
        return [float(text) for text in strengths.split(",")]
    except ValueError as error:
        raise Wrong(f"--strengths takes numbers with commas between, as in 0.5,1, not {strengths!r}.") from error


def check_one_target(targets: Sequence[str], direction: Path | None) -> None:
    """Refuse a direction beside several targets: it leads to one, whatever the others are called.

    Raises:
        Wrong: they are several.
    """
    if direction is not None and len(targets) > 1:
        raise Wrong(f"--direction leads to one target, and these are {len(targets)}; give one, or leave it out.")


def check_all(
    wanted: Sequence[Wanted], photographs: int, photograph: PhotographFlags, directed: bool, vgg: bool
) -> None:
    """Refuse edits that make no sense, before the model is loaded.

    Raises:
        Wrong: a word, an option or a value makes no sense, or an option would do nothing.
    """
    inverted = photograph.inversion_file is None
    with usage():
        for edit in wanted:
            edit.spec.check(photograph=photographs > 0, inverted=inverted, directed=directed, vgg=vgg)


def named(images: Sequence[Path], source: str | None, wanted: Sequence[Wanted]) -> list[str]:
    """The names of all results, the edits of one picture side by side."""
    stems = [image.stem for image in images] or [slug(source or "")]
    return [f"{stem}-{edit.label}" for stem in stems for edit in wanted]


def result_files(
    images: Sequence[Path],
    source: str | None,
    wanted: Sequence[Wanted],
    direction: Path | None,
    photographs: PhotographFlags,
    results: ResultFlags,
) -> list[Path]:
    """The files of all results, the edits of one picture side by side, and see that each can be written.

    Raises:
        Wrong: one would be written over what is read or over another one, or has no picture's extension.
        ValueError: a file cannot be written there.
    """
    files = places(named(images, source, wanted), results.output)
    read = [*(("the photograph", image) for image in images), ("the edit direction", direction)]
    check_apart([*read, ("the inversion", photographs.inversion_file)], [*files, results.before_after])
    if results.before_after is not None:
        if len(files) > 1:
            raise Wrong("--before-after shows one result beside its source; ask for one picture and one target.")
        check_picture(results.before_after)
    return files
