"""``/v1/jobs``: edits that are asked for now and fetched later, with their progress."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from zeroshift.service.bodies import read_body
from zeroshift.service.desk import Place
from zeroshift.service.job_list import StoredJob
from zeroshift.service.native import PICTURE
from zeroshift.service.native_order import read_edit
from zeroshift.service.pictures import Made, base64_of
from zeroshift.service.previews import Previews
from zeroshift.service.refusals import ANSWERS, Refusal, refusal_of
from zeroshift.service.sse import event, stream_of
from zeroshift.service.state import Service, Taken, service_of
from zeroshift.service.tickets import Done, Failed, Partial, Step, Ticket, Waiting

log = logging.getLogger(__name__)

router = APIRouter(tags=["jobs"])
NONE_SUCH = {**ANSWERS, 404: {**ANSWERS[400], "description": "There is no such job."}}
NOT_YET = {**NONE_SUCH, 409: {**ANSWERS[400], "description": "It has not ended yet."}}
_ATTENDING = set[asyncio.Task[None]]()
"""what writes the results of jobs; the event loop alone would not keep it"""


@router.post("/v1/jobs", status_code=202, responses=ANSWERS, summary="Begin an edit")
async def begin(request: Request, place: Taken) -> JSONResponse:
    """Begin an edit that goes on when the client has gone; the body is that of /v1/edits."""
    service = service_of(request)
    async with place.in_time():
        order = await read_edit(service, place, await read_body(request))
    ticket = service.desk.submit(order.job, place)
    job = service.jobs.add(ticket, order.output)
    place.kept = True
    attending = asyncio.create_task(attend(service, job, ticket, place))
    _ATTENDING.add(attending)
    attending.add_done_callback(_ATTENDING.discard)
    return JSONResponse(facts(job), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.get("/v1/jobs/{name}", responses=NONE_SUCH, summary="How far an edit is, and what became of it")
async def look(request: Request, name: str) -> dict[str, Any]:
    """How far an edit is; when it is done, all that is said of the result."""
    return facts(service_of(request).jobs.get(name))


@router.delete("/v1/jobs/{name}", responses=NONE_SUCH, summary="Cancel an edit")
async def cancel(request: Request, name: str) -> dict[str, Any]:
    """Cancel an edit; what runs ends after its step. One that has ended stays as it is."""
    job = service_of(request).jobs.get(name)
    if job.ticket is not None:
        job.ticket.cancel()
        await job.over.wait()
    return facts(job)


@router.get("/v1/jobs/{name}/image", responses=NOT_YET | {200: PICTURE}, summary="The result of an edit")
async def image(request: Request, name: str) -> Response:
    """The edited picture, which has its recipe in its metadata."""
    job = service_of(request).jobs.get(name)
    if job.refusal is not None:
        raise job.refusal
    if job.made is None:
        raise Refusal(409, "not_done", "The edit is not done yet; see its status.")
    return Response(job.made.file, media_type=job.made.media_type)


@router.get(
    "/v1/jobs/{name}/events",
    responses=NONE_SUCH | {200: {"content": {"text/event-stream": {}}}},
    summary="Its progress",
)
async def follow(request: Request, name: str) -> Response:
    """Events from now on: `job.step`, `job.partial_image`, and at the end `job.done`, `job.failed` or `job.cancelled`.

    Whoever stops listening does not cancel the edit.
    """
    service = service_of(request)
    job = service.jobs.get(name)
    return stream_of(ended(job) if job.ticket is None else events(service, job, job.ticket))


async def attend(service: Service, job: StoredJob, ticket: Ticket, place: Place) -> None:
    """Wait for a job's end, write its result, and give its request's place back."""
    try:
        done = await ticket.done()
        made = await run_sync(Made.of, done.results[0], done.said, job.output, limiter=service.decoding.threads)
    except Exception as error:  # whatever it is, a job ends: somebody waits for it
        if not isinstance(error, Refusal | ValueError):
            log.exception("result not written")
        service.jobs.end(job, None, refusal_of(error))
    else:
        service.jobs.end(job, made, None)
    finally:
        place.leave()


async def events(service: Service, job: StoredJob, ticket: Ticket) -> AsyncIterator[bytes]:
    """What a stream says of a job that has not ended."""
    with ticket.listening() as heard:
        previews = Previews(ticket, job.output, service.decoding.unfinished)
        while True:
            match await heard.get():
                case Waiting():
                    yield event("job.waiting", facts(job))
                case Step(stage=stage, done=done, total=total):
                    yield event("job.step", {"id": job.id, "stage": stage, "done": done, "total": total})
                case Partial(index=index) as one:
                    if (file := await previews.file_of(one)) is not None:
                        yield event("job.partial_image", {"id": job.id, "index": index, "b64_json": base64_of(file)})
                case Done() | Failed():
                    await job.over.wait()
                    async for last in ended(job, previews.said):
                        yield last
                    return


async def ended(job: StoredJob, said: Sequence[str] = ()) -> AsyncIterator[bytes]:
    """What a stream says of a job that has ended; what is ``said`` to its listener alone is among the warnings."""
    last = facts(job)
    if said and job.made is not None:
        last["result"] = {**job.made.facts, "warnings": [*job.made.facts["warnings"], *said]}
    yield event(f"job.{job.status}", last)


def facts(job: StoredJob) -> dict[str, Any]:
    """What is said of a job."""
    here = f"/v1/jobs/{job.id}"
    found: dict[str, Any] = {"id": job.id, "status": job.status, "events": f"{here}/events"}
    last = None if job.ticket is None else job.ticket.last
    if isinstance(last, Step):
        found["progress"] = {"stage": last.stage, "done": last.done, "total": last.total}
    if job.made is not None:
        found |= {"image": f"{here}/image", "result": job.made.facts}
    if job.refusal is not None:
        found |= job.refusal.body
    return found
