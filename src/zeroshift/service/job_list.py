"""Jobs that go on while nobody is connected, and their results."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

from zeroshift.service.limits import Limits
from zeroshift.service.pictures import Made, Output
from zeroshift.service.refusals import Refusal
from zeroshift.service.tickets import Ticket, Waiting


@dataclass(eq=False)
class StoredJob:
    """One edit, and what became of it."""

    id: str
    ticket: Ticket | None
    """None when it has ended, so that nothing of the run is held"""
    output: Output
    """how its pictures are written"""
    made: Made | None = None
    refusal: Refusal | None = None
    ended: float = 0.0
    """when it did, by the monotonic clock"""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """set when it has"""

    @property
    def status(self) -> Literal["waiting", "running", "done", "failed", "cancelled"]:
        """How far it is."""
        if self.refusal is not None:
            return "cancelled" if self.refusal.code == "cancelled" else "failed"
        if self.ticket is None:
            return "done"
        return "waiting" if isinstance(self.ticket.last, Waiting) else "running"


class JobList:
    """Jobs by their ids. Of those that ended so many bytes and so many are kept, for so long."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._jobs = limits, OrderedDict[str, StoredJob]()

    def add(self, ticket: Ticket, output: Output) -> StoredJob:
        """Remember a job."""
        self._jobs[ticket.id] = job = StoredJob(ticket.id, ticket, output)
        self._forget()
        return job

    def end(self, job: StoredJob, made: Made | None, refusal: Refusal | None) -> None:
        """Note what became of a job."""
        job.ticket, job.made, job.refusal, job.ended = None, made, refusal, time.monotonic()
        job.over.set()
        self._forget()

    def get(self, name: str) -> StoredJob:
        """The job of this id.

        Raises:
            Refusal: there is none.
        """
        self._forget()
        if name not in self._jobs:
            raise Refusal(404, "not_found", "There is no such job, or it ended long ago.")
        return self._jobs[name]

    def _forget(self) -> None:
        ended = [name for name, job in self._jobs.items() if job.ticket is None]
        held = sum(len(job.made.file) for job in self._jobs.values() if job.made is not None)
        early = time.monotonic() - self._limits.kept_seconds
        for name in ended:
            job = self._jobs[name]
            if job.ended >= early and held <= self._limits.kept_bytes and len(self._jobs) <= self._limits.jobs:
                break
            held -= 0 if job.made is None else len(job.made.file)
            del self._jobs[name]
