"""Who uses a network now: one thread at a time, in turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, get_ident


class Busy(RuntimeError):
    """An edit was begun inside a step of another one on the same network, so that waiting would never end."""


class NetworkLock:
    """A lock that a thread may take again while it has it.

    It is given in turn: a thread that gives it back and asks again at once, as every run does after a step, comes after
    those that wait.
    """

    def __init__(self) -> None:
        self._gate, self._lock = Lock(), Lock()
        self._owner: int | None = None

    @property
    def mine(self) -> bool:
        """Whether the current thread has it."""
        return self._owner == get_ident()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it."""
        if self.mine:
            yield
            return
        with self._gate:  # the next in turn waits inside, the others before it
            self._lock.acquire()
        try:
            self._owner = get_ident()
            yield
        finally:
            self._owner = None
            self._lock.release()

    @contextmanager
    def held_alone(self) -> Iterator[None]:
        """Wait for the lock and hold it for what cannot be done inside anything else.

        Raises:
            Busy: the current thread has it.
        """
        if self.mine:
            raise Busy(
                "This model is in the middle of a step of another edit in the same thread; let that step end first, or "
                "load the model a second time."
            )
        with self.held():
            yield
