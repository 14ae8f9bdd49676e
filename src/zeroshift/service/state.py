"""What the handlers of a service share."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import Request

from zeroshift.service.bodies import Decoding
from zeroshift.service.desk import Desk, Place
from zeroshift.service.job_list import JobList
from zeroshift.service.limits import Limits
from zeroshift.service.offer import Offer
from zeroshift.service.shelf import Shelf


@dataclass(frozen=True, eq=False)
class Service:
    """Everything that a request may need."""

    desk: Desk
    decoding: Decoding
    shelf: Shelf
    jobs: JobList

    @property
    def offer(self) -> Offer:
        """Models and directions."""
        return self.desk.offer

    @property
    def limits(self) -> Limits:
        """What is refused."""
        return self.desk.limits


def opened(offer: Offer, limits: Limits) -> Service:
    """A service that takes requests."""
    shelf = Shelf(limits.kept_bytes, limits.kept_seconds)
    return Service(Desk(offer, limits), Decoding(limits), shelf, JobList(limits))


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    found: Service = request.app.state.service
    return found


async def place_of(request: Request) -> AsyncIterator[Place]:
    """A request's place, given back when its answer was sent or its client has gone, unless a job keeps it.

    Raises:
        Refusal: there is none.
    """
    length = request.headers.get("content-length", "")
    place = service_of(request).desk.place(int(length) if length.isdecimal() else 0)
    try:
        yield place
    finally:
        if not place.kept:
            place.leave()


Taken: TypeAlias = Annotated[Place, Depends(place_of)]
"""what a handler has whose requests are counted"""
