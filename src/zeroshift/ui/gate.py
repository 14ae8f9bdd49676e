"""What stands before Gradio's own addresses: nothing is fetched for whoever asks, no body is larger than it has to be.

Gradio itself fetches what ``file=`` names where that is an address, passes ``proxy=`` on to others, and fetches
addresses in the place of files that are sent to a function. The page needs none of it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zeroshift.service.refusals import Refusal
from zeroshift.service.security import LOOPBACK, Doorkeeper

MOST_BODY = 106_000_000
"""bytes of a request: a photograph of ``look.MOST_FILE`` and what is around it"""
MOST_SAID = 32_000_000
"""bytes of a request that brings no file: a painted mask, and what the fields say"""
MOST_KEPT = 4_000_000_000
"""bytes of all that was brought and made"""
ROUNDS = 8
"""of percent-encoding that are looked through"""
_FILE = re.compile(r"/gradio_api/+file[=/](.*)", re.DOTALL | re.IGNORECASE)
_IDLE = re.compile(r"/gradio_api/+(?:proxy=|process_recording|vibe-|component_server|deep_link)", re.IGNORECASE)
"""what passes requests on, or runs other programs"""
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]+:|[/\\]{2}", re.IGNORECASE)
"""a scheme of two letters or more (C: is a disk), or another machine's share"""
NOTHING_FETCHED = Refusal(403, "not_fetched", "This page fetches nothing from elsewhere; bring the picture as a file.")


def alone() -> list[Middleware]:
    """What stands before a page that has a server of its own: a doorkeeper for this machine, and the gate."""
    return [Middleware(Doorkeeper, digests=(), hosts=LOOPBACK), *behind()]


def behind() -> list[Middleware]:
    """What stands before a page that is mounted where others let people in."""
    return [Middleware(Gate)]


@dataclass(frozen=True)
class Gate:
    """Refuses what names an address, and bodies that are too large."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if fetches(scope["path"]):
            await NOTHING_FETCHED.response()(scope, receive, send)
            return
        headers = Headers(scope=scope)
        files = headers.get("content-type", "").lower().startswith("multipart/form-data")
        try:
            if files:
                check_files(headers)
            passed = Bounded(receive, MOST_BODY) if files else await read(receive, scope["method"])
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)
            return
        await self.app(scope, passed, send)


class Bounded:
    """A body with files as it comes; one that is too large or breaks off ends so that Gradio deletes what had come."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most

    async def __call__(self) -> Message:
        """The next piece.

        Raises:
            MultiPartException: there is more than may be, or no end.
        """
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise MultiPartException(f"The request is larger than the maximum allowed size of {MOST_BODY / 1e6:g} MB.")
        if message["type"] == "http.disconnect":
            raise MultiPartException("The request broke off.")
        return message


def check_files(headers: Headers) -> None:
    """Refuse a body with files by its length, and any as long as too many files lie here.

    Raises:
        Refusal: so it is.
    """
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length) > MOST_BODY:
        raise Refusal(413, "too_large", f"The request is larger than {MOST_BODY / 1e6:g} MB.")
    if sum(map(bytes_of, Path(get_upload_folder()).rglob("*"))) > MOST_KEPT:
        raise Refusal(413, "too_large", "This page holds as many files as it may; start it again to be rid of them.")


def bytes_of(file: Path) -> int:
    """The length of a file; 0 of what is gone since it was listed, as Gradio deletes old ones."""
    try:
        return file.stat().st_size if file.is_file() else 0
    except OSError:
        return 0


async def read(receive: Receive, method: str) -> Receive:
    """A body that has no files, looked through and then given on.

    Raises:
        Refusal: it is too large, or names an address in the place of a file.
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
            raise Refusal(413, "too_large", f"The request is larger than {MOST_SAID / 1e6:g} MB.")
    body = b"".join(pieces)
    if any(elsewhere(path) for path in paths_in(said(body))):
        raise NOTHING_FETCHED
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Message:
        return next(given, None) or await receive()

    return again


def fetches(path: str) -> bool:
    """Whether Gradio would fetch something from elsewhere for this path, however it is written."""
    for _ in range(ROUNDS):
        if _IDLE.search(path) or ((named := _FILE.search(path)) and elsewhere(named[1])):
            return True
        if (plain := unquote(path)) == path:
            return False
        path = plain
    return True


def elsewhere(path: str) -> bool:
    """Whether what stands in the place of a file is an address, spaces and slashes before it left aside."""
    bare = path.strip()
    return bool(_ELSEWHERE.match(bare) or _ELSEWHERE.match(bare.lstrip("/\\ \t\r\n")))


def said(body: bytes) -> Any:  # noqa: ANN401 - what JSON says
    """What a body says; nothing where it is no JSON, which Gradio refuses itself."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def paths_in(found: Any) -> Iterator[str]:  # noqa: ANN401 - what JSON says
    """Yield what stands in the place of files, however deep."""
    inner = [found]
    while inner:
        one = inner.pop()
        if isinstance(one, dict):
            yield from (one[name] for name in ("path", "url") if isinstance(one.get(name), str))
            inner += one.values()
        elif isinstance(one, list):
            inner += one
