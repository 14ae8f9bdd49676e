"""The work of an edit on the command line: its runs, and what becomes of their results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from zeroshift.cli.files import PhotographFlags, ResultFlags
from zeroshift.cli.output import relative, tell
from zeroshift.cli.previews import Previews
from zeroshift.cli.progress import follow
from zeroshift.cli.shared import Loudness
from zeroshift.image import Fit, Photo, before_after, frame, save_image

if TYPE_CHECKING:
    from zeroshift.diffusion.trajectory import Trajectory
    from zeroshift.editor import Editor
    from zeroshift.request import Request
    from zeroshift.results import Result
    from zeroshift.translate import Progress

SHOWN = 256
"""height in pixels that before and after have at least: a small model's pictures are hard to look at"""


@dataclass(frozen=True)
class Job:
    """Everything that an edit needs besides the model."""

    images: Sequence[Path]
    pictures: Sequence[Photo]
    """the same, read; none where the source is generated"""
    captions: Sequence[str]
    """what was seen in each; none where the source is given in words"""
    files: Sequence[Path]
    """of the results: the edits of one picture side by side"""
    requests: "Sequence[Request]"
    direction: Path | None
    seed: int
    photographs: PhotographFlags
    results: ResultFlags
    loaded: float
    """seconds that the model took to load"""
    loud: Loudness

    def of(self, member: int) -> Sequence[Path]:
        """Return the files of one picture's results."""
        count = len(self.requests)
        return self.files[member * count : (member + 1) * count]


def carry_out(job: Job, editor: "Editor") -> None:
    """Run everything and write the results.

    Raises:
        Wrong: a preview would be written over another file.
        ValueError: the work cannot be done, or a file cannot be written.
    """
    previews = previews_of(job)
    for members, steps in runs(job, editor):
        if previews is not None:
            sources = {k: job.pictures[k] for k in members if job.pictures}
            steps = previews.written(editor, job.requests, sources, steps)
        last, seconds = follow(steps, job.loud.silent)
        for member, row in zip(members, last.results, strict=True):
            for path, result in zip(job.of(member), row, strict=True):
                deliver(job, editor, member, result, path, seconds)


def previews_of(job: Job) -> Previews | None:
    """Return what is written on the way, if it was asked for; nothing of it is in the way of another file.

    Raises:
        Wrong: something is.
        ValueError: nothing can be written there.
    """
    if job.results.previews is None:
        return None
    names = [path.stem for path in job.files]
    previews = Previews(job.results.previews, job.results.preview_every or 1, names, job.images, job.seed)
    apart = [*job.images, *job.files, job.results.before_after]
    previews.check(job.requests[0].method, apart)
    return previews


def runs(job: Job, editor: "Editor") -> "Iterator[tuple[list[int], Iterator[Progress]]]":
    """Yield the runs: pictures of one framed size together, by index, in groups; without any, one generated source.

    Raises:
        ValueError: the saved inversion is of another picture or other options.
    """
    if not job.pictures:
        yield [0], editor.run_generated(job.requests, seed=job.seed)
        return
    fit, most = job.photographs.fit or editor.default_fit, job.photographs.together
    for alike in editor.batches(job.pictures, fit=fit):
        for members in (alike[k : k + most] for k in range(0, len(alike), most)):
            batch = [job.pictures[k] for k in members]
            trajectory = saved(job, editor, batch, fit)
            yield members, editor.run(batch, job.requests, seed=job.seed, fit=fit, trajectory=trajectory)


def saved(job: Job, editor: "Editor", batch: Sequence[Photo], fit: Fit) -> "Trajectory | None":
    """Read the saved inversion, if one was given.

    Raises:
        ValueError: it is of another picture or other options.
    """
    path = job.photographs.inversion_file
    if path is None:
        return None
    from zeroshift.diffusion.trajectory import check_facts, load_trajectory
    from zeroshift.request import inversion_facts

    trajectory, facts = load_trajectory(path, editor.backbone)
    check_facts(
        path, facts, inversion_facts(editor.backbone, batch, job.requests[0], seeds=[job.seed] * len(batch), fit=fit)
    )
    return trajectory


def seen(job: Job, editor: "Editor", member: int) -> Image.Image:
    """Return what an edit is compared with: the photograph, or what the model saw of it if that is what is written."""
    picture = job.pictures[member]
    if not job.results.native:
        return picture.image
    fit, backbone = job.photographs.fit or editor.default_fit, editor.backbone
    return frame(picture.image, fit, size=backbone.size, multiple=backbone.multiple)[0]


def deliver(job: Job, editor: "Editor", member: int, result: "Result", path: Path, seconds: float) -> None:
    """Write a result and say where it is."""
    recipe = {**result.recipe, "native": job.results.native}
    if job.captions:
        recipe["caption"] = job.captions[member]
    if job.images:
        recipe["source_path"] = relative(job.images[member], path)
    if job.direction is not None:
        recipe["direction_path"] = relative(job.direction, path)
    picture = result.native if job.results.native else result.image
    save_image(picture, path, recipe=recipe)
    beside = job.results.before_after
    before = seen(job, editor, member) if job.images else result.reconstruction
    if beside is not None and before is not None:
        both = before_after(enlarged(before), enlarged(picture))
        save_image(both, beside, recipe={**recipe, "command": "before-after"})
    source, extra = str(job.images[member]) if job.images else None, str(beside) if beside else None
    facts = {"target": recipe["target"], "source": source, "before_after": extra}
    remark = f"; the model took {job.loaded:.1f} s to load{f'; before and after: {extra}' if extra else ''}"
    tell(path, seconds, {**facts, "recipe": recipe}, job.loud, remark)


def enlarged(picture: Image.Image) -> Image.Image:
    """Return the picture at ``SHOWN`` pixels of height if it has less."""
    if picture.height >= SHOWN:
        return picture
    return picture.resize((round(picture.width * SHOWN / picture.height), SHOWN), Image.Resampling.LANCZOS)
