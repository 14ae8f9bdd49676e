"""A service on loopback, in a thread of this process."""

import asyncio
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Semaphore, Thread

import numpy as np
import pytest
import uvicorn
from PIL import Image

from zeroshift.editor import Editor
from zeroshift.service import openai_edits
from zeroshift.service.app import create, guarded
from zeroshift.service.limits import Limits
from zeroshift.service.offer import Offer
from zeroshift.service.server import listen, serve, server_of
from zeroshift.service.state import Service
from zeroshift.service.tickets import Partial, Ticket

FEW = {"method": "sdedit", "options": {"steps": 4}}
LONG = {"method": "sdedit", "options": {"steps": 999}}
"""an edit that takes a moment, and one that outlasts any test"""


@dataclass(frozen=True)
class Served:
    """A service that runs."""

    port: int
    service: Service
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counted(self, name: str, **labels: str) -> float:
        """A value of its metrics, 0 where nothing was counted."""
        return self.service.desk.metrics._registry.get_sample_value(name, labels) or 0.0


@contextmanager
def serving(
    editor: Editor, limits: Limits | None = None, keys: Iterable[str] = (), **offered: object
) -> Iterator[Served]:
    """A server of one model, which is stopped at the end."""
    app = create(Offer({"tiny": editor}, **offered), limits or Limits())
    where, service = listen("127.0.0.1", 0), app.state.service
    server = server_of(guarded(app, keys), service.limits.grace_seconds)
    running = Thread(target=lambda: asyncio.run(serve(server, service.desk, where)))
    port = where.getsockname()[1]
    running.start()
    while not server.started:
        assert running.is_alive()
    try:
        yield Served(port, service, server)
    finally:  # also where a test fails, or its process would not end
        server.should_exit = True
        running.join(30)
    assert not running.is_alive()


def pixels(seed: int = 0, width: int = 40, height: int = 32, channels: int = 3) -> np.ndarray:
    """Coloured noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def file_of(picture: np.ndarray | Image.Image, kind: str = "PNG") -> bytes:
    """A picture's file."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


def image_of(data: bytes) -> Image.Image:
    """The picture in a file."""
    return Image.open(io.BytesIO(data))


@contextmanager
def after_unfinished(wait: Callable[[Partial], None]) -> Iterator[None]:
    """Inside, the device waits after each unfinished picture that it has told."""
    plain = Ticket.tell

    def tell(ticket: Ticket, event: object) -> None:
        plain(ticket, event)
        if isinstance(event, Partial):
            wait(event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ticket, "tell", tell)
        yield


@contextmanager
def every_unfinished() -> Iterator[None]:
    """Inside, the device waits until each unfinished picture of a stream is sent, so that none comes too late."""
    sent, plain = Semaphore(0), openai_edits.told

    def told(kind: str, *what: object) -> bytes:
        if kind == "partial_image":
            sent.release()
        return plain(kind, *what)

    with pytest.MonkeyPatch.context() as patch, after_unfinished(lambda _: sent.acquire(timeout=60)):
        patch.setattr(openai_edits, "told", told)
        yield
