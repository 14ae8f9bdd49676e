"""The work of an edit on the command line: its runs, and what becomes of their results."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from zeroshift.batching import framed_alike, groups, look_at, run_group
from zeroshift.cli.files import PhotographFlags, ResultFlags
from zeroshift.cli.output import relative, tell, warn
from zeroshift.cli.previews import Previews
from zeroshift.cli.progress import follow
from zeroshift.cli.sentences_from import keep_made
from zeroshift.cli.shared import Loudness
from zeroshift.image import before_after, load_image, save_image

if TYPE_CHECKING:
    from zeroshift.conditioning.direction import Direction
    from zeroshift.diffusion.trajectory import Trajectory
    from zeroshift.editor import Editor
    from zeroshift.edits import EditSpec
    from zeroshift.grouping import Group
    from zeroshift.image import Photo
    from zeroshift.results import FramedPhoto, Result

SHOWN = 256
"""height in pixels that before and after have at least: a small model's pictures are hard to look at"""


@dataclass(frozen=True)
class Job:
    """Everything that an edit needs besides the model."""

    images: Sequence[Path]
    """photographs; none where the source is generated"""
    files: Sequence[Path]
    """of the results: the edits of one picture side by side"""
    beside: Path | None
    """file of one result beside its source"""
    specs: "Sequence[EditSpec]"
    """the edits of every picture"""
    direction: Path | None
    mask: "Photo | None"
    """the picture of the mask, if it is one"""
    photographs: PhotographFlags
    results: ResultFlags
    loaded: float
    """seconds that the model took to load"""
    loud: Loudness

    def file(self, member: int, edit: int) -> Path:
        """File of one edit of one picture."""
        return self.files[member * len(self.specs) + edit]


def carry_out(job: Job, editor: "Editor", along: "Direction | None") -> None:
    """Run everything and write the results.

    Raises:
        Wrong: a preview would be written over another file.
        ValueError: the work cannot be done, or a file cannot be written.
    """
    previews = previews_of(job, editor)
    said = set[str]()
    for group in groups_of(job, editor, along):
        doubts = dict.fromkeys(doubt for request in group.requests for doubt in request.doubts)
        warn([doubt for doubt in doubts if doubt not in said], job.loud)
        said |= doubts.keys()
        steps = run_group(editor, group, trajectory=saved(job, editor, group))
        if previews is not None:
            steps = previews.written(editor, group, steps)
        last, seconds = follow(steps, job.loud.silent)
        for row, member in enumerate(group.members):
            for edit, result in zip(group.edits, last.results[row], strict=True):
                frame = group.frames[row] if job.images else None
                made = keep_made(editor.directions, job.file(member, edit).parent / "directions")
                deliver(job, (member, edit), frame, result, seconds, made)


def groups_of(job: Job, editor: "Editor", along: "Direction | None") -> "Iterator[Group]":
    """What runs together; edits of the whole picture have other frames than those of its subject.

    Raises:
        ValueError: a photograph is unusable, or the work cannot be done.
    """
    parts = framed_alike(editor, job.specs) if job.images else [tuple(range(len(job.specs)))]
    for part in parts:
        specs = [job.specs[n] for n in part]
        frames = frames_of(job, editor, specs[0]) if job.images else None
        for group in groups(editor, frames, specs, direction=along, batch=job.photographs.together):
            yield replace(group, edits=tuple(part[n] for n in group.edits))


def frames_of(job: Job, editor: "Editor", spec: "EditSpec") -> "Iterator[FramedPhoto]":
    """Open the photographs one after another; say on stderr what of them was chosen and seen, and was not asked for.

    Raises:
        ValueError: a photograph is unusable.
        Unsupported: nothing is said of the source, and the model has no captioner.
    """
    photos = (load_image(image, max_megapixels=job.photographs.megapixels) for image in job.images)
    frames = look_at(editor, photos, spec, mask=job.mask, batch=job.photographs.together)
    return told(job.images, frames, job.loud)


