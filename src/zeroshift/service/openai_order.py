"""From a body to an edit and the way in which it is answered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import seeds_in_vain
from zeroshift.editor import Editor
from zeroshift.image import Photo
from zeroshift.image.masks import read_mask
from zeroshift.options.errors import OptionError
from zeroshift.results import Result
from zeroshift.service.bodies import Sent, picture_bytes
from zeroshift.service.openai_body import PICTURES, ImageEdit, image_edit
from zeroshift.service.pictures import Output, shaped
from zeroshift.service.refusals import wrong
from zeroshift.service.runs import Edit, Row
from zeroshift.service.state import Service

CUT = "The picture was cut to the proportions of `size` around its middle; ask for auto to keep all of it."
OPAQUE_MASK = "The mask has no transparent pixel; what is white in it was taken for what may change."


@dataclass(frozen=True)
class Order:
    """A request that was read."""

    body: ImageEdit
    output: Output
    job: Edit
    copies: int
    """of each picture: where a method draws nothing at random, one stands for all seeds"""
    warnings: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """What every answer says of the pictures."""
        photo = self.job.rows[0].photo
        width, height = self.output.size or photo.image.size
        shows = photo.alpha is not None and self.output.background != "opaque" and self.output.format != "jpeg"
        return {
            "background": "transparent" if shows else "opaque",
            "output_format": self.output.format,
            "quality": "low" if self.job.spec.fast else "high",
            "size": f"{width}x{height}",
        }

    def repeated(self, results: Sequence[Result]) -> Iterator[Result]:
        """As many results as were asked for."""
        for result in results:
            yield from [result] * self.copies


async def read_order(service: Service, sent: Sent) -> Order:
    """Read all of a request, and refuse what can be refused before the work.

    Raises:
        ValueError: something of it makes no sense.
        Refusal: likewise.
    """
    body = image_edit(sent.fields)
    output, editor = body.output, service.offer.editors[service.offer.name_of(body.model)]
    direction = None if body.direction is None else service.offer.direction(body.direction)
    files = [*picture_bytes(sent, "image"), *picture_bytes(sent, "images")]
    check_count(len(files), body.n, service.limits.rows)
    photos = await service.decoding.photos(files, "image")
    mask, warned = await mask_of(service, sent, photos)
    for photo in photos:
        output.check(photo)
    cut = [shaped(photo, output.size) for photo in photos]
    mask = None if mask is None else shaped(mask, output.size)[0]
    spec = checked(body, body.spec(mask, direction), editor, directed=direction is not None)
    seeds, idle = seeds_for(spec, body.n)
    rows = tuple(Row(photo, mask, seed) for photo, _ in cut for seed in seeds)
    warned += [CUT] if any(shorter for _, shorter in cut) else []
    unknown = [f"`{name}` is not known here and has no effect." for name in sorted(sent.files) if name not in PICTURES]
    job = Edit(editor, spec, rows, direction, body.partial_images if body.stream else 0)
    return Order(body, output, job, body.n // len(seeds), (*body.warnings, *unknown, *warned, *idle))


def check_count(pictures: int, n: int, most: int) -> None:
    """Refuse no picture, and too many.

    Raises:
        Refusal: so it is.
    """
    if not pictures:
        raise wrong("`image` is missing; send the photograph as a file of a form, or as a data URL.", "image")
    if pictures * n > most:
        sentence = f"One request makes at most {most} pictures, and this asks for {pictures * n}."
        raise wrong(sentence, "n" if n > 1 else "image")


async def mask_of(service: Service, sent: Sent, photos: Sequence[Photo]) -> tuple[Photo | None, list[str]]:
    """The mask of a request, and what is to be said of it.

    Raises:
        Refusal: it fits no picture, or there are several pictures or masks.
    """
    files = picture_bytes(sent, "mask")
    if not files:
        return None, []
    if len(files) > 1 or len(photos) > 1:
        raise wrong("A `mask` belongs to one picture; send one request for each picture.", "mask")
    (mask,) = await service.decoding.photos(files, "mask")
    try:
        read_mask(mask, photos[0].image.size)
    except ValueError as error:
        raise wrong(str(error), "mask", "unsupported_image") from error
    transparent = mask.alpha is not None and bool((np.asarray(mask.alpha) < 128).any())
    return mask, [] if transparent else [OPAQUE_MASK]


def checked(body: ImageEdit, spec: EditSpec, editor: Editor, *, directed: bool) -> EditSpec:
    """The edit, if it makes sense.

    Raises:
        OptionError: it does not; what is wrong with source and target is of the prompt that they were read from.
    """
    try:
        spec.check(directed=directed, vgg=None if editor.vgg else False)
    except OptionError as error:
        derived = {("target",): body.target, ("source",): body.source}
        if error.path in derived and derived[error.path] is None:
            raise OptionError(str(error), ("prompt",), body.prompt) from error
        raise
    return spec


def seeds_for(spec: EditSpec, n: int) -> tuple[list[int], list[str]]:
    """Seeds of ``n`` pictures, and what is to be said of them; one where all would be the same."""
    if n == 1:
        return [spec.seed], []
    idle = seeds_in_vain([spec, spec.model_copy(update={"seed": spec.seed + 1})])
    return ([spec.seed] if idle else [(spec.seed + k) % 2**63 for k in range(n)]), idle
