"""From a body to an edit and the way in which it is answered."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import seeds_in_vain
from zeroshift.conditioning.direction import Direction
from zeroshift.distillation.asked import SAME
from zeroshift.distillation.editing import StudentEditor
from zeroshift.editor import Editor
from zeroshift.image import Photo
from zeroshift.image.masks import read_mask
from zeroshift.masks.masking import allowed_in, stays_clear
from zeroshift.options.errors import OptionError
from zeroshift.service.bodies import Sent, picture_bytes
from zeroshift.service.desk import Place
from zeroshift.service.openai_body import PICTURES, ImageEdit, image_edit
from zeroshift.service.pictures import Output, shaped
from zeroshift.service.refusals import wrong
from zeroshift.service.runs import Edit, Row
from zeroshift.service.state import Service
from zeroshift.service.student_runs import NO_PARTIAL, StudentEdit, student_edit

CUT = "The picture was cut to the proportions of `size` around its middle; ask for auto to keep all of it."
IDLE_FIDELITY = "`input_fidelity` has no effect where a `mask` is sent: all outside of the mask keeps its pixels."
NO_MASK = "The picture has transparent parts, which {}; to have them edited, send it as `mask`, too."
OPAQUE_MASK = "The mask has no transparent pixel; what is white in it was taken for what may change."


@dataclass(frozen=True)
class Order:
    """A request that was read."""

    body: ImageEdit
    output: Output
    job: Edit | StudentEdit
    copies: int
    """of each picture: where a method draws nothing at random, one stands for all seeds"""
    warnings: tuple[str, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """What every answer says of the pictures."""
        photo, mask = self.job.rows[0].photo, self.job.rows[0].mask
        width, height = self.output.size or photo.image.size
        shows = photo.alpha is not None and self.output.keeps_alpha
        shows = shows and (mask is None or stays_clear(photo, allowed_in(photo, mask)))
        return {
            "background": "transparent" if shows else "opaque",
            "output_format": self.output.format,
            "quality": "low" if self.job.spec.fast else "high",
            "size": f"{width}x{height}",
        }


async def read_order(service: Service, place: Place, sent: Sent) -> Order:
    """Read all of a request, and refuse what can be refused before the work.

    Raises:
        ValueError: something of it makes no sense.
        Refusal: likewise.
    """
    body = image_edit(sent.fields)
    output, maker = body.output, service.offer.maker(body.model)
    direction = None if body.direction is None else service.offer.direction(body.direction)
    files = [*picture_bytes(sent, "image"), *picture_bytes(sent, "images")]
    check_count(len(files), body.n, service.limits.rows)
    photos = await service.decoding.photos(place, files, "image")
    mask, warned = await mask_of(service, place, sent, photos, output)
    for photo in photos:
        output.check(photo)
    cut = [shaped(photo, output.size) for photo in photos]
    mask = None if mask is None else shaped(mask, output.size)[0]
    partial = body.partial_images if body.stream else 0
    spec = body.spec(mask, direction)
    with of_prompt(body):
        job, idle = job_of(body, maker, spec, [Row(photo, mask, spec.seed) for photo, _ in cut], direction, partial)
    copies = body.n * len(cut) // len(job.rows)
    written = 1 if body.stream or body.response_format == "url" else copies
    sizes = [row.photo.image.size for row in job.rows] * written
    place.hold_results(sizes, output.size, unfinished=job.unfinished)
    warned += [IDLE_FIDELITY] if mask is not None and body.input_fidelity == "low" else []
    warned += [CUT] if any(shorter for _, shorter in cut) else []
    unknown = [f"`{name}` is not known here and has no effect." for name in sorted(sent.files) if name not in PICTURES]
    return Order(body, output, job, copies, (*body.warnings, *unknown, *warned, *idle))


def job_of(
    body: ImageEdit,
    maker: Editor | StudentEditor,
    spec: EditSpec,
    rows: Sequence[Row],
    direction: Direction | None,
    partial: int,
) -> tuple[Edit | StudentEdit, list[str]]:
    """What is to be done, if it makes sense, and what is to be said of it.

    Raises:
        OptionError: it does not.
    """
    if isinstance(maker, StudentEditor):
        said = [*([SAME] if body.n > 1 else []), *([NO_PARTIAL] if partial else [])]
        return student_edit(maker, spec, tuple(rows)), said
    spec.check(directed=direction is not None, vgg=None if maker.vgg else False)
    seeds, idle = seeds_for(spec, body.n)
    every = tuple(replace(row, seed=seed) for row in rows for seed in seeds)
    return Edit(maker, spec, every, direction, partial), idle


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


async def mask_of(
    service: Service, place: Place, sent: Sent, photos: Sequence[Photo], output: Output
) -> tuple[Photo | None, list[str]]:
    """The mask of a request, and what is to be said of it.

    Raises:
        Refusal: it fits no picture, or there are several pictures or masks.
    """
    files = picture_bytes(sent, "mask")
    if not files:
        become = "stay so" if output.keeps_alpha else "become white"
        return None, [NO_MASK.format(become)] if any(is_transparent(photo) for photo in photos) else []
    if len(files) > 1 or len(photos) > 1:
        raise wrong("A `mask` belongs to one picture; send one request for each picture.", "mask")
    (mask,) = await service.decoding.photos(place, files, "mask")
    try:
        read_mask(mask, photos[0].image.size)
    except ValueError as error:
        raise wrong(str(error), "mask", "unsupported_image") from error
    return mask, [] if is_transparent(mask) else [OPAQUE_MASK]


def is_transparent(photo: Photo) -> bool:
    """Whether a picture has parts that OpenAI's API takes for what is edited."""
    return photo.alpha is not None and bool((np.asarray(photo.alpha) < 128).any())


@contextmanager
def of_prompt(body: ImageEdit) -> Iterator[None]:
    """Inside, what is wrong with source and target is said of the prompt that they were read from.

    Raises:
        OptionError: something is wrong.
    """
    try:
        yield
    except OptionError as error:
        derived = {("target",): body.target, ("source",): body.source}
        if error.path in derived and derived[error.path] is None:
            raise OptionError(str(error), ("prompt",), body.prompt) from error
        raise


def seeds_for(spec: EditSpec, n: int) -> tuple[list[int], list[str]]:
    """Seeds of ``n`` pictures, and what is to be said of them; one where all would be the same."""
    if n == 1:
        return [spec.seed], []
    idle = seeds_in_vain([spec, spec.model_copy(update={"seed": spec.seed + 1})])
    return ([spec.seed] if idle else [(spec.seed + k) % 2**63 for k in range(n)]), idle
