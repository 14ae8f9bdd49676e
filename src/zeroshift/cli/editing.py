"""What is asked for on the command line of an edit: which edits of which pictures, in which files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zeroshift.captioning import Vocabulary
from zeroshift.cli.files import PhotographFlags, ResultFlags
from zeroshift.cli.flags import Given, put
from zeroshift.cli.idle import check_idle
from zeroshift.cli.output import check_apart, check_picture, places, slug
from zeroshift.cli.shared import checked_method
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.conditioning.task import Task, check_target, make_task
from zeroshift.options.fields import fields_of
from zeroshift.request import Request, check_shared


@dataclass(frozen=True)
class Wanted:
    """One edit of a picture."""

    task: Task
    given: Given
    label: str
    """its part of a file name"""


@dataclass(frozen=True)
class Unseen:
    """One edit of pictures that have still to be looked at."""

    target: str
    given: Given
    label: str

    def seen(self, caption: str, vocabulary: Vocabulary) -> Wanted:
        """Return the same of a picture with this caption.

        Raises:
            ValueError: the target says what the caption says.
        """
        return Wanted(vocabulary.retarget(caption, self.target), self.given, self.label)


def asked_for(
    source: str,
    targets: Sequence[str],
    prompt: str | None,
    direction: Path | None,
    method: str,
    given: Given,
    strengths: str | None,
    photograph: bool = True,
) -> list[Wanted]:
    """Return the edits: every target at every strength.

    Raises:
        Wrong: a word, an option or a value makes no sense.
    """
    with usage():
        tasks = [make_task(source, target, prompt) for target in targets]
    spread = checked_options(direction, method, given, strengths)
    with usage():  # a part that speaks of words looks whether they stand in the prompts
        check_shared([Request(t, checked_method(method, options)) for t in tasks for _, options in spread], photograph)
    return [Wanted(task, options, slug(task.target) + ending) for task in tasks for ending, options in spread]


def asked_for_unseen(
    targets: Sequence[str],
    prompt: str | None,
    direction: Path | None,
    method: str,
    given: Given,
    strengths: str | None,
    photographs: int,
) -> list[Unseen]:
    """Return the edits where nothing is said of the source: every target at every strength.

    Raises:
        Wrong: an option or a value makes no sense, a target is empty, or there is nothing to look at.
    """
    check_unseen(prompt, photographs)
    with usage():
        for target in targets:
            check_target(target)
    spread = checked_options(direction, method, given, strengths)
    return [Unseen(target, options, slug(target) + ending) for target in targets for ending, options in spread]


def check_unseen(prompt: str | None, photographs: int) -> None:
    """Refuse a command line without --source that needs one.

    Raises:
        Wrong: there is no photograph, or a prompt without the word that stands for what it shows.
    """
    if prompt is not None:
        raise Wrong("--prompt is a sentence with the word --source in it; give both, or leave both out.")
    if not photographs:
        raise Wrong("Without a photograph there is nothing to look at; say with --source what shall be generated.")


def checked_options(
    direction: Path | None, method: str, given: Given, strengths: str | None
) -> list[tuple[str, Given]]:
    """Return the options at every strength, with the ending of their file names.

    Raises:
        Wrong: an option or a value makes no sense.
    """
    spread = spread_out(method, given, strengths) if strengths else [("", given)]
    built = [checked_method(method, options) for _, options in spread]
    check_idle(built[0], given)
    if direction is not None and "sentences" not in fields_of(type(built[0].conditioning)):
        raise Wrong(f"--direction means nothing to --conditioning {built[0].conditioning.kind}; leave one of them out.")
    return spread


def check_used(given: Given, *, photographs: bool, inverted: bool, words: bool, strengths: bool) -> None:
    """Refuse options that would do nothing.

    ``inverted``: a photograph is inverted in this run. ``words``: the direction comes from the words, not from a file.

    Raises:
        Wrong: there is one.
    """
    conditioning = parts(given, "conditioning")
    if not photographs and "inversion" in given:
        raise Wrong("--inversion and its options are for a photograph, and none is given; give one, or leave them out.")
    if parts(given, "control").get("maps_from") == "inversion" and not inverted:
        raise Wrong(
            "--maps-from inversion takes maps while a photograph is inverted, and none is in this run; give one "
            "without --inversion-file, or leave that out."
        )
    if not words and (idle := [f"--{name}" for name in ("words", "sentences") if name in conditioning]):
        raise Wrong(f"{' and '.join(idle)} say how a direction is made, and --direction gives a saved one; choose one.")
    if conditioning.get("words") == "swap" and "sentences" in conditioning:
        raise Wrong("--words swap makes a direction of two prompts without --sentences; leave one of them out.")
    if strengths and "strength" in conditioning:
        raise Wrong("--strength and --strengths say the same thing; give one of them.")


def parts(given: Given, name: str) -> Mapping[str, object]:
    """Return the options of one part that were given."""
    found = given.get(name, {})
    return found if isinstance(found, Mapping) else {}


def spread_out(method: str, given: Given, strengths: str) -> list[tuple[str, Given]]:
    """Return the options at each of several strengths, with the ending of their file names.

    Raises:
        Wrong: the conditioning has no strength, or these are no numbers.
    """
    conditioning = checked_method(method, given).conditioning
    if "strength" not in fields_of(type(conditioning)):
        raise Wrong(f"--conditioning {conditioning.kind} has no --strength, so --strengths means nothing to it.")
    spread = []
    for text in strengths.split(","):
        try:
            strength = float(text)
        except ValueError as error:
            raise Wrong(f"--strengths takes numbers with commas between, as in 0.5,1, not {strengths!r}.") from error
        options: Given = {**given, "conditioning": {**parts(given, "conditioning")}}
        put(options, ("conditioning", "strength"), strength)
        spread.append((f"-{strength:g}", options))
    return spread


def named(images: Sequence[Path], source: str | None, wanted: Sequence[Wanted | Unseen]) -> list[str]:
    """Return the names of all results, the edits of one picture side by side."""
    stems = [image.stem for image in images] or [slug(source or "")]
    return [f"{stem}-{edit.label}" for stem in stems for edit in wanted]


def result_files(
    images: Sequence[Path],
    source: str | None,
    wanted: Sequence[Wanted | Unseen],
    direction: Path | None,
    photographs: PhotographFlags,
    results: ResultFlags,
) -> list[Path]:
    """Return the files of all results, the edits of one picture side by side, and see that each can be written.

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
