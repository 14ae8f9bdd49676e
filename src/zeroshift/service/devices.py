"""A device and its queue: one run at a time, of jobs that go together, the oldest first."""

import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from threading import Condition, Thread

from zeroshift.running.turns import Turns
from zeroshift.service.limits import Limits
from zeroshift.service.metrics import Metrics
from zeroshift.service.refusals import stopping
from zeroshift.service.runs import run_together
from zeroshift.service.tickets import Ticket

log = logging.getLogger(__name__)
FIRST_GUESS = 5.0
"""seconds that a job takes, before one has"""
LONGEST_WAIT = 60
"""seconds after which somebody who was refused may ask again at the latest"""


class Device:
    """Does jobs in a thread of its own, when it is its turn.

    Args:
        name: as torch calls it, "cpu" or "cuda:0".
    """

    def __init__(self, name: str, limits: Limits, metrics: Metrics) -> None:
        self.name, self._limits, self._metrics = name, limits, metrics
        self.turns = Turns()
        self._waiting, self._running = deque[Ticket](), list[Ticket]()
        self._news, self._open = Condition(), True
        self._each = FIRST_GUESS
        self._thread = Thread(target=self._work, name=f"zeroshift-{name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether jobs are done."""
        return self._open and self._thread.is_alive()

    def wait(self, jobs: int) -> int:
        """Seconds until half of so many jobs are likely to be done."""
        return max(1, min(LONGEST_WAIT, math.ceil(self._each * jobs / 2)))

    def put(self, ticket: Ticket) -> None:
        """Let a job wait for its turn.

        Raises:
            Refusal: the service is being stopped.
        """
        with self._news:
            if not self._open:
                raise stopping()
            self._waiting.append(ticket)
            self._news.notify()
        self._count()

    def close(self) -> None:
        """Refuse what waits and what comes; what runs goes on."""
        with self._news:
            self._open, waiting = False, [*self._waiting]
            self._waiting.clear()
            self._news.notify()
        for ticket in waiting:
            ticket.fail(stopping())

    def end(self) -> None:
        """Close, and end what runs after its step."""
        self.close()
        for ticket in [*self._running]:
            ticket.fail(stopping())

    def join(self, seconds: float) -> None:
        """Wait up to ``seconds`` until nothing runs any more; it was closed before."""
        self._thread.join(seconds)

    def _work(self) -> None:
        while self._news_of_jobs():
            with self.turns.one() as turn:
                turn.wait()
                if tickets := self._next():
                    self._timed(tickets)

    def _news_of_jobs(self) -> bool:
        """Wait until jobs do; whether they do, which is not so when the service is stopped."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or not self._open)
            return bool(self._waiting)

    def _next(self) -> list[Ticket]:
        """The oldest job with those that go together with it, as many as there is room for."""
        with self._news:
            self._forget()
            self._running = together([*self._waiting], self._limits.together)
            for ticket in self._running:
                self._waiting.remove(ticket)
        self._count()
        return self._running

    def _timed(self, tickets: list[Ticket]) -> None:
        """Run jobs, and learn how long one takes."""
        begun = time.monotonic()
        self._do(tickets)
        took = time.monotonic() - begun
        self._metrics.run_seconds.labels(self.name).observe(took)
        self._each = 0.7 * self._each + 0.3 * took / len(tickets)
        self._running = []
        self._count()

    def _do(self, tickets: list[Ticket]) -> None:
        """Run jobs as long as somebody waits for one of them."""
        self._metrics.together.labels(self.name).observe(sum(ticket.job.size for ticket in tickets))
        try:
            with closing(run_together(tickets)) as steps:  # type: ignore[type-var]
                for _ in steps:
                    self._metrics.steps.labels(self.name).inc()
                    with self._news:
                        self._forget()
                    if all(ticket.over for ticket in tickets):
                        break
        except ValueError as error:
            for ticket in tickets:
                ticket.fail(error)
        except Exception as error:  # the thread serves everybody, and goes on
            log.exception("run failed")
            for ticket in tickets:
                ticket.fail(error)

    def _forget(self) -> None:
        """Let go of those that ended while they waited."""
        self._waiting = deque(ticket for ticket in self._waiting if not ticket.over)

    def _count(self) -> None:
        self._metrics.waiting.labels(self.name).set(len(self._waiting))
        self._metrics.running.labels(self.name).set(len(self._running))


def together(waiting: Sequence[Ticket], most: int) -> list[Ticket]:
    """The first of those that wait, and others of its key that come after it, up to ``most`` pictures in all."""
    chosen: list[Ticket] = []
    for ticket in waiting:
        fits = sum(other.job.size for other in chosen) + ticket.job.size <= most
        if not chosen or (fits and ticket.job.key == chosen[0].job.key):
            chosen.append(ticket)
    return chosen
