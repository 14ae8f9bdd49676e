"""What is answered where a request is refused or fails, in the form of OpenAI's errors."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from zeroshift.memory.room import Shortage
from zeroshift.options.errors import OptionError


@dataclass(eq=False)
class Refusal(Exception):
    """A request that gets no result, and why."""

    status: int
    code: str
    """one word for programs"""
    message: str
    """one sentence for people"""
    param: str | None = None
    """which field it is about: its name, or its JSON Pointer in nested ones"""
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        """The same as JSON."""
        kind = "server_error" if self.status >= 500 else KINDS.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        """The same as an answer."""
        return JSONResponse(self.body, self.status, self.headers)


KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Error(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: Annotated[str | None, Field(description="one word for programs")]


class Envelope(BaseModel):
    """OpenAI's form of an error."""

    error: Error


ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": Envelope, "description": said}
    for status, said in {
        400: "The request makes no sense; `param` says which field.",
        401: "No key, or a wrong one.",
        403: "The request comes from another site's page.",
        408: "The body did not arrive in time.",
        413: "The body is too large.",
        415: "The body is of no known kind.",
        429: "There are as many requests as the service takes; see Retry-After.",
        499: "The edit was cancelled.",
        500: "A fault of the service.",
        503: "The service is being stopped, or memory is too small.",
        504: "The edit was not done in time.",
    }.items()
}
"""what every address may answer beside results"""


def wrong(message: str, param: str | None = None, code: str = "invalid_value") -> Refusal:
    """What is answered to a request that makes no sense."""
    return Refusal(400, code, message, param)


def busy(seconds: int) -> Refusal:
    """What is answered where there are too many requests."""
    sentence = f"The service has as many requests as it takes; try again in {seconds} s."
    return Refusal(429, "queue_full", sentence, headers={"Retry-After": str(seconds)})


def stopping() -> Refusal:
    """What is answered while the service is being stopped."""
    return Refusal(503, "stopping", "The service is being stopped; try again later.", headers={"Retry-After": "10"})


def late(seconds: float) -> Refusal:
    """What is answered where a result was not there in time; asking again would only make it worse."""
    sentence = f"The edit was not done within {seconds:g} s, and was given up; ask for fewer steps, or a faster method."
    return Refusal(504, "deadline_exceeded", sentence, headers={"x-should-retry": "false"})


def refusal_of(error: Exception) -> Refusal:
    """What is answered where the core refuses; 500 where it fails without a sentence of its own."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OptionError):
        return wrong(str(error), str(error.path[0]) if len(error.path) == 1 else error.pointer or None)
    if isinstance(error, Shortage):
        return Refusal(503, "out_of_memory", str(error), headers={"x-should-retry": "false"})
    if isinstance(error, ValueError):
        return wrong(str(error))
    return Refusal(500, "internal_error", "Something went wrong in the service; its log says what.")


def of_http(error: HTTPException) -> Refusal:
    """What is answered where there is no such address or method, or a form cannot be read."""
    status = HTTPStatus(error.status_code)
    sentence = {404: "There is nothing at this address.", 405: "This address does not take this method."}
    message = sentence.get(status, f"{str(error.detail).rstrip('.')}.")
    return Refusal(status, status.phrase.lower().replace(" ", "_"), message, headers=dict(error.headers or {}))


async def answer_nobody(_: Request, __: Exception) -> Response:
    """Note that the client has gone before its answer."""
    return Response(status_code=499)


async def answer_refusal(_: Request, error: Exception) -> JSONResponse:
    """Answer what is raised in handlers."""
    return (of_http(error) if isinstance(error, HTTPException) else refusal_of(error)).response()
