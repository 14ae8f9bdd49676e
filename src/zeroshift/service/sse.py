"""Server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

PAUSE = 10.0
"""seconds of silence after which a comment says that the connection lives"""


def event(name: str, data: Mapping[str, Any]) -> bytes:
    """One event of a stream; its data is one line."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def kept_alive(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events with comments between them where they are far apart."""
    coming = asyncio.ensure_future(anext(events))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=PAUSE)
            if not done:
                yield b": still at it\n\n"
                continue
            try:
                yield coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(events))
    finally:
        coming.cancel()


def stream_of(events: AsyncIterator[bytes]) -> StreamingResponse:
    """An answer that is sent as it is made; where the client goes, ``events`` are closed."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(kept_alive(events), media_type="text/event-stream", headers=headers)
