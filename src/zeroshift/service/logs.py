"""A line of JSON for each request and fault, without pictures, words or keys; and the headers of every answer."""

import json
import logging
import re
import secrets
import time
import traceback
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zeroshift.service.bounds import NotTaken
from zeroshift.service.metrics import Metrics
from zeroshift.service.refusals import Refusal
from zeroshift.service.security import HEADERS, NOTHING, is_page

log = logging.getLogger(__name__)
_ID = re.compile(r"[\w.-]{8,64}", re.ASCII)
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "POST")


class JsonLines(logging.Formatter):
    """Writes records as JSON, one a line."""

    def format(self, record: logging.LogRecord) -> str:
        """A record with the facts that it was given as ``facts``."""
        facts: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            facts["error"] = type(error).__name__
            facts["where"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(facts)


@dataclass(frozen=True)
class Watched:
    """Counts and logs every request, gives it an id, and its answer the headers of all."""

    app: ASGIApp
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and tell how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        name = given if _ID.fullmatch(given) else secrets.token_hex(8)
        begun, status = time.monotonic(), 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                dress(MutableHeaders(scope=message), scope["path"], name)
            await send(message)

        try:
            await self.app(scope, receive, told)
        except NotTaken:
            log.info("answer not taken", extra={"facts": {"id": name}})
        except Exception:
            log.exception("request failed", extra={"facts": {"id": name}})
            if not status:
                refusal = Refusal(500, "internal_error", "Something went wrong in the service; its log says what.")
                await refusal.response()(scope, receive, told)
        finally:
            self.tell(scope, name, status, time.monotonic() - begun)

    def tell(self, scope: Scope, name: str, status: int, seconds: float) -> None:
        """Count and log an answer; the route is the pattern, not what somebody typed."""
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.requests.labels(method, route, str(status or 499)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        facts = {"id": name, "method": method, "route": route, "status": status or 499, "seconds": round(seconds, 4)}
        log.info("request", extra={"facts": facts})


def dress(headers: MutableHeaders, path: str, name: str) -> None:
    """Give an answer the headers of all."""
    for header, value in HEADERS.items():
        headers.setdefault(header, value)
    if not is_page(path):
        headers.setdefault("Content-Security-Policy", NOTHING)
    headers["X-Request-ID"] = name
