"""Second tries: where the target is not clear in a result, other ways are tried, one after another.

A method that keeps the structure of a photograph fails where the target has another one: a cat that holds its head up
has no room for a dog's muzzle. After another inversion the same method may succeed, and keeps as much; another method,
which begins in noise, makes room, but keeps less, and is asked where the target can hardly be seen. Where a critic says
how good results look, the target's kinds are tried, such as breeds, some of which a small model draws better than the
animal as such. And a face of which the model sees more pixels may be clearer, so that a part that was found is tried
from nearer.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from zeroshift.asked.request import Request
from zeroshift.captioning import Judge, Rating
from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.framed import FramedPhoto, framed_as
from zeroshift.frames import Choice, nearer
from zeroshift.image.framing import Within
from zeroshift.image.regions import Region
from zeroshift.inversions import InversionStore
from zeroshift.memory.room import is_shortage
from zeroshift.methods import Method
from zeroshift.model import Model
from zeroshift.results import Result
from zeroshift.running.grouping import Group
from zeroshift.running.measure import Measure, clarity_of, measure_of
from zeroshift.running.translate import translate
from zeroshift.running.walking import AGAIN, Progress
from zeroshift.sentences import with_article
from zeroshift.verdicts import with_verdicts


def with_second_tries(
    editor: Model, steps: Iterator[Progress], group: Group, inversions: InversionStore | None
) -> Iterator[Progress]:
    """The steps of a group's run with verdicts and of its second tries, the last with the results that are taken.

    Where memory runs out in one, what was there before it stays. ``inversions`` are those of the run, if they are kept.
    """
    for step in steps:
        yield step if not step.results else (yield from _clearer(editor, step, group, inversions))


def _clearer(
    editor: Model, last: Progress, group: Group, inversions: InversionStore | None
) -> Generator[Progress, None, Progress]:
    """Do the second tries of results that need one; the last step with the results that are taken is returned."""
    columns = []
    for n, request in enumerate(group.requests):
        tries = _Tries(editor, group, request, [row[n] for row in last.results], inversions)
        columns.append((yield from tries.taken()))
    return replace(last, results=tuple(zip(*columns, strict=True)))


class _Tries:
    """The second tries of one request of a group."""

    def __init__(
        self, editor: Model, group: Group, request: Request, results: list[Result], inversions: InversionStore | None
    ) -> None:
        self.editor, self.group, self.request, self.inversions = editor, group, request, inversions
        self.first, self.results = [*results], results
        """what the method made, and what is taken so far"""
        self.tasks = [request.task for _ in results]
        """what the pictures are edited into so far: what was asked for, or a kind of it"""

    def taken(self) -> Generator[Progress, None, list[Result]]:
        """Try what is to be tried; the results that are taken are returned, one per picture."""
        measure = measure_of(self.editor, self.request) if self.request.tries else None
        if measure is not None and measure.of_looks:
            yield from self.of_kinds(measure)
        for method in self.request.tries:
            yield from self.by(method, measure)
        if measure is not None:
            yield from self.from_nearer(measure)
        return self.results

    def by(self, method: Method, measure: Measure | None) -> Generator[Progress, None, None]:
        """Try another method where the target is not clear; what is clearer and looks worse is not taken."""
        judge, usual = self.editor.judge, self.request.method
        other = method.name != usual.name
        rows = [k for k, result in enumerate(self.results) if unclear(result, judge, hardly=other)]
        made = yield from self.made([replace(self.request, method=method)], rows)
        for k, (result,) in zip(rows, made, strict=False):
            clearer = isinstance(judge, Rating) and is_clearer(result, self.results[k], judge.clearer_by)
            if clearer and measure is not None and measure.in_order([self.results[k], result], self.group.frames[k]):
                self.tasks[k] = self.request.task
                self.results[k] = replace(result, note=note_of(self.first[k], usual, method, judge))

    def of_kinds(self, measure: Measure) -> Generator[Progress, None, None]:
        """Try the target's kinds, which share a walk of the source branch, where results do not look good enough."""
        kinds = self.request.kinds
        values = measure.values(self.results, self.group.frames) if kinds else []
        rows = [k for k, value in enumerate(values) if value < measure.enough]
        made = yield from self.made([replace(self.request, task=kind) for kind in kinds], rows)
        for k, results in zip(rows, made, strict=False):
            found = measure.values(results, [self.group.frames[k]] * len(results))
            best = max(range(len(found)), key=lambda n: found[n])
            if measure.is_better(found[best], values[k]):
                self.tasks[k] = kinds[best]
                self.results[k] = replace(results[best], note=kind_of(kinds[best], self.request.task))

    def from_nearer(self, measure: Measure) -> Generator[Progress, None, None]:
        """Try what was found from nearer where it is not clear, or does not look good, enough."""
        if self.request.nearer is None:
            return
        values = measure.values(self.results, self.group.frames)
        near = {
            k: frame
            for k, usual in enumerate(self.group.frames)
            if values[k] < measure.enough and (frame := nearer_still(self.editor.backbone, usual, self.request.nearer))
        }
        for task in dict.fromkeys(self.tasks[k] for k in near):
            rows = [k for k in near if self.tasks[k] == task]
            made = yield from self.made([replace(self.request, task=task)], rows, [near[k] for k in rows])
            for k, (result,) in zip(rows, made, strict=False):
                (value,) = measure.values([result], [self.group.frames[k]])
                if measure.is_better(value, values[k]):
                    kind = None if task == self.request.task else kind_of(task, self.request.task)
                    self.results[k] = replace(result, note=joined(kind, measure.nearer))

    def made(
        self, requests: Sequence[Request], rows: Sequence[int], frames: Sequence[FramedPhoto] | None = None
    ) -> Generator[Progress, None, list[list[Result]]]:
        """What requests make of the pictures in these rows, or of other ``frames`` of them; nothing without memory.

        Where memory is too small for several requests together they are made one after another.
        """
        if not rows:
            return []
        try:
            return (yield from self.walked(requests, rows, frames))
        except (RuntimeError, MemoryError) as error:
            if not is_shortage(error):
                raise
        if len(requests) == 1:
            return []
        each = []
        for request in requests:
            each.append((yield from self.made([request], rows, frames)))
            if not each[-1]:
                return []
        return [[result for (result,) in of_one] for of_one in zip(*each, strict=True)]

    def walked(
        self, requests: Sequence[Request], rows: Sequence[int], frames: Sequence[FramedPhoto] | None
    ) -> Generator[Progress, None, list[list[Result]]]:
        """The same; a shortage is raised."""
        editor, group = self.editor, self.group
        again = [replace(request, tries=(), kinds=(), nearer=None) for request in requests]
        frames = [group.frames[k] for k in rows] if frames is None else frames
        steps = translate(
            editor.backbone,
            frames,
            again,
            seeds=[group.seeds[k] for k in rows],
            inversions=self.inversions,
            vgg=editor.vgg,
            segmenter=editor.segmenter,
            restorer=editor.restorer,
        )
        for step in with_verdicts(editor.judge, steps, again, frames):
            if not step.results:
                yield replace(step, stage=AGAIN, latents=None)
        return [[*row] for row in step.results]


