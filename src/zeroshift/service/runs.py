"""What a device does at a time: edits that go together, or a look at a picture."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial

from PIL import Image

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.conditioning.direction import Direction
from zeroshift.doubts import heard
from zeroshift.editor import Editor
from zeroshift.framed import FramedPhoto
from zeroshift.image import Fit, Photo
from zeroshift.image.tensors import to_pictures
from zeroshift.masks.masking import Failed as FailedPictures
from zeroshift.masks.masking import unfinished
from zeroshift.results import Result
from zeroshift.running.batching import groups
from zeroshift.running.grouping import Group
from zeroshift.running.groups import run_groups
from zeroshift.running.looking import look_at
from zeroshift.running.walking import Progress
from zeroshift.service.limits import MOST_UNFINISHED
from zeroshift.service.tickets import Done, Partial, Step, Ticket

ANY_MASK = GivenMask(sha256="0" * 64)
"""stands for the masks of edits that go together: each has a picture of its own"""


@dataclass(frozen=True, eq=False)
class Row:
    """One picture to make."""

    photo: Photo
    mask: Photo | None
    seed: int


@dataclass(frozen=True, eq=False)
class Edit:
    """One edit, of several photographs or with several seeds."""

    editor: Editor
    spec: EditSpec
    """its seed is that of the first row"""
    rows: tuple[Row, ...]
    direction: Direction | None = None
    partial: int = 0
    """unfinished pictures that are shown of each row"""

    @property
    def size(self) -> int:
        """How many pictures it makes."""
        return len(self.rows)

    @property
    def unfinished(self) -> bool:
        """Whether unfinished pictures are shown."""
        return self.partial > 0

    @cached_property
    def shared(self) -> EditSpec:
        """The edit without what each picture has of its own."""
        mask = ANY_MASK if isinstance(self.spec.mask, GivenMask) else self.spec.mask
        return self.spec.model_copy(update={"seed": 0, "mask": mask})

    @cached_property
    def key(self) -> object:
        """Edits of one model that differ in photograph, seed and mask go together; a strict one may refuse, alone."""
        if self.spec.strict:
            return object()
        along = None if self.direction is None else self.direction.sha256
        return id(self.editor), self.shared.model_dump_json(), along

    @property
    def device(self) -> str:
        """That of its model."""
        return str(self.editor.backbone.device)

    def run(self, ticket: Ticket) -> Iterator[None]:
        """Make it, and yield after every step."""
        yield from EditRun([ticket]).steps()


@dataclass(frozen=True, eq=False)
class Look:
    """A picture to say in words."""

    editor: Editor
    photo: Photo
    fit: Fit | None = None
    region: str | None = None
    size: int = 1

    @property
    def key(self) -> object:
        """Its own."""
        return self

    @property
    def device(self) -> str:
        """That of its model."""
        return str(self.editor.backbone.device)

    def run(self, ticket: Ticket) -> Iterator[None]:
        """Say what the picture shows."""
        try:
            ticket.end(Done(seen=self.editor.see(self.photo, fit=self.fit, region=self.region)))
        except ValueError as error:
            ticket.fail(error)
        yield


def run_together(tickets: Sequence[Ticket]) -> Iterator[None]:
    """Do what the tickets of one key ask for, and yield after every step; whoever goes on no more has cancelled it."""
    if len(tickets) > 1:  # edits alone have keys that are equal
        yield from EditRun(tickets).steps()
    else:
        yield from tickets[0].job.run(tickets[0])


class EditRun:
    """Edits that go together, on their way."""

    def __init__(self, tickets: Sequence[Ticket]) -> None:
        jobs = [(ticket, ticket.job) for ticket in tickets if isinstance(ticket.job, Edit)]
        self._rows = [(ticket, job, n) for ticket, job in jobs for n in range(job.size)]
        self._lead, self._failed = jobs[0][1], FailedPictures()
        self._found: dict[Ticket, dict[int, Result]] = {ticket: {} for ticket in tickets}
        self._said: dict[Ticket, list[str]] = {ticket: [] for ticket in tickets}
        self._shown: dict[Ticket, int] = {}

    def steps(self) -> Iterator[None]:
        """Yield after every step, and tell the tickets."""
        lead = self._lead
        seeds = [job.rows[n].seed for _, job, n in self._rows]
        work = groups(
            lead.editor, self._frames(), [lead.shared], direction=lead.direction, seeds=seeds, failed=self._failed
        )
        for group in work:
            yield from self._group(group)
            self._tell_failed()
        self._tell_failed()

    def _frames(self) -> Iterator[FramedPhoto]:
        """Frame one photograph after another; one that is unusable, or that nobody waits for, is left out."""
        for place, (ticket, job, n) in enumerate(self._rows):
            row = job.rows[n]
            try:
                if ticket.over:
                    raise ValueError("Nobody waits for this picture.")
                with heard() as said:
                    (frame,) = look_at(job.editor, [row.photo], job.spec, mask=row.mask)
            except ValueError as error:
                self._failed[place] = error
            else:
                self._said[ticket] += said
                yield frame

    def _group(self, group: Group) -> Iterator[None]:
        """Run one group, as long as somebody waits for it."""
        waiting = [self._rows[place][0] for place in group.members]
        with closing(run_groups(self._lead.editor, [group], failed=self._failed)) as run:  # type: ignore[type-var]
            for part, step in run:
                self._tell(part, step)
                yield
                if all(ticket.over for ticket in waiting):
                    return

    def _tell(self, group: Group, step: Progress) -> None:
        for k, place in enumerate(group.members):
            ticket, job, n = self._rows[place]
            if step.results:
                self._found[ticket][n] = step.results[k][0]
                found = self._found[ticket]
                if len(found) == job.size:
                    fewer = [fewer_shown(self._shown.get(ticket, 0), job.partial, step.total)] if job.partial else []
                    said = (*self._said[ticket], *filter(None, fewer), *said_of(found[row] for row in range(job.size)))
                    ticket.end(Done(tuple(found[row] for row in range(job.size)), tuple(dict.fromkeys(said))))
                continue
            ticket.tell(Step(step.stage, step.done, step.total))
            index = partial_at(step, job.partial)
            if index is not None and not ticket.over:
                self._shown[ticket] = index + 1
                ticket.tell(Partial(n, index, self._partial(group.frames[k], step, k)))

    def _partial(self, frame: FramedPhoto, step: Progress, k: int) -> Callable[[], Image.Image]:
        assert step.latents is not None
        (native,) = to_pictures(self._lead.editor.backbone.decode(step.latents[k : k + 1]))
        return partial(unfinished, native, frame, self._lead.spec.soft, MOST_UNFINISHED)

    def _tell_failed(self) -> None:
        for place, error in self._failed.items():
            self._rows[place][0].fail(error)


def said_of(results: Iterable[Result]) -> Iterator[str]:
    """Yield what is doubtful about results, and what to try where the target cannot be seen."""
    for result in results:
        yield from result.warnings
        if result.note is not None:
            yield result.note
        if result.verdict is not None and result.verdict.advice is not None:
            yield result.verdict.advice


def partial_at(step: Progress, count: int) -> int | None:
    """Which of ``count`` unfinished pictures is shown after this step; they part the edit's steps evenly.

    After each step but the last there can be one: where there are fewer steps, there are fewer pictures.
    """
    if step.latents is None:
        return None
    count = min(count, step.total - 1)
    due = [-(-(k + 1) * step.total // (count + 1)) for k in range(count)]
    return due.index(step.done) if step.done in due else None


def fewer_shown(shown: int, count: int, steps: int) -> str | None:
    """What is said where fewer unfinished pictures were shown of each than were asked for."""
    if shown >= count:
        return None
    there = "no unfinished picture" if not shown else f"{shown} unfinished picture{'s' if shown > 1 else ''}"
    return f"There was room for {there}, not {count}, since the edit took {steps} step{'s' if steps > 1 else ''}."
