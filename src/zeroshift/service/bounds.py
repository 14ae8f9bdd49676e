"""How much may be sent, how fast, and what becomes of a connection on which more was sent than was read."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zeroshift.service.desk import Desk
from zeroshift.service.limits import Limits
from zeroshift.service.refusals import Refusal

PIECE = 1 << 18
"""bytes of an answer that are sent at a time"""
FAREWELL = 2.0
"""seconds in which the rest of a body may come that nobody reads"""


class NotTaken(Exception):
    """A client does not read its answer."""


@dataclass(frozen=True)
class Bounded:
    """Ends bodies that are too large or too slow, and those for which there is no room."""

    app: ASGIApp
    desk: Desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what comes, as long as it is not too much and not too late."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limits = self.desk.limits
        said = Headers(scope=scope).get("content-length", "0")
        if said.isdigit() and int(said) > limits.body_bytes:
            await too_large(limits).response()(scope, receive, send)
            return
        until, taken, whole = asyncio.get_running_loop().time() + limits.upload_seconds, 0, False

        async def bounded() -> Message:
            nonlocal taken, whole
            if whole:  # what comes now is that the client has gone, whenever that is
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise Refusal(
                    408, "upload_timeout", f"The body did not arrive within {limits.upload_seconds:g} s."
                ) from error
            piece = len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if taken + piece > limits.body_bytes:
                raise too_large(limits)
            self.desk.hold(piece)
            taken += piece
            return message

        try:
            await self.app(scope, bounded, send)
        finally:
            self.desk.let_go(taken)


def too_large(limits: Limits) -> Refusal:
    """What is answered to a body that is too large."""
    return Refusal(413, "too_large", f"The body is larger than {limits.body_bytes / 1e6:g} MB.")


@dataclass(frozen=True)
class Parting:
    """Sends answers piece by piece, and ends connections whose clients do not take them, or send what nobody reads.

    An answer that goes out before all of a body has come is the last of its connection. The rest of the body is let by
    for a moment, no more of it than a body may have: a connection that is closed at once may take the answer with it.
    """

    app: ASGIApp
    limits: Limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and see how much of the body was read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        whole, last = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers, False

        async def seen() -> Message:
            nonlocal whole
            message = await receive()
            whole = not message.get("more_body", False)
            return message

        async def parting(message: Message) -> None:
            nonlocal last
            if message["type"] == "http.response.start" and not whole:
                last = True
                MutableHeaders(scope=message)["Connection"] = "close"
            ends = message["type"] == "http.response.body" and not message.get("more_body", False)
            await self.sent({**message, "more_body": True} if last and ends else message, send)
            if last and ends:
                await let_by(receive, self.limits.body_bytes)
                await send({"type": "http.response.body"})

        await self.app(scope, seen, parting)

    async def sent(self, message: Message, send: Send) -> None:
        """Send a message, and have each of its pieces taken in time.

        Raises:
            NotTaken: one was not.
        """
        for piece in pieces(message):
            try:
                async with asyncio.timeout(self.limits.upload_seconds):
                    await send(piece)
            except TimeoutError as error:
                raise NotTaken from error


def pieces(message: Message) -> list[Message]:
    """A message, its body in pieces."""
    body = message.get("body", b"")
    starts = range(0, len(body), PIECE)[:-1]
    early = [{**message, "body": body[start : start + PIECE], "more_body": True} for start in starts]
    return [*early, {**message, "body": body[len(starts) * PIECE :]}] if early else [message]


async def let_by(receive: Receive, most: int) -> None:
    """Let a body go by, as far as it comes at once."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL):
            while most > 0 and (message := await receive()).get("more_body"):
                most -= len(message.get("body", b""))
