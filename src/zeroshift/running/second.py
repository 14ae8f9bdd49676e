"""Second tries: where the target is not clear in a result, other ways are tried, one after another.

A method that keeps the structure of a photograph fails where the target has another one: a cat that holds its head up
has no room for a dog's muzzle. After another inversion the same method may succeed, and keeps as much; another method,
which begins in noise, makes room, but keeps less, and is asked where the target can hardly be seen.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from math import inf

from zeroshift.captioning import Judge, Rating
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
                if is_clearer(result, table[k][n], editor.judge):
                    note = note_of(last.results[k][n], request.method, method, editor.judge)
                    table[k][n] = replace(result, note=note)
    return replace(last, results=tuple(map(tuple, table)))


def _made(
    editor: Model, group: Group, n: int, rows: Sequence[int], method: Method, inversions: InversionStore | None
) -> Generator[Progress, None, list[Result]]:
    """What a method makes of the pictures in these rows, by the ``n``-th request."""
    again = replace(group.requests[n], method=method, tries=())
    frames, seeds = [group.frames[k] for k in rows], [group.seeds[k] for k in rows]
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


def is_clearer(result: Result, before: Result, judge: Judge | None) -> bool:
    """Whether a result shows the target, and that more clearly than another, by as much as the judge asks for."""
    least = clarity_of(before) + (judge.clearer_by if isinstance(judge, Rating) else 0.0)
    return clarity_of(result) >= max(least, 0.0)


def note_of(first: Result, usual: Method, tried: Method, judge: Judge | None) -> str:
    """What is to be known of a result that is taken in place of the ``first`` one."""
    hardly = "hardly showed the target" if unclear(first, judge, hardly=True) else "showed the target less clearly"
    shown = "did not show the target" if clarity_of(first) < 0 else hardly
    whose = f"{tried.name}'s" if tried.name != usual.name else f"what it made after {tried.inversion.kind} inversion"
    return f"What {usual.name} made {shown}; this is {whose}."
