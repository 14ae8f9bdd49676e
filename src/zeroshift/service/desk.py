"""Where requests are taken in: so many at a time, with so many bytes, each to the device of its model."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate

from starlette.requests import ClientDisconnect, Request

from zeroshift.running.turns import Turns
from zeroshift.service.devices import Device
from zeroshift.service.limits import Limits, held, held_unfinished
from zeroshift.service.metrics import Metrics
from zeroshift.service.offer import Offer
from zeroshift.service.pictures import Size
from zeroshift.service.refusals import Refusal, busy, late, stopping
from zeroshift.service.tickets import Done, Job, Ticket


class Desk:
    """What all requests of a service share. All but its devices' threads is of the event loop."""

    def __init__(self, offer: Offer, limits: Limits) -> None:
        self.offer, self.limits, self.metrics = offer, limits, Metrics()
        self._devices = {name: Device(name, limits, self.metrics) for name in offer.devices}
        self._taken, self._held, self._open = 0, 0, True
        self._attending = set[asyncio.Task[None]]()

    @property
    def ready(self) -> bool:
        """Whether requests are taken in."""
        return self._open and all(device.alive for device in self._devices.values())

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer and nothing runs, be it of others who stand in the line."""
        return not self._taken and not any(device.turns.busy for device in self._devices.values())

    def turns(self, device: str) -> Turns:
        """Whose turn it is on a device, for others who run something there."""
        return self._devices[device].turns

    def place(self, body: int = 0) -> "Place":
        """One of the places for requests that are read, wait, run or are answered.

        Args:
            body: bytes of the request's body, as far as it says so.

        Raises:
            Refusal: all are taken, or the service is being stopped.
        """
        if not self._open:
            raise stopping()
        if self._taken >= self.limits.requests:
            raise busy(self._wait())
        self._count(1)
        return Place(self, body)

    def leave(self) -> None:
        """Give a place back."""
        self._count(-1)

    def hold(self, amount: int) -> None:
        """Count bytes that a request is going to hold.

        Raises:
            Refusal: there is no room for them.
        """
        if self._held + amount > self.limits.held_bytes:
            raise busy(self._wait())
        self.let_go(-amount)

    def let_go(self, amount: int) -> None:
        """Count bytes no more."""
        self._held -= amount
        self.metrics.held.set(self._held)

    def submit(self, job: Job, place: "Place") -> Ticket:
        """Let a job wait for the device of its model; who leaves his place cancels it.

        Raises:
            Refusal: the service is being stopped.
        """
        place.ticket = ticket = Ticket(job, place.begun, self.limits.seconds)
        self._devices[job.device].put(ticket)
        attending = asyncio.create_task(self._attend(ticket))
        self._attending.add(attending)
        attending.add_done_callback(self._attending.discard)
        return ticket

    async def outcome(self, request: Request, ticket: Ticket) -> Done:
        """Wait for a job as long as the client does.

        Raises:
            ClientDisconnect: it has gone.
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
        """Wait for a job's end, and count it."""
        try:
            await ticket.done()
            how = "done"
        except Refusal as refusal:
            how = refusal.code
        self.metrics.ended.labels(how).inc()

    def _count(self, more: int) -> None:
        self._taken += more
        self.metrics.places.set(self._taken)

    def _wait(self) -> int:
        return min(device.wait(self._taken) for device in self._devices.values())


class Place:
    """What one request has of a service until it is answered: a place among so many, and bytes of so many.

    Attributes:
        begun: when the request came, by the event loop's clock.
        kept: whether a job has it, which gives it back.
        ticket: the job of the request, once it waits for its device.
    """

    def __init__(self, desk: Desk, body: int = 0) -> None:
        self.begun, self.kept, self._body = asyncio.get_running_loop().time(), False, body
        self.ticket: Ticket | None = None
        self._desk, self._held = desk, 0

    def hold(self, amount: int) -> None:
        """Count bytes of pictures that this request is going to hold until its end.

        Raises:
            Refusal: there is no room for them now, or never.
        """
        most = self._desk.limits.held_bytes
        if self._body + self._held + amount > most:
            sentence = (
                f"The pictures of this request take more than {most / 1e6:g} MB of memory; send smaller or fewer."
            )
            raise Refusal(413, "too_large", sentence)
        self._desk.hold(amount)
        self._held += amount

    def hold_results(self, sizes: Sequence[Size], wanted: Size | None, *, unfinished: bool) -> None:
        """Count the bytes of an edit's results; of unfinished pictures one is there at a time, while it is written.

        Args:
            sizes: of the photographs, one for each result.
            wanted: the size that the results get; None is the photographs' own.
            unfinished: whether there are any.

        Raises:
            Refusal: there is no room for them now, or never; then it says for how many there would be.
        """
        each = [max(held(size), held(wanted or (0, 0))) for size in sizes]
        apart, most = held_unfinished(max(each)) if unfinished else 0, self._desk.limits.held_bytes
        room = most - self._body - self._held - apart
        if sum(each) > room:
            fit = sum(there <= room for there in accumulate(each))
            count = f"for {fit} of these {len(each)}" if fit else "for none of these"
            sentence = (
                f"The pictures of this request take more than {most / 1e6:g} MB of memory: there is room {count}; "
            )
            raise Refusal(413, "too_large", f"{sentence}ask for fewer, or send smaller ones.")
        self.hold(sum(each) + apart)

    @asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """End what is done within when the request's time is up.

        Raises:
            Refusal: it is.
        """
        seconds = self._desk.limits.seconds
        try:
            async with asyncio.timeout_at(self.begun + seconds):
                yield
        except TimeoutError as error:
            raise late(seconds) from error

    def leave(self) -> None:
        """Give all of it back; nobody waits for the job any more."""
        if self.ticket is not None:
            self.ticket.cancel()
        self._desk.let_go(self._held)
        self._desk.leave()


async def gone(request: Request) -> None:
    """Wait until the client has gone; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
