"""``POST /v1/images/edits``, as OpenAI's clients know it."""

import time
from collections.abc import AsyncIterator
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from starlette.responses import JSONResponse

from zeroshift.service.bodies import read_body
from zeroshift.service.openai_order import Order, read_order
from zeroshift.service.pictures import base64_of
from zeroshift.service.previews import Previews
from zeroshift.service.refusals import ANSWERS, Refusal
from zeroshift.service.sse import event, stream_of
from zeroshift.service.state import Service, Taken, service_of
from zeroshift.service.tickets import Done, Failed, Partial, Ticket

router = APIRouter(tags=["OpenAI"])
NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""OpenAI's clients expect it; nothing is counted in tokens here"""


@router.post("/v1/images/edits", responses=ANSWERS, summary="Edit photographs, as OpenAI's clients ask for it")
async def edit_image(request: Request, place: Taken) -> Response:
    """Edit one photograph or several.

    The body is a form with the pictures as files, or JSON with data URLs. With `stream` the answer is a stream of
    events, `image_edit.partial_image` and `image_edit.completed`.
    """
    service = service_of(request)
    async with place.in_time():
        order = await read_order(service, place, await read_body(request))
    ticket = service.desk.submit(order.job, place)
    if order.body.stream:
        return stream_of(events(service, order, ticket))
    done = await service.desk.outcome(request, ticket)
    return JSONResponse(await answer(service, request, order, done))


async def answer(service: Service, request: Request, order: Order, done: Done) -> dict[str, Any]:
    """OpenAI's form of results, with `warnings` beside it."""
    data = []
    for result in done.results:
        file = await run_sync(order.output.written, result, limiter=service.decoding.threads)
        if order.body.response_format == "url":
            name = service.shelf.put(file, order.output.media_type)
            picture = {"url": str(request.url_for("fetch_result", name=name))}
        else:
            picture = {"b64_json": base64_of(file)}
        data += [{**picture, "revised_prompt": result.recipe["target_prompt"]}] * order.copies
    return {
        "created": int(time.time()),
        "data": data,
        **order.facts,
        "usage": NO_USAGE,
        "warnings": [*order.warnings, *done.said],
    }


async def events(service: Service, order: Order, ticket: Ticket) -> AsyncIterator[bytes]:
    """What a stream says of a job."""
    threads = service.decoding.threads
    try:
        with ticket.listening() as heard:
            previews = Previews(ticket, order.output, service.decoding.unfinished)
            while True:
                match await heard.get():
                    case Partial(row=row, index=index) as one:
                        places = {"partial_image_index": index, "image_index": row * order.copies}
                        if (preview := await previews.file_of(one)) is not None:
                            yield told("partial_image", order, preview, places)
                    case Done(results=results, said=doubts):
                        facts = {"usage": NO_USAGE, "warnings": [*order.warnings, *doubts, *previews.said]}
                        for row, result in enumerate(results):
                            file = await run_sync(order.output.written, result, limiter=threads)
                            for image in range(row * order.copies, (row + 1) * order.copies):
                                yield told("completed", order, file, {**facts, "image_index": image})
                        return
                    case Failed(refusal=refusal):
                        yield event("error", {"type": "error", **refusal.body})
                        return
    except ValueError as error:  # a picture that the format cannot hold
        yield event("error", {"type": "error", **Refusal(400, "invalid_value", str(error)).body})


def told(kind: str, order: Order, file: bytes, more: dict[str, Any]) -> bytes:
    """One of OpenAI's events."""
    name = f"image_edit.{kind}"
    facts = {"type": name, "created_at": int(time.time()), "b64_json": base64_of(file)}
    return event(name, {**facts, **order.facts, **more})
