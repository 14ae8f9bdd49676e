"""The application: addresses, what stands in front of them, and the document that describes them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from zeroshift import __version__
from zeroshift.service import jobs, native, openai_edits, operations
from zeroshift.service.bounds import Bounded, Parting
from zeroshift.service.limits import Limits
from zeroshift.service.logs import Watched
from zeroshift.service.native_order import CaptionBody, EditBody
from zeroshift.service.offer import Offer
from zeroshift.service.openai_body import ImageEdit
from zeroshift.service.refusals import Refusal, answer_nobody, answer_refusal
from zeroshift.service.security import LOOPBACK, Doorkeeper, digest
from zeroshift.service.state import Service, opened

STEP_SECONDS = 20.0
"""for a step of the network to end when the service is stopped"""
BODIES = {
    ("/v1/images/edits", ImageEdit): ("image", "mask"),
    ("/v1/edits", EditBody): ("image", "mask"),
    ("/v1/jobs", EditBody): ("image", "mask"),
    ("/v1/captions", CaptionBody): ("image",),
}
"""the fields of each address, and its pictures"""
DATA_URL = {"type": "string", "pattern": "^data:image/[\\w.+-]+;base64,", "description": "a data URL"}
FILE = {"type": "string", "contentMediaType": "image/png", "format": "binary"}


def bare_app(service: Service) -> FastAPI:
    """The addresses of a service, with nothing in front of them."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.desk.join(STEP_SECONDS)

    app = FastAPI(title="zeroshift", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    for part in (openai_edits, native, jobs, operations):
        app.include_router(part.router)
    for kind in (HTTPException, Refusal, ValueError, Exception):  # what is answered as a fault is raised on, to the log
        app.add_exception_handler(kind, answer_refusal)
    app.add_exception_handler(ClientDisconnect, answer_nobody)
    app.openapi = lambda: described(app)  # type: ignore[method-assign]  # FastAPI's own way
    return app


def guarded(app: FastAPI, keys: Iterable[str] = (), hosts: Iterable[str] = ()) -> ASGIApp:
    """The application behind its doorkeeper: this is what a server runs.

    Args:
        app: of ``bare_app``.
        keys: who has one is let in; without any, everybody on this machine.
        hosts: names that the service is asked by, beside those of this machine.
    """
    service: Service = app.state.service
    names = LOOPBACK | {host.lower() for host in hosts}
    doorkeeper = Doorkeeper(Bounded(app, service.desk), tuple(map(digest, keys)), names)
    return Watched(Parting(doorkeeper, service.limits), service.desk.metrics)


def create(offer: Offer, limits: Limits | None = None) -> FastAPI:
    """The addresses of a service that offers these models; ``guarded`` puts the doorkeeper in front.

    It is made in a running event loop or before one; the queues run from now on.
    """
    return bare_app(opened(offer, limits or Limits()))


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the bodies that the handlers read themselves."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, routes=app.routes, description=app.description)
        _, bodies = models_json_schema(
            [(model, "validation") for model in (ImageEdit, EditBody, CaptionBody)],
            ref_template="#/components/schemas/{model}",
        )
        found["components"]["schemas"] |= bodies["$defs"]
        for (path, model), pictures in BODIES.items():
            found["paths"][path]["post"]["requestBody"] = body_of(bodies["$defs"][model.__name__], pictures)
        found["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{}, {"key": []}]
        app.openapi_schema = found
    return app.openapi_schema


def body_of(fields: Mapping[str, Any], pictures: Iterable[str]) -> dict[str, Any]:
    """A body with its pictures, as a form and as JSON."""

    def with_pictures(picture: Mapping[str, Any]) -> dict[str, Any]:
        properties = {**fields["properties"], **{name: picture for name in pictures}}
        required = ["image", *fields.get("required", [])]
        return {"schema": {"type": "object", "properties": properties, "required": required}}

    return {
        "required": True,
        "content": {"multipart/form-data": with_pictures(FILE), "application/json": with_pictures(DATA_URL)},
    }
