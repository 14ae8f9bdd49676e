"""Bodies of requests, JSON or forms, and the pictures in them; all in memory alone, none larger than it may be."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from zeroshift.image import Photo, load_image, size_of
from zeroshift.options.errors import option_error
from zeroshift.service.desk import Place
from zeroshift.service.limits import Formats, Limits, held
from zeroshift.service.refusals import Refusal, wrong

Model = TypeVar("Model", bound=BaseModel)
T = TypeVar("T")
FIELDS = 100
"""of a form"""
NOT_TEXT = "invalid_text"
DECODERS = 2
"""pictures that are decoded or written at a time"""
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.ASCII)
_HALF = re.compile("[\ud800-\udfff]")
_NESTED = re.compile(r"^(\w+)((?:\[\w+\])+)$", re.ASCII)


class InMemory(MultiPartParser):
    """Reads forms without Starlette's temporary files for what is larger than a megabyte."""

    spool_max_size = 0
    """for Python's ``SpooledTemporaryFile``: none"""


@dataclass(frozen=True)
class Sent:
    """What came in a body."""

    fields: dict[str, Any]
    files: dict[str, list[bytes]] = field(default_factory=dict)
    """pictures by the name of their field, without ``[]``"""


async def read_body(request: Request) -> Sent:
    """Read a body of either kind.

    Raises:
        Refusal: it is of a third kind, or not what it says it is.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return Sent(json_of(await request.body()))
    if kind == "multipart/form-data":
        return await read_form(request)
    sentence = "The body is multipart/form-data or application/json; say so with Content-Type."
    raise Refusal(415, "unsupported_media_type", sentence)


def json_of(body: bytes) -> dict[str, Any]:
    """A body that is an object.

    Raises:
        Refusal: it is none.
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise wrong("The body is not valid JSON.", code="invalid_json") from error
    if not isinstance(found, dict):
        raise wrong("The body is to be a JSON object.", code="invalid_json")
    check_text(found)
    return found


def check_text(found: object) -> None:
    """Refuse halves of characters, which no text has: JSON can write them ("\\ud800"), and nothing can encode them.

    Raises:
        Refusal: there is one, however deep.
    """
    inner = [found]
    while inner:
        one = inner.pop()
        if isinstance(one, dict):
            inner += [*one, *one.values()]
        elif isinstance(one, list):
            inner += one
        elif isinstance(one, str) and not one.isascii() and _HALF.search(one):
            raise wrong("The body has half of a character in it (a lone surrogate); send whole ones.", None, NOT_TEXT)


async def read_form(request: Request) -> Sent:
    """A form: files by their fields, the other fields as text; ``options[steps]`` is a field of the field ``options``.

    Raises:
        Refusal: a field is there twice.
        HTTPException: it cannot be read.
    """
    fields: dict[str, Any] = {}
    files: dict[str, list[bytes]] = {}
    try:
        async with aclosing(request.stream()) as stream:
            form = await InMemory(request.headers, stream, max_files=FIELDS, max_fields=FIELDS).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error
    try:
        for name, value in form.multi_items():
            plain = name.removesuffix("[]")
            if isinstance(value, UploadFile):
                files.setdefault(plain, []).append(await value.read())
            elif nested := _NESTED.match(name):
                put(fields, [nested[1], *re.findall(r"\[(\w+)\]", nested[2])], value)
            elif plain in fields:
                raise wrong(f"`{plain}` is there twice; give it once.", plain)
            else:
                fields[plain] = value
    finally:
        await form.close()
    check_text(fields)
    return Sent(fields, files)


def put(fields: dict[str, Any], path: Sequence[str], value: str) -> None:
    """Set a nested field, read as JSON where it is some.

    Raises:
        Refusal: there is something else in its place.
    """
    for step in path[:-1]:
        fields = fields.setdefault(step, {})
        if not isinstance(fields, dict):
            raise wrong(f"`{path[0]}` is there in two forms; give it in one.", path[0])
    fields[path[-1]] = plain_json(value)


def plain_json(text: str) -> object:
    """What a text says as JSON; itself where it says nothing.

    Raises:
        Refusal: it has halves of characters.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    check_text(found)
    return found


def validated(model: type[Model], fields: Mapping[str, Any]) -> Model:
    """The fields of a body, checked.

    Raises:
        OptionError: one is missing or wrong; the sentence says which.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise option_error("the request", model, error) from error


def picture_bytes(sent: Sent, name: str) -> list[bytes]:
    """The pictures of a field: files of a form, or the data URLs of JSON; null is as if it were left out.

    Raises:
        Refusal: there is something else in it.
    """
    given, files = sent.fields.get(name), sent.files.get(name, [])
    if given is None:
        return files
    if files:
        raise wrong(f"`{name}` is there as a file and as text; give it once.", name)
    return [bytes_of(one, name) for one in (given if isinstance(given, list) else [given])]


def bytes_of(given: object, name: str) -> bytes:
    """The bytes of a data URL, or of an object with it as ``image_url``.

    Raises:
        Refusal: it is no data URL; nothing is ever fetched.
    """
    url = given.get("image_url") if isinstance(given, dict) else given
    if not isinstance(url, str) or (head := _DATA_URL.match(url)) is None:
        sentence = f"`{name}` is to be a file of a form, or a data URL (data:image/png;base64,...) in JSON; "
        raise wrong(f"{sentence}addresses and file ids are not fetched.", name, "unsupported_image")
    try:
        return base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(f"The data URL in `{name}` is not valid base64.", name, "unsupported_image") from error


class Decoding:
    """Opens pictures beside the event loop, a few at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self.threads = limits, CapacityLimiter(DECODERS)
        self.unfinished = CapacityLimiter(1)
        """for unfinished pictures: to put one into its photograph takes twenty times its memory for a moment"""

    async def photos(self, place: Place, files: Sequence[bytes], name: str) -> list[Photo]:
        """The pictures of a field, for which there is room in their request's place.

        Raises:
            Refusal: one is unusable, or there is no room.
        """
        return [await self.photo(place, data, name) for data in files]

    async def photo(self, place: Place, data: bytes, name: str) -> Photo:
        """One picture.

        Raises:
            Refusal: it is unusable, or there is no room.
        """
        try:
            place.hold(held(await self._opened(size_of, data)))
            return await self._opened(load_image, data)
        except ValueError as error:
            raise wrong(str(error), name, "unsupported_image") from error

    async def _opened(self, how: Callable[[bytes, float, Formats], T], data: bytes) -> T:
        limits = self._limits
        return await run_sync(
            how, data, limits.megapixels, limits.formats, limiter=self.threads, abandon_on_cancel=True
        )
