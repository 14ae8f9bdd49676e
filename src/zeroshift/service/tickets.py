"""What somebody waits for, and what is told of it: written by a device's thread, read in the event loop."""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Protocol, TypeAlias

from PIL import Image

from zeroshift.captioning import Seen
from zeroshift.results import Result
from zeroshift.service.refusals import Refusal, late, refusal_of


class Job(Protocol):
    """Something to do on a device. Jobs whose keys are equal are done together."""

    @property
    def key(self) -> object:
        """Equal to that of jobs which go together with this one."""

    @property
    def size(self) -> int:
        """How many pictures it makes."""

    @property
    def device(self) -> str:
        """Where it is done, as torch calls it."""

    def run(self, ticket: "Ticket") -> Iterator[None]:
        """Do it alone, and yield after every step."""


@dataclass(frozen=True)
class Waiting:
    """It stands in the queue."""


@dataclass(frozen=True)
class Step:
    """A step of the network is done."""

    stage: str
    """invert, edit, or again: a second try"""
    done: int
    total: int


@dataclass(frozen=True, eq=False)
class Partial:
    """An unfinished picture."""

    row: int
    index: int
    """which of those that were asked for, from 0"""
    picture: Callable[[], Image.Image]
    """makes it: it takes its memory while it is written, not while it waits for that"""


@dataclass(frozen=True, eq=False)
class Done:
    """Everything is there."""

    results: tuple[Result, ...] = ()
    """of an edit, one per row"""
    said: tuple[str, ...] = ()
    """what is doubtful about it"""
    seen: Seen | None = None
    """of a caption"""


@dataclass(frozen=True, eq=False)
class Failed:
    """There will be no result."""

    refusal: Refusal


Event: TypeAlias = Waiting | Step | Partial | Done | Failed


class Ticket:
    """One job on its way. It ends once: done, failed, cancelled or late, whichever comes first.

    Args:
        begun: when its request came, by the event loop's clock.
        seconds: from then on to its end at the latest, whether it waits or runs.
    """

    def __init__(self, job: Job, begun: float, seconds: float) -> None:
        self.id, self.job = secrets.token_urlsafe(18), job
        self.last: Event = Waiting()
        self._over, self._lock = False, Lock()
        self._loop = asyncio.get_running_loop()
        self._alarm = self._loop.call_at(begun + seconds, self.fail, late(seconds))
        self._listeners: list[asyncio.Queue[Event]] = []
        self._newest: dict[int, Partial] = {}
        self.ended = asyncio.Event()
        """set in the event loop when it has"""

    @property
    def over(self) -> bool:
        """Whether it has ended; any thread may ask."""
        return self._over

    def tell(self, event: Event) -> None:
        """Say how far it is; nothing is said after its end. Any thread may call this."""
        if not self._over:
            if isinstance(event, Partial):
                self._newest[event.row] = event
            self._loop.call_soon_threadsafe(self._told, event)

    def stale(self, one: Partial) -> bool:
        """Whether a newer unfinished picture of the same row is there, or the end; any thread may ask."""
        return self._over or self._newest.get(one.row) is not one

    def end(self, event: Done | Failed) -> None:
        """End it, unless it has ended. Any thread may call this."""
        with self._lock:
            if self._over:
                return
            self._over = True
        self._loop.call_soon_threadsafe(self._told, event)

    def fail(self, error: Exception) -> None:
        """End it by an error."""
        self.end(Failed(refusal_of(error)))

    def cancel(self) -> None:
        """End it since nobody wants it any more."""
        self.fail(Refusal(499, "cancelled", "The edit was cancelled."))

    @contextmanager
    def listening(self) -> Iterator["asyncio.Queue[Event]"]:
        """All that is told from the latest on, for one listener in the event loop; nothing is kept for it later."""
        heard = asyncio.Queue[Event]()
        heard.put_nowait(self.last)
        self._listeners.append(heard)
        try:
            yield heard
        finally:
            self._listeners.remove(heard)

    async def done(self) -> Done:
        """Wait for its end.

        Raises:
            Refusal: it failed.
        """
        with self.listening() as heard:
            while True:
                event = await heard.get()
                if isinstance(event, Failed):
                    raise event.refusal
                if isinstance(event, Done):
                    return event

    def _told(self, event: Event) -> None:
        if isinstance(self.last, Done | Failed):  # a step that was told while it ended
            return
        self.last = event
        if isinstance(event, Done | Failed):
            self._alarm.cancel()
            self._newest.clear()
            self.ended.set()
        for heard in self._listeners:
            heard.put_nowait(event)
