"""Unfinished pictures on their way to one listener: what comes after them waits for none."""

import asyncio

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from zeroshift.service.pictures import Output
from zeroshift.service.tickets import Partial, Ticket

_WRITING: set["asyncio.Future[bytes | None]"] = set()
"""what threads write, also of those that nobody waits for any more: such a one keeps its place among the threads until
it has ended, since its memory is in use as long"""


def _forgotten(writing: "asyncio.Future[bytes | None]") -> None:
    """Let go of what was written, and of an error that nobody waits for."""
    _WRITING.discard(writing)
    if not writing.cancelled():
        writing.exception()


class Previews:
    """Writes a job's unfinished pictures for one listener, and leaves out those that are out of date.

    To write one may take longer than the steps to the next, or to the end. So one that has a newer one of its row is
    not begun, and the end is there at once: what is being written then is given up.

    Args:
        ticket: of the job.
        output: how its pictures are written.
        limiter: of the threads that write them.
    """

    def __init__(self, ticket: Ticket, output: Output, limiter: CapacityLimiter) -> None:
        self._ticket, self._output, self._limiter = ticket, output, limiter
        self._told, self._left_out = 0, 0

    async def file_of(self, one: Partial) -> bytes | None:
        """The picture's file; None where a newer one of its row, or the job's end, is there first.

        Raises:
            ImageError: the format cannot hold it.
        """
        file = None if self._ticket.stale(one) else await self._written_in_time(one)
        self._told += 1
        self._left_out += file is None
        return file

    @property
    def said(self) -> list[str]:
        """What is to be said of those that were left out."""
        if not self._left_out:
            return []
        one = self._left_out == 1
        which = "1 was left out: a newer one" if one else f"{self._left_out} were left out: newer ones"
        there = "was there before it" if one else "were there before they"
        whole = f"Of {self._told} unfinished picture{'s' if self._told > 1 else ''}"
        return [f"{whole} {which}, or the result, {there} could be sent."]

    async def _written_in_time(self, one: Partial) -> bytes | None:
        """The picture's file, unless the job ends first."""
        writing = asyncio.ensure_future(run_sync(self._written, one, limiter=self._limiter))
        ending = asyncio.ensure_future(self._ticket.ended.wait())
        _WRITING.add(writing)
        writing.add_done_callback(_forgotten)
        try:
            await asyncio.wait([writing, ending], return_when=asyncio.FIRST_COMPLETED)
            return writing.result() if writing.done() else None
        finally:
            ending.cancel()

    def _written(self, one: Partial) -> bytes | None:
        """The same in a thread, which may have been waited for."""
        return None if self._ticket.stale(one) else self._output.written_partial(one.picture)
