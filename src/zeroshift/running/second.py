"""Second tries: where the target is not clear in a result, other ways are tried, one after another.

A method that keeps the structure of a photograph fails where the target has another one: a cat that holds its head up
has no room for a dog's muzzle. After another inversion the same method may succeed, and keeps as much; another method,
which begins in noise, makes room, but keeps less, and is asked where the target can hardly be seen. And a face of which
the model sees more pixels may be clearer, so that a part that was found is tried from nearer.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from math import inf

from zeroshift.captioning import Judge, Rating
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
from zeroshift.running.translate import translate
from zeroshift.running.walking import AGAIN, Progress
from zeroshift.verdicts import with_verdicts


def with_second_tries(
    editor: Model, steps: Iterator[Progress], group: Group, inversions: InversionStore | None = None
) -> Iterator[Progress]:
    """The steps of a group's run with verdicts and of its second tries, the last with the results that are taken.

    Where memory runs out in one, what was there before it stays.
    """
    for step in steps:
        yield step if not step.results else (yield from _clearer(editor, step, group, inversions))


def _clearer(
    editor: Model, last: Progress, group: Group, inversions: InversionStore | None
) -> Generator[Progress, None, Progress]:
    """Do the second tries of results that need one; the last step with the results that are taken is returned."""
    table = [list(row) for row in last.results]
    for n, request in enumerate(group.requests):
        for method in request.tries:
            other = method.name != request.method.name
            rows = [k for k, row in enumerate(table) if unclear(row[n], editor.judge, hardly=other)]
            if not rows:
                continue
            try:
                results = yield from _made(editor, group, n, rows, method, inversions)
            except (RuntimeError, MemoryError) as error:
                if not is_shortage(error):
                    raise
                continue
            for k, result in zip(rows, results, strict=True):
                if isinstance(editor.judge, Rating) and is_clearer(result, table[k][n], editor.judge.clearer_by):
                    note = note_of(last.results[k][n], request.method, method, editor.judge)
                    table[k][n] = replace(result, note=note)
        yield from _from_nearer(editor, n, table, group, inversions)
    return replace(last, results=tuple(map(tuple, table)))


def _from_nearer(
    editor: Model, n: int, table: list[list[Result]], group: Group, inversions: InversionStore | None
) -> Generator[Progress, None, None]:
    """Try the ``n``-th request from nearer where that may be clearer; what is clearer takes its place in the table."""
    request, judge = group.requests[n], editor.judge
    if not isinstance(judge, Rating):
        return
    near = {
        k: frame
        for k, usual in enumerate(group.frames)
        if clarity_of(table[k][n]) < judge.clear and (frame := nearer_still(editor.backbone, usual, request.nearer))
    }
    if not near:
        return
    rows, frames = [*near], [*near.values()]
    try:
        results = yield from _made(editor, group, n, rows, request.method, inversions, frames)
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
        return
    for k, result in zip(rows, results, strict=True):
        if is_clearer(result, table[k][n], judge.nearer_by):
            table[k][n] = replace(result, note="The target was less clear in the usual part; this is made from nearer.")


def nearer_still(backbone: Backbone, frame: FramedPhoto, share: float) -> FramedPhoto | None:
    """The middle of a part that was found, a square of ``share`` of its side, with what was said of it.

    None where no part was found, or no less of it can be taken.
    """
    region = frame.region
    if share >= 1 or region is None or frame.part is None or frame.mask is not None:
        return None
    box = nearer(region, Within(share), frame.photo.image.size)
    if box == region:
        return None
    part = frame.part.replace(str(Region.of(region)), str(Region.of(box)), 1)
    near = framed_as(backbone, frame.photo, Choice(frame.fit, box, part, size=frame.size))
    return replace(near, caption=frame.caption, seen=frame.seen)


def _made(
    editor: Model,
    group: Group,
    n: int,
    rows: Sequence[int],
    method: Method,
    inversions: InversionStore | None,
    frames: Sequence[FramedPhoto] | None = None,
) -> Generator[Progress, None, list[Result]]:
    """What a method makes of the pictures in these rows, or of other ``frames`` of them, by the ``n``-th request."""
    again = replace(group.requests[n], method=method, tries=(), nearer=1.0)
    seeds = [group.seeds[k] for k in rows]
    frames = [group.frames[k] for k in rows] if frames is None else frames
    steps = translate(
        editor.backbone,
        frames,
        [again],
        seeds=seeds,
        inversions=inversions,
        vgg=editor.vgg,
        segmenter=editor.segmenter,
        restorer=editor.restorer,
    )
    for step in with_verdicts(editor.judge, steps, [again], frames):
        if not step.results:
            yield replace(step, stage=AGAIN, latents=None)
    return [result for (result,) in step.results]


def unclear(result: Result, judge: Judge | None, *, hardly: bool) -> bool:
    """Whether the target can be seen less clearly than is enough, or ``hardly``."""
    return isinstance(judge, Rating) and clarity_of(result) < (judge.hardly if hardly else judge.enough)


def clarity_of(result: Result) -> float:
    """How clearly the target can be seen; without end where nobody can tell."""
    known = None if result.verdict is None else result.verdict.clarity
    return inf if known is None else known


def is_clearer(result: Result, before: Result, by: float) -> bool:
    """Whether a result shows the target, and that by so much more clearly than another."""
    return clarity_of(result) >= max(clarity_of(before) + by, 0.0)


def note_of(first: Result, usual: Method, tried: Method, judge: Judge | None) -> str:
    """What is to be known of a result that is taken in place of the ``first`` one."""
    hardly = "hardly showed the target" if unclear(first, judge, hardly=True) else "showed the target less clearly"
    shown = "did not show the target" if clarity_of(first) < 0 else hardly
    whose = f"{tried.name}'s" if tried.name != usual.name else f"what it made after {tried.inversion.kind} inversion"
    return f"What {usual.name} made {shown}; this is {whose}."
