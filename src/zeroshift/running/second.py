"""A second try: where the target can hardly be seen in a result, another method is asked.

Methods that keep the structure of a photograph fail where the target has another one: a cat that holds its head up has
no room for a dog's muzzle. What begins in noise makes that room, and keeps less of what succeeds anyway.
"""

from collections.abc import Generator, Iterator
from dataclasses import replace
from math import inf

from zeroshift.captioning import Judge, Rating
from zeroshift.model import Model
from zeroshift.results import Result
from zeroshift.running.grouping import Group
from zeroshift.running.translate import translate
from zeroshift.running.walking import AGAIN, Progress
from zeroshift.verdicts import with_verdicts


def with_second_tries(editor: Model, steps: Iterator[Progress], group: Group) -> Iterator[Progress]:
    """The steps of a group's run with verdicts and of its second tries, the last with the results that are taken."""
    for step in steps:
        yield step if not step.results else (yield from _clearer(editor, step, group))


def _clearer(editor: Model, last: Progress, group: Group) -> Generator[Progress, None, Progress]:
    """Do the second tries of results that need one; the last step with the results that are taken is returned."""
    table = [list(row) for row in last.results]
    for n, request in enumerate(group.requests):
        rows = [k for k, row in enumerate(table) if unclear(row[n], editor.judge)]
        if request.second is None or not rows:
            continue
        again = replace(request, method=request.second, second=None)
        frames, seeds = [group.frames[k] for k in rows], [group.seeds[k] for k in rows]
        steps = translate(editor.backbone, frames, [again], seeds=seeds, vgg=editor.vgg, segmenter=editor.segmenter)
        for step in with_verdicts(editor.judge, steps, [again], frames):
            if not step.results:
                yield replace(step, stage=AGAIN, latents=None)
        for k, (result,) in zip(rows, step.results, strict=True):
            table[k][n] = clearer(table[k][n], result, request.method.name)
    return replace(last, results=tuple(tuple(row) for row in table))


def unclear(result: Result, judge: Judge | None) -> bool:
    """Whether the target can hardly be seen."""
    return isinstance(judge, Rating) and clarity_of(result) < judge.enough


def clarity_of(result: Result) -> float:
    """How clearly the target can be seen; without end where nobody can tell."""
    known = None if result.verdict is None else result.verdict.clarity
    return inf if known is None else known


def clearer(first: Result, second: Result, method: str) -> Result:
    """The ``second`` result where it shows the target more clearly, of which is said that ``method`` came first."""
    if clarity_of(second) < 0 or clarity_of(second) <= clarity_of(first):
        return first
    shown = "did not show" if clarity_of(first) < 0 else "hardly showed"
    note = f"What {method} made {shown} the target; this is {second.recipe['method']}'s."
    return replace(second, note=note)
