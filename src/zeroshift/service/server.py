"""A server for the application; told to stop, it finishes what runs and refuses what waits."""

import asyncio
import logging
import math
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from zeroshift.doubts import Doubt
from zeroshift.service.app import STEP_SECONDS
from zeroshift.service.desk import Desk
from zeroshift.service.devices import LONGEST_WAIT
from zeroshift.service.logs import JsonLines

LOOK = 0.1
"""seconds from one look to the next whether the server is to stop"""
KEPT_OPEN = LONGEST_WAIT + 15
"""seconds that a connection stays open for a client's next request: who comes again when told to finds it open"""
LAST_WORDS = 1.0
"""seconds for the end of answers to reach their clients"""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any that is free.

    Raises:
        ValueError: the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family, backlog=512)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ValueError(f"Nothing can listen on {host}:{port} ({reason}); choose another `port` or `host`.") from error


def server_of(app: ASGIApp, grace_seconds: float) -> uvicorn.Server:
    """A server of the application, which may take ``grace_seconds`` to stop."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=KEPT_OPEN,
        timeout_graceful_shutdown=math.ceil(grace_seconds + STEP_SECONDS),
    )
    return uvicorn.Server(config)


async def serve(server: uvicorn.Server, desk: Desk, where: socket.socket) -> None:
    """Serve until the server is told to stop: then what waits is refused, and what runs has its time of grace."""
    watching = asyncio.create_task(stopped(server, desk))
    await server.serve(sockets=[where])
    watching.cancel()
    desk.join(STEP_SECONDS)


async def stopped(server: uvicorn.Server, desk: Desk) -> None:
    """Wait until a server is to stop, and stop its desk; then end what is open without waiting: pages that listen."""
    while not server.should_exit:
        await asyncio.sleep(LOOK)
    desk.close()
    await idle(desk, desk.limits.grace_seconds)
    desk.end()
    await idle(desk, STEP_SECONDS)
    await asyncio.sleep(LAST_WORDS)
    server.force_exit = True


async def idle(desk: Desk, seconds: float) -> None:
    """Wait until nothing runs and everybody is answered, up to ``seconds``."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not desk.idle:
                await asyncio.sleep(LOOK)


def run(app: FastAPI, guarded: ASGIApp, where: socket.socket) -> None:
    """Serve in this thread until SIGINT or SIGTERM.

    Args:
        app: of ``create``.
        guarded: the same behind its doorkeeper.
        where: of ``listen``.
    """
    desk: Desk = app.state.service.desk
    for one in SIGNALS:  # uvicorn raises them once more when it is done
        signal.signal(one, lambda *_: None)
    asyncio.run(serve(server_of(guarded, desk.limits.grace_seconds), desk, where))


@contextmanager
def logged() -> Iterator[None]:
    """Write this package's and the server's logs to stderr as lines of JSON, doubts of the core among them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("zeroshift.service", logging.INFO), ("uvicorn", logging.WARNING)):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level)
    with warnings.catch_warnings():
        warnings.simplefilter("always", Doubt)
        warnings.showwarning = told(warnings.showwarning)
        yield


def told(library: Callable[..., None]) -> Callable[..., None]:
    """Log doubts, and warn of the rest as the ``library`` does."""

    def show(message: Warning | str, kind: type[Warning], *where: object) -> None:
        if issubclass(kind, Doubt):
            logging.getLogger("zeroshift.service").warning(str(message))
        else:
            library(message, kind, *where)

    return show
