"""How far a run is, with the time left, on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from zeroshift.running.walking import Progress

T = TypeVar("T")
PAUSE = 15.0
"""seconds between two lines where there is no terminal"""


def follow(steps: "Iterator[Progress]", silent: bool) -> "tuple[Progress, float]":
    """Go through a run, showing how far it is; return its last step and the seconds it took."""
    begun = time.perf_counter()
    for _, step in shown(((None, step) for step in steps), 1, silent):
        last = step
    return last, time.perf_counter() - begun


def shown(
    steps: "Iterator[tuple[T, Progress]]", results: int, silent: bool, first: str | None = None
) -> "Iterator[tuple[T, Progress]]":
    """Go through several runs, each step with what it belongs to, showing how far they are of all ``results``.

    ``first`` is what is done before the first step, where that is worth a name.
    """
    at: list[T] = []

    def alone() -> "Iterator[Progress]":
        for whose, step in steps:
            at[:] = [whose]
            yield step

    if silent:
        return steps
    told = _drawn(alone(), results, first) if sys.stderr.isatty() else _told(alone())
    return ((at[0], step) for step in told)


@contextmanager
def waiting(for_what: str, silent: bool, patience: float | None = None) -> Iterator[None]:
    """Say what is going on while there are no steps to count.

    Where there is no terminal that is one line, after ``patience`` seconds; None: nothing.
    """
    if silent or not sys.stderr.isatty() and patience is None:
        yield
        return
    if not sys.stderr.isatty():
        line = Timer(patience or 0, print, (for_what,), {"file": sys.stderr, "flush": True})
        line.start()
        try:
            yield
        finally:
            line.cancel()
            line.join()
        return
    from rich.console import Console

    with Console(stderr=True).status(for_what):
        yield


def with_lines(
    steps: "Iterator[Progress]", clock: Callable[[], float], pause: float
) -> "Iterator[tuple[Progress, str | None]]":
    """Yield every step, with a line about it where ``pause`` seconds of ``clock`` went by since the last one.

    The pace is measured from a stage's first step on, which itself includes the work between two stages: a stage's
    first line has no time. A stage that begins again, as of the next thing that is tried, is another one. Nothing is
    said of later stages, whose pace is not known.
    """
    said_at, said, first, since, last = clock(), ("", 0), ("", 0), 0.0, ("", 0, 0)
    for step in steps:
        now, here = clock(), (step.stage, step.done)
        if (step.stage, step.total) != last[::2] or step.done < last[1]:
            first, since = here, now
        last = step.stage, step.done, step.total
        line = None
        if now - said_at > pause and here != said:
            line, said_at, said = spelled(step, step.done - first[1], now - since), now, here
        yield step, line


def spelled(step: "Progress", steps: int, seconds: float) -> str:
    """How far a run is, and how long the rest of its stage takes at a pace of ``steps`` in ``seconds``."""
    line = f"{step.stage} {step.done}/{step.total}"
    if steps == 0 or step.done == step.total:
        return line
    return f"{line}, about {seconds / steps * (step.total - step.done):.0f} s left of this stage"


def _told(steps: "Iterator[Progress]") -> "Iterator[Progress]":
    for step, line in with_lines(steps, time.monotonic, PAUSE):
        if line is not None:
            print(line, file=sys.stderr)
        yield step


def _drawn(steps: "Iterator[Progress]", results: int, first: str | None) -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        lines = {} if first is None else {first: bars.add_task(first, total=None)}
        every = bars.add_task("results", total=results, visible=results > 1)
        for step in steps:
            if first is not None:
                bars.update(lines[first], total=1, completed=1)
            if step.stage not in lines:
                lines[step.stage] = bars.add_task(step.stage, total=step.total)
            elif step.done == 1:  # the next run's
                bars.reset(lines[step.stage], total=step.total)
            bars.update(lines[step.stage], completed=step.done)
            bars.advance(every, sum(map(len, step.results)))
            yield step


class Pace:
    """How long results take, and how long those that are left will."""

    def __init__(self, first: str) -> None:
        self._done, self._first = 0, first
        self._begun = self._since = time.perf_counter()

    def finished(self, results: int, total: int) -> tuple[float, str]:
        """Seconds since the last results, and what is said beside them; ``total`` are there in the end."""
        now, since, first = time.perf_counter(), self._since, self._first
        self._since, self._first, self._done = now, "", self._done + results
        if total == 1:
            return now - since, first
        left = (now - self._begun) / self._done * (total - self._done)
        together = f" for {results} together" if results > 1 else ""
        after = f", about {left:.0f} s left" if self._done < total else ""
        return now - since, f"{together}; {self._done} of {total}{after}{first}"
