"""How far a run is, with the time left, on stderr: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroshift.translate import Progress

PAUSE = 15.0
"""seconds between two lines where there is no terminal"""


def follow(steps: "Iterator[Progress]", silent: bool) -> "tuple[Progress, float]":
    """Go through a run, showing how far it is; return its last step and the seconds it took."""
    begun = time.perf_counter()
    if not silent:
        steps = _drawn(steps) if sys.stderr.isatty() else _told(steps)
    for step in steps:
        last = step
    return last, time.perf_counter() - begun


@contextmanager
def waiting(for_what: str, silent: bool) -> Iterator[None]:
    """Say what is going on while there are no steps to count."""
    if silent or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(for_what):
        yield


def _drawn(steps: "Iterator[Progress]") -> "Iterator[Progress]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        shown = {"direction": bars.add_task("direction", total=None)}
        for step in steps:
            bars.update(shown["direction"], total=1, completed=1)
            if step.stage not in shown:
                shown[step.stage] = bars.add_task(step.stage, total=step.total)
            bars.update(shown[step.stage], completed=step.done)
            yield step


def _told(steps: "Iterator[Progress]") -> "Iterator[Progress]":
    told, stage, began = time.monotonic(), "", time.monotonic()
    for step in steps:
        now = time.monotonic()
        if step.stage != stage:
            stage, began = step.stage, now
        left = (now - began) * (step.total - step.done) / max(step.done - 1, 1)
        if now - told > PAUSE:
            print(f"{step.stage} {step.done}/{step.total}, about {left:.0f} s left", file=sys.stderr)
            told = now
        yield step
