"""How much ``zeroshift serve`` takes upon itself."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter
from cyclopts.validators import Number

from zeroshift.cli.wrong import Wrong

if TYPE_CHECKING:
    from zeroshift.service.limits import Limits

LIMITS = Group("Limits", sort_key=22)
DAY = 86_400
"""seconds"""
TIME = Number(gte=0.1, lte=DAY)
"""seconds that something may take; without an end is none"""


@Parameter(name="*", group=LIMITS)
@dataclass(frozen=True, kw_only=True)
class LimitFlags:
    """How much the service takes upon itself."""

    queue: Annotated[
        int,
        Parameter(help="requests at a time; those beyond get 429", metavar="N", validator=Number(gte=1, lte=100_000)),
    ] = 64
    queue_megabytes: Annotated[
        float,
        Parameter(
            help="memory for bodies and decoded pictures of all requests; those beyond get 429",
            metavar="X",
            validator=Number(gte=1, lte=10_000_000),
        ),
    ] = 3000.0
    batch: Annotated[
        int, Parameter(help="pictures that run together at most", metavar="N", validator=Number(gte=1, lte=64))
    ] = 8
    deadline: Annotated[float, Parameter(help="seconds from a request to its result", metavar="S", validator=TIME)] = (
        300.0
    )
    upload_time: Annotated[
        float,
        Parameter(
            help="seconds for a request's body to arrive, and for each piece of its answer to be taken",
            metavar="S",
            validator=TIME,
        ),
    ] = 30.0
    max_megabytes: Annotated[
        float, Parameter(help="of a request", metavar="X", validator=Number(gte=0.001, lte=100_000))
    ] = 20.0
    max_megapixels: Annotated[
        float, Parameter(help="of a picture", metavar="X", validator=Number(gte=0.001, lte=10_000))
    ] = 25.0
    formats: Annotated[
        tuple[Literal["png", "jpeg", "webp", "tiff", "bmp", "gif", "avif"], ...],
        Parameter(help="format of pictures that are read; may be given again", show_default=False, metavar="NAME"),
    ] = ("png", "jpeg", "webp")
    grace: Annotated[
        float,
        Parameter(
            help="seconds for what runs, when the service is stopped", metavar="S", validator=Number(gte=0, lte=DAY)
        ),
    ] = 30.0

    def limits(self) -> "Limits":
        """The same for the service.

        Raises:
            Wrong: a picture that may be sent has no room.
        """
        from zeroshift.service.limits import Limits, room_for

        limits = Limits(
            requests=self.queue,
            held_bytes=round(self.queue_megabytes * 1e6),
            together=self.batch,
            seconds=self.deadline,
            upload_seconds=self.upload_time,
            body_bytes=round(self.max_megabytes * 1e6),
            megapixels=self.max_megapixels,
            formats=tuple(name.upper() for name in self.formats),
            grace_seconds=self.grace,
        )
        if (least := math.ceil(room_for(limits) / 1e6)) > self.queue_megabytes:
            raise Wrong(
                f"--queue-megabytes {self.queue_megabytes:g} has no room for one request; give {least} or more, or "
                "lower --max-megabytes and --max-megapixels."
            )
        return limits
