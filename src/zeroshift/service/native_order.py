"""Edits as this package has them: an ``EditSpec``, a picture, and how the result is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from zeroshift.asked.checks import at
from zeroshift.asked.data import DirectionOfSentences, GivenMask, SavedDirection
from zeroshift.asked.edits import EditSpec
from zeroshift.distillation.editing import StudentEditor
from zeroshift.editor import Editor
from zeroshift.image import Fit, Photo
from zeroshift.image.masks import read_mask
from zeroshift.options.errors import OptionError
from zeroshift.service.bodies import Sent, picture_bytes, plain_json, validated
from zeroshift.service.desk import Place
from zeroshift.service.limits import Limits
from zeroshift.service.pictures import Background, Output, OutputFormat, quality_of
from zeroshift.service.refusals import wrong
from zeroshift.service.runs import Edit, Look, Row
from zeroshift.service.state import Service
from zeroshift.service.student_runs import StudentEdit, student_edit

PICTURES = ("image", "mask")


class Body(BaseModel):
    """Fields of a body, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EditBody(Body):
    """All of an edit but its pictures."""

    spec: dict[str, Any]
    """an EditSpec; its JSON Schema is at /v1/methods. In a form, the same as text. A mask that is sent beside it is
    taken without ``mask``, a saved direction by its hash"""
    model: Annotated[str, Field(max_length=200)] | None = None
    """one of those at /v1/models; by default the first"""
    output_format: OutputFormat = "png"
    output_compression: Annotated[int, Field(ge=0, le=100)] = 100
    """of JPEG and WebP: 100 is the best"""
    background: Background = "auto"
    """transparent and auto keep the alpha that a photograph has, opaque lays it over white"""
    partial_images: Annotated[int, Field(ge=0, le=10)] = 0
    """unfinished pictures among the events of a job"""


class CaptionBody(Body):
    """How a picture is looked at."""

    model: Annotated[str, Field(max_length=200)] | None = None
    fit: Fit | None = None
    """how it meets the model's frame"""
    region: Annotated[str, Field(max_length=100)] | None = None
    """the part that is looked at: "X,Y,W,H" in pixels or percent, "auto" or "none" """


@dataclass(frozen=True)
class NativeOrder:
    """A request that was read."""

    job: Edit | StudentEdit
    output: Output


async def read_edit(service: Service, place: Place, sent: Sent) -> NativeOrder:
    """Read all of an edit, and refuse what can be refused before the work.

    Raises:
        ValueError: something of it makes no sense.
        Refusal: likewise.
    """
    fields = said_in(sent)
    if isinstance(text := fields.get("spec"), str):
        fields["spec"] = plain_json(text)
    check_files(sent)
    body = validated(EditBody, fields)
    maker = service.offer.maker(body.model)
    photo, mask = await one_picture(service, place, sent), await mask_of(service, place, sent)
    output = Output(body.output_format, quality_of(body.output_format, body.output_compression), body.background)
    output.check(photo)
    with at("spec"):
        spec = EditSpec.parse(body.spec)
        if mask is not None and spec.mask is None:
            spec = spec.model_copy(update={"mask": GivenMask(sha256=mask.sha256)})
        check_bounds(spec, service.limits)
        given = spec.given_mask(mask)
        job = job_of(service, maker, spec, Row(photo, given, spec.seed), body.partial_images)
    if given is not None:
        with at("mask"):
            read_mask(given, photo.image.size)
    place.hold_results([photo.image.size], None, unfinished=job.unfinished)
    return NativeOrder(job, output)


def said_in(sent: Sent, pictures: Sequence[str] = PICTURES) -> dict[str, Any]:
    """The fields of a body without its pictures; what is null is left out."""
    return {name: value for name, value in sent.fields.items() if name not in pictures and value is not None}


def job_of(
    service: Service, maker: Editor | StudentEditor, spec: EditSpec, row: Row, partial: int
) -> Edit | StudentEdit:
    """What is to be done, if it makes sense.

    Raises:
        OptionError: it does not.
        Refusal: the edit direction is not offered.
    """
    if isinstance(maker, StudentEditor):
        return student_edit(maker, spec, (row,))
    along = spec.direction
    direction = service.offer.direction(along.sha256) if isinstance(along, SavedDirection) else None
    spec.check(directed=direction is not None, vgg=None if maker.vgg else False)
    return Edit(maker, spec, (row,), direction, partial)


async def read_look(service: Service, place: Place, sent: Sent) -> Look:
    """Read a picture that shall be said in words.

    Raises:
        ValueError: something of it makes no sense.
        Refusal: likewise.
    """
    body = validated(CaptionBody, said_in(sent, ("image",)))
    check_files(sent)
    if body.model in service.offer.students:
        raise wrong(f"{body.model} is a student and says nothing of pictures; name a model.", "model")
    editor = service.offer.editor(body.model)
    return Look(editor, await one_picture(service, place, sent), body.fit, body.region)


def check_bounds(spec: EditSpec, limits: Limits) -> None:
    """Refuse more sentences than may be encoded in one go, which nothing interrupts.

    Raises:
        OptionError: there are more.
    """
    if isinstance(spec.direction, DirectionOfSentences):
        for name in ("source_sentences", "target_sentences"):
            if len(getattr(spec.direction, name)) > limits.sentences:
                sentence = f"`{name}` has at most {limits.sentences} sentences in this service."
                raise OptionError(sentence, ("direction", name))


def check_files(sent: Sent) -> None:
    """Refuse files of other fields.

    Raises:
        Refusal: there are some.
    """
    for name in sorted(set(sent.files) - set(PICTURES)):
        raise wrong(f"There is no file `{name}` here; there are: {', '.join(PICTURES)}.", name)


async def one_picture(service: Service, place: Place, sent: Sent) -> Photo:
    """The picture of a request.

    Raises:
        Refusal: there is none, or several, or it is unusable.
    """
    files = picture_bytes(sent, "image")
    if len(files) != 1:
        raise wrong("Send one `image`, as a file of a form, or as a data URL in JSON.", "image")
    return await service.decoding.photo(place, files[0], "image")


async def mask_of(service: Service, place: Place, sent: Sent) -> Photo | None:
    """The mask of a request, if there is one.

    Raises:
        Refusal: there are several, or it is unusable.
    """
    files = picture_bytes(sent, "mask")
    if len(files) > 1:
        raise wrong("Send one `mask`.", "mask")
    return await service.decoding.photo(place, files[0], "mask") if files else None
