"""What is asked for on the command line of an edit: which edits of which pictures, in which files."""

from collections.abc import Sequence
from pathlib import Path

from zeroshift.cli.files import PhotographFlags, ResultFlags
from zeroshift.cli.output import check_apart, check_picture, places, settled
from zeroshift.cli.shared import Loudness
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.edits import EditSpec, spread
from zeroshift.files import slug
from zeroshift.naming import result_stem


def asked_for(first: EditSpec, targets: Sequence[str], strengths: str | None) -> list[EditSpec]:
    """The edit ``first`` to every target at every strength.

    Raises:
        Wrong: the strengths are no numbers, or mean nothing to the edit.
    """
    numbers = None if strengths is None else numbers_of(strengths)
    with usage():
        specs = [EditSpec.parse({**dict(first), "target": target}) for target in targets]
        return specs if numbers is None else [one for spec in specs for one in spread(spec, numbers)]


def numbers_of(strengths: str, flag: str = "--strengths") -> list[float]:
    """Read "0.5,1".

    Raises:
        Wrong: these are no numbers.
    """
    try:
        return [float(text) for text in strengths.split(",")]
    except ValueError as error:
        raise Wrong(f"{flag} takes numbers with commas between, as in 0.5,1, not {strengths!r}.") from error


def check_one_target(targets: Sequence[str], direction: Path | None) -> None:
    """Refuse a direction beside several targets: it leads to one, whatever the others are called.

    Raises:
        Wrong: they are several.
    """
    if direction is not None and len(targets) > 1:
        raise Wrong(f"--direction leads to one target, and these are {len(targets)}; give one, or leave it out.")


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


def named(images: Sequence[Path], specs: Sequence[EditSpec]) -> list[str]:
    """The names of all results, the edits of one picture side by side."""
    stems = [image.stem for image in images] or [slug(specs[0].source or "")]
    return [result_stem(stem, spec) for stem in stems for spec in specs]


def result_files(
    images: Sequence[Path],
    specs: Sequence[EditSpec],
    direction: Path | None,
    photographs: PhotographFlags,
    results: ResultFlags,
    loud: Loudness,
) -> tuple[list[Path], Path | None]:
    """The files of all results, the edits of one picture side by side, and that of before and after.

    Raises:
        Wrong: one would be written over what is read or over another one, or has no picture's extension.
        ValueError: a file cannot be written there.
    """
    files, beside = places(named(images, specs), results.output), results.before_after
    if beside is not None and len(files) > 1:
        raise Wrong("--before-after shows one result beside its source; ask for one picture and one target.")
    read = [*(("the photograph", image) for image in images), ("the edit direction", direction)]
    read += [("the inversion", photographs.inversion_file), ("the mask", photographs.mask_file)]
    check_apart(read, [*files, beside])
    written = settled([*files, *([] if beside is None else [beside])], results.overwrite, loud)
    for path in written:
        check_picture(path)
    return (written, None) if beside is None else (written[:-1], written[-1])
