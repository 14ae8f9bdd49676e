"""The work of an edit on the command line: its runs, and what becomes of their results."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.cli.delivery import Place, deliver, finished
from zeroshift.cli.editing import Photograph, Written
from zeroshift.cli.files import PhotographFlags, ResultFlags
from zeroshift.cli.output import tell_moved, warn
from zeroshift.cli.previews import Previews
from zeroshift.cli.progress import Pace, shown
from zeroshift.cli.remarks import other_target, refusal, say, told
from zeroshift.cli.saved import saved
from zeroshift.cli.shared import Loudness
from zeroshift.image import ImageError, unreadable
from zeroshift.inversions import InversionMemory
from zeroshift.masks.masking import Failed
from zeroshift.running.batching import Senseless, groups
from zeroshift.running.groups import run_groups
from zeroshift.running.looking import framed_alike, look_at

if TYPE_CHECKING:
    from zeroshift.asked.edits import EditSpec
    from zeroshift.conditioning.direction import Direction
    from zeroshift.editor import Editor
    from zeroshift.framed import FramedPhoto
    from zeroshift.image import Photo
    from zeroshift.running.grouping import Group
    from zeroshift.running.walking import Progress


@dataclass(frozen=True)
class Job:
    """Everything that an edit needs besides the model."""

    photographs: Sequence[Photograph]
    """all that are named; none where the source is generated"""
    todo: Sequence[int]
    """which of them are edited, by their place"""
    failures: dict[int, Exception]
    """why others are not, by their place"""
    left_out: Senseless
    """why edits are left out, by the place of the photograph and of the edit"""
    written: Written
    specs: "Sequence[EditSpec]"
    """the edits of every picture"""
    direction: Path | None
    mask: "Photo | None"
    """the picture of the mask, if it is one"""
    flags: PhotographFlags
    results: ResultFlags
    loud: Loudness

    def place(self, photograph: int, edit: int) -> Place:
        """Where an edit of a photograph goes."""
        at = photograph * len(self.specs) + edit
        beside = self.written.beside[at] if self.written.beside else None
        picture = self.photographs[photograph] if self.photographs else None
        return Place(picture, self.written.results[at], beside, self.direction, self.flags.mask_file)


def plan(
    photographs: Sequence[Photograph],
    written: Written,
    specs: "Sequence[EditSpec]",
    direction: Path | None,
    mask: "Photo | None",
    flags: PhotographFlags,
    results: ResultFlags,
    loud: Loudness,
) -> Job:
    """What there is to do, after a look at the headers of the photographs.

    Raises:
        ImageError: one cannot be read, and the others shall not be done without it.
    """
    files, edits = written.results, len(specs)
    there = [results.skip_existing and os.path.lexists(path) for path in files]
    todo = [k for k in range(len(photographs)) if not all(there[k * edits : (k + 1) * edits])]
    if left := len(photographs) - len(todo):
        say(f"{left} of {len(photographs)} photographs have their results already.", loud)
    faults = unreadable([photographs[k].source for k in todo], flags.megapixels)
    if faults and not flags.keep_going:
        other = other_target(photographs[todo[min(faults)]].path)
        raise ImageError(refusal(list(faults.values()), len(photographs)) + other)
    failures: dict[int, Exception] = {todo[n]: error for n, error in faults.items()}
    todo = [k for k in todo if k not in failures]
    return Job(photographs, todo, failures, {}, written, specs, direction, mask, flags, results, loud)


def carry_out(job: Job, editor: "Editor", along: "Direction | None", loaded: float) -> None:
    """Run everything and write the results; ``loaded`` is how many seconds the model took to load.

    Raises:
        Wrong: a preview would be written over another file.
        ValueError: the work cannot be done, or a file cannot be written.
    """
    failed: Failed | None = {} if job.flags.keep_going else None
    runs = with_doubts(job, editor, groups_of(job, editor, along, failed))
    trajectory, wanted = saved(job.flags.inversion_file, editor, runs, job.loud)
    several = len({(spec.method, spec.seed) for spec in job.specs}) > 1 or len(parts_of(job, editor)) > 1
    kept = InversionMemory() if several else None
    steps = run_groups(editor, wanted, trajectory=trajectory, inversions=kept, failed=failed)
    write(job, editor, steps, failed, loaded)
    places = job.todo or [0]
    job.failures.update({places[n]: error for n, error in (failed or {}).items()})


def groups_of(job: Job, editor: "Editor", along: "Direction | None", failed: Failed | None) -> "Iterator[Group]":
    """What runs together; edits of the whole picture have other frames than those of its subject.

    Raises:
        ValueError: a photograph is unusable, or the work cannot be done.
    """
    for part in parts_of(job, editor):
        specs = [job.specs[n] for n in part]
        own: Failed | None = None if failed is None else {}  # places are counted by what fails among these frames
        single: Senseless = {}
        frames = frames_of(job, editor, specs[0], own) if job.photographs else None
        batch = job.flags.batch
        for group in groups(editor, frames, specs, direction=along, batch=batch, failed=own, senseless=single):
            note(job, part, own, single)
            yield replace(group, edits=tuple(part[n] for n in group.edits))
        note(job, part, own, single)


def parts_of(job: Job, editor: "Editor") -> list[tuple[int, ...]]:
    """The edits, by index, that take the same part of a photograph."""
    return framed_alike(editor, job.specs, near=near(job)) if job.photographs else [tuple(range(len(job.specs)))]


def near(job: Job) -> bool:
    """Whether of what is found only as much is edited as a target wants: a saved inversion was made of all of it."""
    return job.flags.inversion_file is None


def note(job: Job, part: Sequence[int], failed: Failed | None, senseless: Senseless) -> None:
    """Note what is left out of the edits of ``part``: of photographs that failed all of them."""
    left = senseless | {(k, n): error for k, error in (failed or {}).items() for n in range(len(part))}
    job.left_out.update({(job.todo[k], part[n]): error for (k, n), error in left.items()})


def write(
    job: Job, editor: "Editor", steps: "Iterator[tuple[Group, Progress]]", failed: Failed | None, loaded: float
) -> None:
    """Go through the runs, showing how far they are, and write what is finished as soon as it is."""
    previews = previews_of(job, editor)
    edits, total = len(job.specs), len(job.todo or [0]) * len(job.specs)
    pace = Pace(f"; the model took {loaded:.1f} s to load")
    ways = [vars(spec.bare_method.conditioning).get("words") for spec in job.specs]
    first = "direction" if job.direction is None and "sentences" in ways else None
    for group, step in shown(told_moved(job, steps), total, job.loud.silent, first):
        if previews is not None:
            previews.write(editor, group, step)
        if step.results:
            left = total - len(failed or ()) * edits - len(job.left_out)
            seconds, remark = pace.finished(len(group.members) * len(group.edits), left)
            write_group(job, editor, group, step, failed, seconds, remark)


def with_doubts(job: Job, editor: "Editor", runs: "Iterator[Group]") -> "Iterator[Group]":
    """Say on stderr before each run what is doubtful about its words and was not said before."""
    known, said = set[str](), set[str]()
    for group in runs:
        words = [w for w in dict.fromkeys(w for request in group.requests for w in request.unknown) if w not in known]
        others = dict.fromkeys(d for request in group.requests for d in request.doubts[bool(request.unknown) :])
        unknown = [editor.about_unknown(words)] if words else []
        warn([*unknown, *(doubt for doubt in others if doubt not in said)], job.loud)
        known.update(words)
        said |= others.keys()
        yield group


def told_moved(job: Job, steps: "Iterator[tuple[Group, Progress]]") -> "Iterator[tuple[Group, Progress]]":
    """Say on stderr with the first step which results get other names, now that they will come."""
    for n, one in enumerate(steps):
        if n == 0:
            tell_moved(job.written.wanted, job.written.every, job.loud)
        yield one


def write_group(
    job: Job,
    editor: "Editor",
    group: "Group",
    last: "Progress",
    failed: Failed | None,
    seconds: float,
    remark: str,
) -> None:
    """Write the results of one run, and say where they are; with ``failed`` what its format cannot hold is left out."""
    places = job.todo or [0]
    for row, member in enumerate(group.members):
        frame = group.frames[row] if group.frames else None
        for edit, result in zip(group.edits, last.results[row], strict=True):
            place = job.place(places[member], edit)
            if job.results.skip_existing and os.path.lexists(place.file):
                continue
            try:
                made = finished(place, frame, result, job.results, editor.directions)
            except ImageError as error:
                if failed is None:
                    raise
                failed[member] = error
            else:
                deliver(made, place, seconds, remark, job.loud)


def frames_of(job: Job, editor: "Editor", spec: "EditSpec", failed: Failed | None) -> "Iterator[FramedPhoto]":
    """Open the photographs one after another; say on stderr what of them was chosen and seen, and was not asked for.

    Raises:
        ValueError: a photograph is unusable.
        Unsupported: nothing is said of the source, and the model has no captioner.
    """
    pictures, megapixels = [job.photographs[k].source for k in job.todo], job.flags.megapixels
    frames = look_at(editor, pictures, spec, mask=job.mask, max_megapixels=megapixels, failed=failed, near=near(job))
    return told([job.photographs[k].path for k in job.todo], frames, job.loud, failed)


def previews_of(job: Job, editor: "Editor") -> Previews | None:
    """What is written on the way, if it was asked for; nothing of it is in the way of another file.

    Raises:
        Wrong: something is.
        ValueError: nothing can be written there.
    """
    if job.results.previews is None:
        return None
    edits, spec, todo = len(job.specs), job.specs[0], [job.photographs[k] for k in job.todo]
    names = [job.place(k, edit).file.stem for k in job.todo or [0] for edit in range(edits)]
    previews = Previews(job.results.previews, job.results.preview_every or 1, names, edits, todo)
    method = spec.built(editor)
    written = [*job.written.results, *job.written.beside, job.written.sheet]
    return previews.settled(method, [*(one.path for one in job.photographs), *written], job.results.overwrite)
