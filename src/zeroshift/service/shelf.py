"""Finished pictures that wait to be fetched by an address that only who asked for them knows."""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """A file."""

    data: bytes
    media_type: str
    until: float


class Shelf:
    """Keeps so many bytes for so long; the oldest go first.

    Args:
        most_bytes: of all files together.
        seconds: that one is kept.
    """

    def __init__(self, most_bytes: int, seconds: float) -> None:
        self._most, self._seconds = most_bytes, seconds
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def put(self, data: bytes, media_type: str) -> str:
        """Keep a file, and give it a name that nobody can guess."""
        name = secrets.token_urlsafe(24)
        self._kept[name] = Kept(data, media_type, time.monotonic() + self._seconds)
        while sum(len(one.data) for one in self._kept.values()) > self._most:
            self._kept.popitem(last=False)
        return name

    def get(self, name: str) -> Kept | None:
        """The file of that name; None where it is gone, or never was."""
        while self._kept and next(iter(self._kept.values())).until < time.monotonic():
            self._kept.popitem(last=False)
        return self._kept.get(name)
