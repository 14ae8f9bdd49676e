"""Pages that open, run and close: whose desks are kept, and what stops their runs."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock
from weakref import WeakValueDictionary

from zeroshift.ui.desk import Desk


class Closed:
    """Desks of open pages, and of those that were closed: the last few stay for who comes back, the others let go.

    A page counts as closed when its connection breaks off, as where a laptop sleeps; what it asks for then is a sign of
    life.
    """

    def __init__(self, most: int = 2) -> None:
        self._most, self._lock = most, Lock()
        self._open, self._left = WeakValueDictionary[str, Desk](), list[Desk]()

    def opened(self, page: str, desk: Desk) -> None:
        """A page was opened, or it gave a sign of life."""
        with self._lock:
            self._open[page] = desk
            self._left = [one for one in self._left if one is not desk]

    def closed(self, page: str) -> None:
        """A page was closed."""
        with self._lock:
            desk = self._open.pop(page, None)
            self._left += [] if desk is None else [desk]
            while len(self._left) > self._most:
                self._left.pop(0).clear()

    def folders(self) -> list[Path]:
        """The folders of open pages' files."""
        with self._lock:
            return [desk.folder for desk in self._open.values() if desk.folder is not None]

    def thin_out(self, size: Callable[[Path], int]) -> bool:
        """Let go of the oldest edit that may go, of the open page whose files are the most; whether there was one."""
        with self._lock:
            oldest = {desk: spare[0] for desk in self._open.values() if desk.folder and (spare := desk.spare)}
            if not oldest:
                return False
            most = max(oldest, key=lambda desk: size(desk.folder) if desk.folder is not None else 0)
            with suppress(ValueError):  # its page has let it go meanwhile
                most.let_go(oldest[most])
            return True

    def let_go(self) -> bool:
        """Let go of the desk of the page that was closed first of those that stayed; whether there was one."""
        with self._lock:
            if not self._left:
                return False
            self._left.pop(0).clear()
            return True


class Stops:
    """What stops the runs of a page: each looks between two steps whether it shall go on."""

    def __init__(self) -> None:
        self._lock, self._running, self._alone = Lock(), dict[str, set[Event]](), dict[str, Event]()

    def begin(self, page: str) -> Event:
        """A run begins on a page."""
        with self._lock:
            event = Event()
            self._running.setdefault(page, set()).add(event)
            return event

    def begin_alone(self, page: str) -> Event | None:
        """A run begins on a page that has one such at a time; None where it runs already."""
        with self._lock:
            if page in self._alone:
                return None
            event = self._alone[page] = Event()
            self._running.setdefault(page, set()).add(event)
            return event

    def end(self, page: str, event: Event) -> None:
        """A run ended."""
        with self._lock:
            if self._alone.get(page) is event:
                del self._alone[page]
            self._running.get(page, set()).discard(event)
            if not self._running.get(page):
                self._running.pop(page, None)

    def stop(self, page: str) -> None:
        """Stop all runs of a page."""
        with self._lock:
            for event in self._running.get(page, ()):
                event.set()