def nearer_still(backbone: Backbone, frame: FramedPhoto, within: Within) -> FramedPhoto | None:
    """What is taken ``within`` a part that was found, with what was said of it.

    None where no part was found, or no less of it can be taken.
    """
    region = frame.region
    if region is None or frame.part is None or frame.mask is not None:
        return None
    box = nearer(region, within, frame.photo.image.size)
    if box == region:
        return None
    part = frame.part.replace(str(Region.of(region)), str(Region.of(box)), 1)
    near = framed_as(backbone, frame.photo, Choice(frame.fit, box, part, size=frame.size))
    return replace(near, caption=frame.caption, seen=frame.seen)


def unclear(result: Result, judge: Judge | None, *, hardly: bool) -> bool:
    """Whether the target can be seen less clearly than is enough, or ``hardly``."""
    return isinstance(judge, Rating) and clarity_of(result) < (judge.hardly if hardly else judge.enough)


def is_clearer(result: Result, before: Result, by: float) -> bool:
    """Whether a result shows the target, and that by so much more clearly than another."""
    return clarity_of(result) >= max(clarity_of(before) + by, 0.0)


def note_of(first: Result, usual: Method, tried: Method, judge: Judge | None) -> str:
    """What is to be known of a result that is taken in place of the ``first`` one."""
    hardly = "hardly showed the target" if unclear(first, judge, hardly=True) else "showed the target less clearly"
    shown = "did not show the target" if clarity_of(first) < 0 else hardly
    whose = f"{tried.name}'s" if tried.name != usual.name else f"what it made after {tried.inversion.kind} inversion"
    return f"What {usual.name} made {shown}; this is {whose}."


def kind_of(kind: Task, asked: Task) -> str:
    """What is to be known of a result that shows a ``kind`` of what was asked for."""
    return f"{with_article(kind.target).capitalize()} looks better here than {with_article(asked.target)} as such."


def joined(*notes: str | None) -> str:
    """Notes one after another, those that are there."""
    return " ".join(note for note in notes if note)
