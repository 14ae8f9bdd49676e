"""Whose turn it is on a device: one run at a time, in the order in which they came."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """A line for a device; any thread may stand in it."""

    def __init__(self) -> None:
        self._line, self._news = deque[Turn](), Condition()

    @property
    def busy(self) -> bool:
        """Whether somebody stands in the line."""
        return bool(self._line)

    @contextmanager
    def one(self) -> Iterator["Turn"]:
        """Stand in the line until the end of what is done within: wait for the turn, and run."""
        turn = Turn(self._line, self._news)
        with self._news:
            self._line.append(turn)
        try:
            yield turn
        finally:
            with self._news:
                self._line.remove(turn)
                self._news.notify_all()


class Turn:
    """A place in the line."""

    def __init__(self, line: "deque[Turn]", news: Condition) -> None:
        self._line, self._news = line, news

    @property
    def ahead(self) -> int:
        """How many runs come before, the one that runs now among them."""
        with self._news:
            return self._line.index(self)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the turn, up to ``seconds`` or however long it takes; whether it is there."""
        with self._news:
            return self._news.wait_for(lambda: self._line[0] is self, seconds)
