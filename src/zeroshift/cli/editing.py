"""The parts of an edit on the command line: what is asked for, in which runs, and what becomes of the results."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from zeroshift.cli.flags import Given, flags_of, put
from zeroshift.cli.output import check_picture, relative, slug, tell
from zeroshift.cli.shared import Loudness, checked_method, method_class
from zeroshift.cli.wrong import Wrong, usage
from zeroshift.conditioning.task import Task, make_task
from zeroshift.image import Fit, Source, before_after, frame, save_image

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.request import Request
    from zeroshift.translate import Progress, Result


SHOWN = 256
"""height in pixels that before and after have at least: a small model's pictures are hard to look at"""


@dataclass(frozen=True)
class Wanted:
    """One edit of every picture."""

    task: Task
    given: Given
    label: str
    """its part of a file name"""


@dataclass(frozen=True)
class Delivery:
    """What becomes of every result."""

    native: bool
    before_after: Path | None
    direction: Path | None
    loaded: float
    """seconds that the model took to load"""
    loud: Loudness


def asked_for(
    source: str,
    targets: Sequence[str],
    prompt: str | None,
    direction: Path | None,
    method: str,
    given: Given,
    strengths: str | None,
) -> list[Wanted]:
    """Return the edits: every target at every strength.

    Raises:
        Wrong: a word, an option or a value makes no sense.
    """
    with usage():
        tasks = [make_task(source, target, prompt, direction) for target in targets]
    spread = spread_out(method, given, strengths) if strengths else [("", given)]
    for _, options in spread:
        checked_method(method, options)
    return [Wanted(task, options, slug(task.target) + ending) for task in tasks for ending, options in spread]


def check_used(given: Given, *, photographs: bool, words: bool, strengths: bool, also: Collection[str]) -> None:
    """Refuse options that would do nothing.

    ``words``: the direction comes from the words, not from a file. ``also`` are those of the verb itself that were
    given and need a photograph.

    Raises:
        Wrong: there is one.
    """
    conditioning = parts(given, "conditioning")
    if not photographs and (idle := [*also, *({"--inversion"} if "inversion" in given else ())]):
        raise Wrong(
            f"{' and '.join(idle)} say what becomes of a photograph, and none is given; give one, or leave it out."
        )
    if not words and (idle := [f"--{name}" for name in ("words", "sentences") if name in conditioning]):
        raise Wrong(f"{' and '.join(idle)} say how a direction is made, and --direction gives a saved one; choose one.")
    if strengths and "strength" in conditioning:
        raise Wrong("--strength and --strengths say the same thing; give one of them.")


def parts(given: Given, name: str) -> Mapping[str, object]:
    """Return the options of one part that were given."""
    found = given.get(name, {})
    return found if isinstance(found, Mapping) else {}


def spread_out(method: str, given: Given, strengths: str) -> list[tuple[str, Given]]:
    """Return the options at each of several strengths, with the ending of their file names.

    Raises:
        Wrong: the method has no strength, or these are no numbers.
    """
    path = next((flag.path for flag in flags_of(method_class(method)) if flag.name == "strength"), None)
    if path is None:
        raise Wrong(f"{method} has no option --strength, so --strengths means nothing to it.")
    spread = []
    for text in strengths.split(","):
        try:
            strength = float(text)
        except ValueError as error:
            raise Wrong(f"--strengths takes numbers with commas between, as in 0.5,1, not {strengths!r}.") from error
        options: Given = {name: dict(part) if isinstance(part, Mapping) else part for name, part in given.items()}
        put(options, path, strength)
        spread.append((f"-{strength:g}", options))
    return spread


def named(images: Sequence[Path], source: str, wanted: Sequence[Wanted]) -> list[str]:
    """Return the names of all results, the edits of one picture side by side."""
    stems = [image.stem for image in images] or [slug(source)]
    return [f"{stem}-{edit.label}" for stem in stems for edit in wanted]


def check_beside(files: Sequence[Path], extra: Path | None) -> None:
    """See that a picture of before and after can be written.

    Raises:
        Wrong: there are several results to put beside one source, or its name has no picture's extension.
        ValueError: it cannot be written.
    """
    if extra is not None:
        if len(files) > 1:
            raise Wrong("--before-after shows one result beside its source; ask for one picture and one target.")
        check_picture(extra)


def runs(
    editor: "Editor",
    pictures: Sequence[Source],
    requests: "Sequence[Request]",
    *,
    seed: int,
    fit: Fit | None,
    inversion: Path | None,
) -> "Iterator[tuple[list[int], Iterator[Progress]]]":
    """Yield the runs: the pictures of one framed size together, by index; one generated source without pictures.

    Raises:
        ValueError: the saved inversion is of another picture or other options.
    """
    if not pictures:
        yield [0], editor.run_generated(requests, seed=seed)
        return
    fit, backbone = fit or editor.default_fit, editor.backbone
    for members in editor.batches(pictures, fit=fit):
        batch = [pictures[k] for k in members]
        trajectory = None
        if inversion is not None:
            from zeroshift.request import inversion_facts
            from zeroshift.trajectory import check_facts, load_trajectory

            trajectory, facts = load_trajectory(inversion, backbone)
            check_facts(inversion, facts, inversion_facts(backbone, batch, requests[0], seed=seed, fit=fit))
        yield members, editor.run(batch, requests, seed=seed, fit=fit, trajectory=trajectory)


def seen(editor: "Editor", picture: Source, fit: Fit | None, native: bool) -> Image.Image:
    """Return what an edit is compared with: the photograph, or what the model saw of it if that is what is written."""
    if not native:
        return picture.image
    backbone = editor.backbone
    return frame(picture.image, fit or editor.default_fit, size=backbone.size, multiple=backbone.multiple)[0]


def deliver(
    result: "Result", path: Path, image: Path | None, before: Image.Image | None, seconds: float, how: Delivery
) -> None:
    """Write a result and say where it is."""
    recipe = {**result.recipe, "native": how.native}
    if image is not None:
        recipe["source_path"] = relative(image, path)
    if how.direction is not None:
        recipe["direction_path"] = relative(how.direction, path)
    picture = result.native if how.native else result.image
    save_image(picture, path, recipe=recipe)
    shown = before or result.reconstruction
    if how.before_after is not None and shown is not None:
        both = before_after(enlarged(shown), enlarged(picture))
        save_image(both, how.before_after, recipe={**recipe, "command": "before-after"})
    beside = str(how.before_after) if how.before_after else None
    facts = {"target": recipe["target"], "source": str(image) if image else None, "before_after": beside}
    remark = f"; the model took {how.loaded:.1f} s to load{f'; before and after: {beside}' if beside else ''}"
    tell(path, seconds, {**facts, "recipe": recipe}, how.loud, remark)


def enlarged(picture: Image.Image) -> Image.Image:
    """Return the picture at ``SHOWN`` pixels of height if it has less."""
    if picture.height >= SHOWN:
        return picture
    return picture.resize((round(picture.width * SHOWN / picture.height), SHOWN), Image.Resampling.LANCZOS)
