"""Where requests are taken in: so many at a time, each to the device of its model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from zeroshift.service.bodies import drain
from zeroshift.service.devices import Device
from zeroshift.service.limits import Limits
from zeroshift.service.metrics import Metrics
from zeroshift.service.offer import Offer
from zeroshift.service.refusals import Refusal, busy, stopping
from zeroshift.service.tickets import Done, Job, Ticket


@dataclass
class Place:
    """One request's among so many."""

    kept: bool = False
    """whether its job has it, which gives it back"""


class Desk:
    """What all requests of a service share."""

    def __init__(self, offer: Offer, limits: Limits) -> None:
        self.offer, self.limits, self.metrics = offer, limits, Metrics()
        self._devices = {name: Device(name, limits, self.metrics) for name in offer.devices}
        self._taken, self._open = 0, True
        self._attending = set[asyncio.Task[None]]()

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""
        return self._open and all(device.alive for device in self._devices.values())

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator["Place"]:
        """Have one of the places for requests that are read, wait or run; ``submit`` keeps it to the job's end.

        Raises:
            Refusal: all are taken, or the service is being stopped.
        """
        try:
            self._take()
        except Refusal:
            await drain(request)
            raise
        place = Place()
        try:
            yield place
        finally:
            if not place.kept:
                self._leave()

    def submit(self, job: Job, place: "Place") -> Ticket:
        """Let a job wait for the device of its model.

        Raises:
            Refusal: the service is being stopped.
        """
        ticket = Ticket(job, self.limits.seconds)
        self._devices[job.device].put(ticket)
        place.kept = True
        attending = asyncio.create_task(self._attend(ticket))
        self._attending.add(attending)
        attending.add_done_callback(self._attending.discard)
        return ticket

    async def outcome(self, request: Request, ticket: Ticket) -> Done:
        """Wait for a job as long as the client does.

        Raises:
            ClientDisconnect: it has gone; the job is cancelled.
            Refusal: the job failed.
        """
        ending, leaving = asyncio.create_task(ticket.done()), asyncio.create_task(gone(request))
        try:
            await asyncio.wait([ending, leaving], return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                raise ClientDisconnect
            return ending.result()
        finally:
            ending.cancel()
            leaving.cancel()
            ticket.cancel()

    def close(self) -> None:
        """Refuse what waits and what comes; what runs goes on."""
        self._open = False
        for device in self._devices.values():
            device.close()

    def end(self) -> None:
        """End all that still runs, after its step."""
        self.close()
        for device in self._devices.values():
            device.end()

    def join(self, seconds: float) -> None:
        """End all that still runs, and wait up to ``seconds`` for each device's step."""
        self.end()
        for device in self._devices.values():
            device.join(seconds)

    async def _attend(self, ticket: Ticket) -> None:
        """Wait for a job's end, count it, and give its place back."""
        try:
            await ticket.done()
            how = "done"
        except Refusal as refusal:
            how = refusal.code
        self.metrics.ended.labels(how).inc()
        self._leave()

    def _take(self) -> None:
        if not self._open:
            raise stopping()
        if self._taken >= self.limits.requests:
            raise busy(min(device.wait(self._taken) for device in self._devices.values()))
        self._taken += 1
        self.metrics.places.set(self._taken)

    def _leave(self) -> None:
        self._taken -= 1
        self.metrics.places.set(self._taken)


async def gone(request: Request) -> None:
    """Wait until the client has gone; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
