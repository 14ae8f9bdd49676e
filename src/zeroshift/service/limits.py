"""How much a service takes upon itself."""

from dataclasses import dataclass
from typing import TypeAlias

Formats: TypeAlias = tuple[str, ...]
PIXEL = 5
"""bytes of a pixel in memory: Pillow has colours in four of them, alpha in one"""
MOST_UNFINISHED = 1024
"""the longer side of unfinished pictures: one of a large photograph in full takes longer than the steps to the next"""


DAY = 86_400.0
"""seconds"""
TERABYTES = 10**13
RANGES: dict[str, tuple[float, float]] = {
    "requests": (1, 100_000),
    "together": (1, 64),
    "seconds": (0, DAY),
    "upload_seconds": (0, DAY),
    "held_bytes": (1, TERABYTES),
    "body_bytes": (1, TERABYTES),
    "megapixels": (0.0001, 10_000),
    "sentences": (1, 1_000_000),
    "rows": (1, 1000),
    "jobs": (1, 1_000_000),
    "kept_bytes": (0, TERABYTES),
    "kept_seconds": (0, DAY),
    "grace_seconds": (0, DAY),
}
"""the least and the most of each limit: clocks and memory know no more, and a typing error is told at the start"""


@dataclass(frozen=True)
class Limits:
    """What is refused, and how long is waited.

    Raises:
        ValueError: a limit is no finite number, or beyond what makes sense.
    """

    requests: int = 64
    """that are read, wait or run at a time; what comes beyond is answered with 429"""
    together: int = 8
    """pictures that run together at most"""
    seconds: float = 300.0
    """from a request's arrival to its result"""
    upload_seconds: float = 30.0
    """for a request's body to arrive, and for a client to take each piece of its answer"""
    held_bytes: int = 3_000_000_000
    """of bodies and decoded pictures of all requests, results among them; what comes beyond is answered with 429"""
    body_bytes: int = 20_000_000
    """of a request"""
    megapixels: float = 25.0
    """of a picture, 1e6 pixels"""
    sentences: int = 2000
    """of each set that an edit direction is made of: they are encoded in one go"""
    rows: int = 10
    """pictures that one request makes"""
    formats: Formats = ("PNG", "JPEG", "WEBP")
    """of pictures that are read"""
    jobs: int = 200
    """that are remembered, those that ended among them"""
    kept_bytes: int = 256_000_000
    """of results that wait to be fetched"""
    kept_seconds: float = 600.0
    """that a result waits to be fetched"""
    grace_seconds: float = 30.0
    """for what runs when the service is stopped"""

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            if not least <= (value := getattr(self, name)) <= most:  # nan is in no range
                raise ValueError(f"The limit `{name}` is a number from {least:g} to {most:g}, not {value:g}.")


def room_for(limits: Limits) -> int:
    """Bytes of memory that the largest request of one picture takes.

    These are its body, the picture, a mask, the result, and what is unfinished of it.
    """
    picture = round(PIXEL * limits.megapixels * 1e6)
    return limits.body_bytes + 3 * picture + held_unfinished(picture)


def held_unfinished(picture: int) -> int:
    """Bytes of memory that an unfinished one of a picture takes, of its bytes."""
    return min(picture, held((MOST_UNFINISHED, MOST_UNFINISHED)))


def held(size: tuple[int, int]) -> int:
    """Bytes of memory that a picture of that size takes."""
    return PIXEL * size[0] * size[1]
