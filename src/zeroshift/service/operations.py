"""Whether the service lives, whether it takes requests, and what it counts."""

from fastapi import APIRouter, Request, Response

from zeroshift.service.refusals import ANSWERS, stopping
from zeroshift.service.state import service_of

router = APIRouter(tags=["operations"])


@router.get("/healthz", responses=ANSWERS, summary="Whether the process answers")
async def health() -> dict[str, str]:
    """It does."""
    return {"status": "ok"}


@router.get("/readyz", responses=ANSWERS, summary="Whether requests are taken")
async def ready(request: Request) -> dict[str, str]:
    """Whether models are loaded, and the service is not being stopped."""
    if not service_of(request).desk.ready:
        raise stopping()
    return {"status": "ok"}


@router.get("/metrics", responses=ANSWERS, summary="Counters for Prometheus")
async def metrics(request: Request) -> Response:
    """Counters in Prometheus' text format."""
    return Response(service_of(request).desk.metrics.text(), media_type="text/plain; version=0.0.4")
