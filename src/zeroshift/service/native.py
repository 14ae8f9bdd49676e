"""``/v1/edits`` and ``/v1/captions``, and what there is to choose from."""

from dataclasses import asdict
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from zeroshift.asked.edits import spec_schema
from zeroshift.distillation.students import Student
from zeroshift.methods import METHODS
from zeroshift.service.bodies import read_body
from zeroshift.service.native_order import read_edit, read_look
from zeroshift.service.pictures import Made
from zeroshift.service.refusals import ANSWERS, Refusal
from zeroshift.service.state import Service, Taken, service_of

router = APIRouter(tags=["zeroshift"])
PICTURE: dict[str, Any] = {"content": {f"image/{kind}": {} for kind in ("png", "jpeg", "webp")}}


@router.post("/v1/edits", responses=ANSWERS | {200: PICTURE}, summary="Edit a photograph")
async def edit(request: Request, place: Taken) -> Response:
    """Edit a photograph by an EditSpec.

    The answer is JSON with the picture in it, or with `Accept: image/*` the picture alone, which has its recipe in its
    metadata.
    """
    service = service_of(request)
    async with place.in_time():
        order = await read_edit(service, place, await read_body(request))
    done = await service.desk.outcome(request, service.desk.submit(order.job, place))
    made = await run_sync(Made.of, done.results[0], done.said, order.output, limiter=service.decoding.threads)
    if "image/" in request.headers.get("accept", ""):
        return Response(made.file, media_type=made.media_type)
    return JSONResponse(made.body)


@router.post("/v1/captions", responses=ANSWERS, summary="Say what a photograph shows")
async def caption(request: Request, place: Taken) -> dict[str, Any]:
    """Say what a photograph shows, with the captioner's probabilities, and whether it is sure."""
    service = service_of(request)
    async with place.in_time():
        job = await read_look(service, place, await read_body(request))
    done = await service.desk.outcome(request, service.desk.submit(job, place))
    assert done.seen is not None
    return asdict(done.seen)


@router.get("/v1/models", responses=ANSWERS, summary="The models that this service was started with")
async def models(request: Request) -> dict[str, Any]:
    """The models, the first of which is taken where a request names none."""
    service = service_of(request)
    return {"object": "list", "data": [model_facts(service, name) for name in service.offer.names]}


@router.get("/v1/models/{name:path}", responses={**ANSWERS, 404: ANSWERS[400]}, summary="One model")
async def model(request: Request, name: str) -> dict[str, Any]:
    """One of the models."""
    service = service_of(request)
    service.offer.maker(name)
    return model_facts(service, name)


def model_facts(service: Service, name: str) -> dict[str, Any]:
    """What is said of a model or a student."""
    named = {"id": name, "object": "model", "created": 0, "owned_by": "zeroshift"}
    if name in service.offer.students:
        return named | student_facts(service.offer.students[name].student)
    editor = service.offer.editors[name]
    identity, known = editor.backbone.identity, editor.known
    return named | {
        "sha256": identity.sha256,
        "pixels": editor.backbone.size,
        "device": editor.backbone.device.type,
        "precision": editor.backbone.precision,
        "captions": editor.captioner is not None,
        "subjects": [] if known is None else list(known.subjects),
        "presets": sorted(editor.presets),
    }


def student_facts(student: Student) -> dict[str, Any]:
    """What is said of a student alone."""
    return {
        "sha256": student.sha256,
        "pixels": student.network.size,
        "device": "cpu",
        "precision": "fp32",
        "captions": False,
        "edits": [list(way) for way in student.directions],
    }


@router.get("/v1/methods", responses=ANSWERS, summary="The editing methods and the JSON Schema of an edit")
async def methods(request: Request) -> dict[str, Any]:
    """Names of the methods, and the JSON Schema (2020-12) of an EditSpec with the options of each."""
    about = {method.name: (method.__doc__ or "").strip().splitlines()[0] for method in METHODS}
    return {"methods": [{"name": name, "about": said} for name, said in about.items()], "schema": spec_schema()}


@router.get("/v1/directions", responses=ANSWERS, summary="The edit directions that this service was started with")
async def directions(request: Request) -> dict[str, Any]:
    """The edit directions, which an edit names by `direction`, or an EditSpec by the hash."""
    found = service_of(request).offer.directions
    return {
        "object": "list",
        "data": [{"id": name, "sha256": one.sha256, "about": one.name or None} for name, one in found.items()],
    }


@router.get("/v1/images/results/{name}", responses={**ANSWERS, 200: PICTURE}, summary="A result")
async def fetch_result(request: Request, name: str) -> Response:
    """A picture that an edit with `response_format` url has made; it is kept for some minutes."""
    kept = service_of(request).shelf.get(name)
    if kept is None:
        raise Refusal(404, "not_found", "There is no such picture, or it was kept long enough.")
    return Response(kept.data, media_type=kept.media_type)