def told(images: Sequence[Path], frames: "Iterator[FramedPhoto]", loud: Loudness) -> "Iterator[FramedPhoto]":
    """Say on stderr which part of each photograph was chosen as it comes, and what is seen in it."""
    for image, frame in zip(images, frames, strict=True):
        if frame.part is not None and not loud.silent:
            print(f"{image}: edits {frame.part}", file=sys.stderr)
        if frame.caption is not None and not loud.silent:
            sure = frame.seen is None or frame.seen.sure
            print(f"{image}: {'sees' if sure else 'not sure, perhaps'} {frame.caption}", file=sys.stderr)
        yield frame


def previews_of(job: Job, editor: "Editor") -> Previews | None:
    """What is written on the way, if it was asked for; nothing of it is in the way of another file.

    Raises:
        Wrong: something is.
        ValueError: nothing can be written there.
    """
    if job.results.previews is None:
        return None
    names, spec = [path.stem for path in job.files], job.specs[0]
    previews = Previews(job.results.previews, job.results.preview_every or 1, names, len(job.specs), job.images)
    method = editor.method(spec.method, spec.options, spec.paper_defaults)
    return previews.settled(method, [*job.images, *job.files, job.beside], job.results.overwrite)


def saved(job: Job, editor: "Editor", group: "Group") -> "Trajectory | None":
    """Read the saved inversion, if one was given.

    Raises:
        ValueError: it is of another picture or other options.
    """
    path = job.photographs.inversion_file
    if path is None:
        return None
    from zeroshift.diffusion.agreement import check_facts, check_tensors
    from zeroshift.diffusion.trajectory import load_trajectory
    from zeroshift.request import inversion_facts

    trajectory, facts = load_trajectory(path, editor.backbone)
    wanted = inversion_facts(editor.backbone, group.frames, group.requests[0], seeds=group.seeds)
    warnings = check_facts(path, facts, wanted)
    check_tensors(path, trajectory, editor.backbone, group.frames[0].pixels.size, len(group.frames))  # names the file
    warn(warnings, job.loud)
    return trajectory


def deliver(
    job: Job,
    place: tuple[int, int],
    frame: "FramedPhoto | None",
    result: "Result",
    seconds: float,
    made: Mapping[str, Path],
) -> None:
    """Write the result of an edit of a picture, both by their place, and say where it is.

    ``made`` has the files of directions that a generator made, by their hash.
    """
    path, native = job.file(*place), job.results.native
    image = job.images[place[0]] if job.images else None
    recipe = {**result.recipe, "native": native}
    if image is not None:
        recipe["source_path"] = relative(image, path)
    along = job.direction or made.get(str(recipe.get("direction_sha256")))
    if along is not None:
        recipe["direction_path"] = relative(along, path)
    if job.photographs.mask_file is not None:
        recipe["mask_path"] = relative(job.photographs.mask_file, path)
    picture = result.native if native else result.image
    save_image(picture, path, recipe=recipe)
    beside, before = job.beside, before_of(frame, result, native)
    if beside is not None and before is not None:
        both = before_after(enlarged(before), enlarged(picture))
        save_image(both, beside, recipe={**recipe, "command": "before-after"})
    source, extra = str(image) if image else None, str(beside) if beside else None
    facts = {"target": recipe["target"], "source": source, "before_after": extra, "warnings": list(result.warnings)}
    facts |= drifted(result, job.loud)
    verdict = result.verdict
    facts["verdict"] = None if verdict is None else asdict(verdict)
    remark = f"; the model took {job.loaded:.1f} s to load{f'; before and after: {extra}' if extra else ''}"
    tell(path, seconds, {**facts, "recipe": recipe}, job.loud, remark)
    warn([f"{path}: {verdict.advice}"] if verdict is not None and verdict.advice else [], job.loud)


def drifted(result: "Result", loud: Loudness) -> dict[str, object]:
    """How the edit differs from its source, which takes a moment to find out, for those who read data."""
    return {"drift": asdict(result.drift)} if loud.json else {}


def before_of(frame: "FramedPhoto | None", result: "Result", native: bool) -> Image.Image | None:
    """What an edit is compared with: the photograph, or what the model saw of it, or the generated source."""
    if frame is None:
        return result.reconstruction
    return frame.pixels if native else frame.photo.image


def enlarged(picture: Image.Image) -> Image.Image:
    """The picture at ``SHOWN`` pixels of height if it has less."""
    if picture.height >= SHOWN:
        return picture
    return picture.resize((round(picture.width * SHOWN / picture.height), SHOWN), Image.Resampling.LANCZOS)
