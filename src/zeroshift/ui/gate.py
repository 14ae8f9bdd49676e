"""What stands before Gradio's own addresses: nothing is fetched for whoever asks, no body is larger than it has to be.

Gradio itself fetches what ``file=`` names where that is an address, passes ``proxy=`` on to others, and fetches
addresses in the place of files that are sent to a function. The page needs none of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zeroshift.service.refusals import Refusal
from zeroshift.service.security import HEADERS, LOOPBACK, Doorkeeper
from zeroshift.ui import bodies
from zeroshift.ui.kept import Kept

MOST_BODY = 106_000_000
"""bytes of a request: a photograph of ``desk.MOST_FILE`` and what is around it"""
MOST_SAID = 32_000_000
"""bytes of a request that brings no file: a painted mask, and what the fields say"""
MOST_AT_ONCE = 50_000
"""bytes that are looked through without letting others go first"""
ROUNDS = 8
"""of percent-encoding that are looked through"""
_FILE = re.compile(r"/gradio_api/+file[=/](.*)", re.DOTALL | re.IGNORECASE)
_IDLE = re.compile(r"/gradio_api/+(?:proxy=|process_recording|vibe-|component_server|deep_link)", re.IGNORECASE)
"""what passes requests on, or runs other programs"""
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # Gradio makes functions of texts
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",  # an application that it is mounted on may frame it
    )
)
"""what the page may load: nothing from elsewhere"""
NOTHING_FETCHED = Refusal(403, "not_fetched", "This page fetches nothing from elsewhere; bring the picture as a file.")


def alone(kept: Kept) -> list[Middleware]:
    """What stands before a page that has a server of its own: a doorkeeper for this machine, and the gate."""
    return [Middleware(Dressed, headers=HEADERS), Middleware(Doorkeeper, digests=(), hosts=LOOPBACK), *behind(kept)]


def behind(kept: Kept) -> list[Middleware]:
    """What stands before a page that is mounted where others let people in."""
    return [Middleware(Dressed, headers={"Content-Security-Policy": POLICY}), Middleware(Gate, kept=kept)]


@dataclass(frozen=True)
class Dressed:
    """Gives answers headers of security; those that they have stay."""

    app: ASGIApp
    headers: Mapping[str, str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, dressed)


@dataclass(frozen=True)
class Gate:
    """Refuses what names an address, and bodies that are too large."""

    app: ASGIApp
    kept: Kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if fetches(scope["path"]):
            await NOTHING_FETCHED.response()(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if headers.get("content-type", "").lower().startswith("multipart/form-data"):
                check_length(headers)
                await run_in_threadpool(self.kept.make_room)
                await self.with_files(scope, receive, send)
                return
            passed = await read(receive, scope["method"])
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
            return
        await self.app(scope, passed, send)

    async def with_files(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a body with files; where it was refused on its way, that is the answer and not what Gradio says."""
        body, begun = Bounded(receive, MOST_BODY), False

        async def answered(message: Message) -> None:
            nonlocal begun
            if begun or body.refusal is None:
                begun = True
                await send(message)
            elif message["type"] == "http.response.start":
                await body.refusal.response()(scope, receive, send)

        await self.app(scope, body, answered)


class Bounded:
    """A body with files as it comes; one that is refused or breaks off ends so that Gradio deletes what had come.

    Attributes:
        refusal: why it was not taken to its end, by this page or by the application that it is mounted on.
    """

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._taken, self._whole = receive, most, 0, False
        self.refusal: Refusal | None = None

    async def __call__(self) -> Message:
        """The next piece.

        Raises:
            MultiPartException: there is more than may be, or no end.
        """
        if self._whole:  # what comes now is that the client has gone, whenever that is
            return await self._receive()
        try:
            message = await self._receive()
            self._taken += len(message.get("body", b""))
            if self._taken > self._most:
                raise too_large(self._most)
        except Refusal as refusal:
            self.refusal = refusal
            raise MultiPartException(refusal.message) from refusal
        if message["type"] == "http.disconnect":
            raise MultiPartException("The request broke off.")
        self._whole = not message.get("more_body", False)
        return message


def too_large(most: int) -> Refusal:
    """What is answered to a body that is too large."""
    return Refusal(413, "too_large", f"The request is larger than {most / 1e6:g} MB.")


def check_length(headers: Headers) -> None:
    """Refuse a body with files by its length.

    Raises:
        Refusal: it is too long.
    """
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MOST_BODY:
        raise too_large(MOST_BODY)


async def read(receive: Receive, method: str) -> Receive:
    """A body that has no files, looked through and then given on.

    Raises:
        Refusal: it is too large, says too much, or names an address in the place of a file.
    """
    if method in ("GET", "HEAD"):
        return receive
    pieces, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return receive
        pieces.append(message.get("body", b""))
        size, more = size + len(pieces[-1]), message.get("more_body", False)
        if size > MOST_SAID:
            raise too_large(MOST_SAID)
    body = b"".join(pieces)
    bodies.check_values(body)
    elsewhere_in = bodies.names_elsewhere
    if await run_in_threadpool(elsewhere_in, body) if size > MOST_AT_ONCE else elsewhere_in(body):
        raise NOTHING_FETCHED
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Message:
        return next(given, None) or await receive()

    return again


def fetches(path: str) -> bool:
    """Whether Gradio would fetch something from elsewhere for this path, however it is written."""
    for _ in range(ROUNDS):
        if _IDLE.search(path) or ((named := _FILE.search(path)) and bodies.elsewhere(named[1])):
            return True
        if (plain := unquote(path)) == path:
            return False
        path = plain
    return True
