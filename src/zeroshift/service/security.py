"""Who is let in: in front of all else, before a body is read."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from zeroshift.service.refusals import Refusal

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""names of this machine for itself"""
OPEN = ("/healthz", "/readyz")
"""addresses that need no key"""
BY_NAME = "/v1/images/results/"
"""where names that nobody can guess stand in the place of a key"""
PAGE = "/ui"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""of every answer"""
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""what an answer may load that a browser shows; the page has scripts of its own"""
LEAST_KEY = 16
"""characters"""


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, so that nobody else can ask."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, keys: Iterable[str]) -> None:
    """Refuse an open service, and keys that can be guessed.

    Raises:
        ValueError: another address than a loopback one without a key, or a short key.
    """
    keys = list(keys)
    if not keys and not is_loopback(host):
        raise ValueError(
            f"{host} can be reached by others, and there is no key; give keys, or take 127.0.0.1, which is this "
            "machine's own."
        )
    if any(len(key) < LEAST_KEY or not key.isascii() or not key.isprintable() or " " in key for key in keys):
        raise ValueError(
            f"A key has {LEAST_KEY} ASCII characters or more and no space; `openssl rand -hex 24` makes one."
        )


@dataclass(frozen=True)
class Doorkeeper:
    """Lets in who has a key; without keys, whoever asks on this machine and is no other site's page.

    Args:
        app: what is behind it.
        digests: SHA-256 of the keys; none where no key is needed.
        hosts: names that the service is asked by where there are no keys: a page of another name that resolves to this
            machine is refused.
    """

    app: ASGIApp
    digests: tuple[bytes, ...]
    hosts: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = None if scope["type"] == "lifespan" else self.refusal(scope)
        if refusal is None:
            await self.app(scope, receive, send)
            return
        await refusal.response()(scope, receive, send)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Why a request is refused; None where it is not."""
        headers, path = Headers(scope=scope), scope["path"]
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return Refusal(403, "foreign_origin", "Pages of other sites may not use this service.")
        if not self.digests:
            if name_of(host) in self.hosts:
                return None
            return Refusal(403, "foreign_host", "This service is not known by this name; ask it by its address.")
        if path in OPEN or path.startswith(BY_NAME) or self.knows(key_in(headers)):
            return None
        challenge = {"WWW-Authenticate": 'Basic realm="zeroshift"' if is_page(path) else "Bearer"}
        return Refusal(
            401, "invalid_api_key", "Give a key of this service: Authorization: Bearer KEY.", None, challenge
        )

    def knows(self, key: str) -> bool:
        """Whether a key is one of the service's, in a time that does not tell how far it is right."""
        given = digest(key)
        return any([hmac.compare_digest(given, known) for known in self.digests])


def is_page(path: str) -> bool:
    """Whether an address is of the page that may be mounted."""
    return path == PAGE or path.startswith(f"{PAGE}/")


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def name_of(host: str) -> str:
    """A Host header without its port, in small letters."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def key_in(headers: Headers) -> str:
    """The key of a request: a bearer token, or the password that a browser asks for; empty where there is none."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return given.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""
