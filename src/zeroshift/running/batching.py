"""Many pictures and many edits: looked at one after another, taken together, run; a broken one loses no other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice
from typing import TypeAlias

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.asked.together import check_together, seeds_in_vain
from zeroshift.captioning import Captioner, Knowing, Seen, see
from zeroshift.conditioning.direction import Direction
from zeroshift.diffusion.backbone import Backbone, Unsupported
from zeroshift.doubts import doubt
from zeroshift.framed import FramedPhoto, framed_as
from zeroshift.frames import Allowed, Choose, choosing
from zeroshift.image import Fit, Photo, Picture, as_photo
from zeroshift.image.masks import ALPHA
from zeroshift.image.regions import Region
from zeroshift.masks.masking import Failed, allowed_in, masked
from zeroshift.memory.need import need
from zeroshift.memory.room import Room
from zeroshift.methods.base import Method
from zeroshift.model import Model
from zeroshift.recipe import MOST_ROWS
from zeroshift.running.grouping import BATCH, Asked, Group, grouped
from zeroshift.words import DoubtfulWords

Senseless: TypeAlias = dict[tuple[int, int], Exception]
"""why single edits make no sense, by the picture's place and the edit's"""


def look(
    editor: Model,
    pictures: Iterable[Picture],
    *,
    fit: Fit | None = None,
    region: str | Region | None = None,
    whole: bool = False,
    size: int | None = None,
    caption: bool = False,
    batch: int = BATCH,
    max_megapixels: float = 100,
    failed: Failed | None = None,
    allowed: Allowed | None = None,
) -> Iterator[FramedPhoto]:
    """Open pictures and bring them, or a part of each, to the model's frame; with ``caption`` say what they show.

    Only as many are open as are captioned together, ``batch`` at most. ``max_megapixels`` bounds files. A picture that
    is unusable is left out if there is a ``failed`` to note it in.

    Args:
        fit: how a picture or its part meets the frame; by default the model's way.
        region: the part, "X,Y,W,H"; "auto" is the one around the subject, "none" all of it. By default "auto" where
            the model has a finder of subjects and no ``fit`` is given.
        whole: whether the edit changes the whole picture, which then is the default.
        size: side in pixels of the square whose pixels the frame has; by default the model's own, of whole pictures up
            to twice that.
        caption: whether to say what it shows.
        batch: how many are captioned together at most.
        allowed: where a photograph may change, if a mask says so.

    Raises:
        Unsupported: captions or the subject are asked for, and the model has no captioner or finder.
        ValueError: a picture or the region is unusable; the sentence says why.
    """
    if caption and editor.captioner is None:
        raise Unsupported(
            f"The model {editor.backbone.identity.name} has no captioner, so it cannot tell what a picture shows; "
            "give the `source`, or a `captioner`: a BLIP, such as Salesforce/blip-image-captioning-base, or a file of "
            "captions (.csv, .json, .txt)."
        )
    choose = choosing(editor.frames, fit, region, whole=whole, size=size, allowed=allowed)
    frames = opened(editor.backbone, pictures, choose, max_megapixels, failed)
    if not caption or editor.captioner is None:
        return frames
    if isinstance(editor.captioner, Knowing):
        return told_apart(editor.captioner, frames, failed)
    return captioned(editor.captioner, frames, batch)


def look_at(
    editor: Model,
    pictures: Iterable[Picture],
    spec: EditSpec,
    *,
    mask: Photo | None = None,
    batch: int = BATCH,
    max_megapixels: float = 100,
    failed: Failed | None = None,
) -> Iterator[FramedPhoto]:
    """Open and frame pictures as ``spec`` asks, and say what they show if it names no source; see ``look``.

    Args:
        mask: the picture of a ``GivenMask``; every picture has its size.
    """
    given = ALPHA if spec.mask == "alpha" else spec.given_mask(mask)
    frames = look(
        editor,
        pictures,
        fit=spec.fit,
        region=spec.region,
        whole=spec.changes_all(editor.vocabulary),
        size=spec.size,
        caption=spec.source is None,
        batch=batch,
        max_megapixels=max_megapixels,
        failed=failed,
        allowed=None if given is None else lambda photo: allowed_in(photo, given),
    )
    return frames if given is None else masked(frames, given, failed)


def framed_alike(editor: Model, specs: Sequence[EditSpec]) -> list[tuple[int, ...]]:
    """Edits by index that take the same part of a picture: those of all of it, and those of its subject.

    One ``look_at`` frames pictures for the edits of one of these.
    """
    parts: dict[bool, list[int]] = {}
    for n, spec in enumerate(specs):
        chosen = editor.finder is not None and spec.fit is None and spec.region is None
        parts.setdefault(chosen and spec.changes_all(editor.vocabulary), []).append(n)
    return [tuple(part) for part in parts.values()]


def groups(
    editor: Model,
    frames: Iterable[FramedPhoto] | None,
    specs: Sequence[EditSpec],
    *,
    direction: Direction | None = None,
    method: Method | None = None,
    seeds: Sequence[int] | None = None,
    batch: int | None = None,
    failed: Failed | None = None,
    senseless: Senseless | None = None,
) -> Iterator[Group]:
    """Take together what one run does: pictures of one framed size, and edits that share the work on the source.

    Args:
        frames: pictures as ``look`` gives them, read as far as the next group needs; None where the model is to
            generate the source.
        specs: edits of every picture; their ``fit`` and ``region`` are for ``look``.
        direction: an edit direction to use instead of one made from the words.
        method: what to edit by, in place of the specs' methods and options.
        seeds: a seed for each picture, in place of the specs'.
        batch: how many pictures run together at most, 1 to 64; by default as many as memory has room for, up to 16.
        failed: what ``look`` noted failed pictures in, so that members count all that were given to it; a picture of
            which no edit makes sense is noted, too, and left out.
        senseless: where single edits of a picture are noted and left out that make no sense of it, such as from a dog
            to a dog; without it, all of its edits are.

    Raises:
        ValueError: an option or a word is unusable, or one direction is given for several targets.
    """
    return grouped(asked_of(editor, frames, specs, direction, method, seeds, failed, senseless), room_of(editor, batch))


def room_of(editor: Model, batch: int | None) -> Room:
    """Room for ``batch`` pictures; None: for as many as the free memory holds, 16 at most.

    Raises:
        ValueError: it is out of range.
    """
    if batch is not None:
        if not 1 <= batch <= MOST_ROWS:
            raise ValueError(f"A batch has 1 to {MOST_ROWS} pictures, not {batch}.")
        return Room(batch)

    def of_picture(requests: tuple[Request, ...], size: tuple[int, int]) -> int:
        return need(editor.backbone, [request.method for request in requests], size, editor.vgg)

    return Room(BATCH, editor.backbone.device, of_picture)


def opened(
    backbone: Backbone,
    pictures: Iterable[Picture],
    choose: Choose,
    max_megapixels: float,
    failed: Failed | None,
) -> Iterator[FramedPhoto]:
    """Open and frame pictures one after another; what is unusable is noted in ``failed`` and left out.

    Raises:
        ValueError: a picture is unusable, and there is no ``failed``.
    """
    for k, picture in enumerate(pictures):
        try:
            photo = as_photo(picture, max_megapixels)
            frame = framed_as(backbone, photo, choose(photo))
        except ValueError as error:
            if failed is None:
                raise
            failed[k] = error
        else:
            yield frame


def captioned(captioner: Captioner, frames: Iterator[FramedPhoto], batch: int) -> Iterator[FramedPhoto]:
    """Say what pictures show, ``batch`` at a time."""
    while chunk := list(islice(frames, batch)):
        found = see(captioner, [frame.about(frame.pixels) for frame in chunk])
        yield from (replace(frame, caption=seen.caption, seen=seen) for frame, seen in zip(chunk, found, strict=True))


def told_apart(captioner: Knowing, frames: Iterable[FramedPhoto], failed: Failed | None) -> Iterator[FramedPhoto]:
    """Say of one picture after another what it shows; one that is not known is noted in ``failed`` and left out.

    Raises:
        ValueError: one is not known, and there is no ``failed``.
    """
    places = (k for k in count() if failed is None or k not in failed)
    for frame in frames:
        place = next(places)
        try:
            caption = captioner.caption_of(frame.photo)
        except ValueError as error:
            if failed is None:
                raise
            failed[place] = error
        else:
            yield replace(frame, caption=caption, seen=Seen(caption))


def caption_for(editor: Model, spec: EditSpec, frame: FramedPhoto | None) -> str | None:
    """What a picture shows, as far as an edit needs it: one of the whole picture is none of what is in it.

    Raises:
        ValueError: the captioner is not sure of what the edit needs.
    """
    if frame is not None and frame.seen is not None and not frame.seen.sure and frame.seen.scene:
        if spec.changes_all(editor.vocabulary):
            return frame.seen.scene
    check_sure(frame)
    return None if frame is None else frame.caption


def check_sure(frame: FramedPhoto | None) -> None:
    """Refuse a picture of which the captioner is not sure what it shows, where it was asked.

    Raises:
        ValueError: it is not.
    """
    if frame is not None and frame.seen is not None and not frame.seen.sure:
        seen = frame.seen
        doubt = f"The model is not sure what the picture shows; its best guess is {seen.guess}."
        said = f"The model sees no {seen.unseen} in the picture." if seen.unseen else doubt
        raise ValueError(f"{said} Say with `source` what it shows, or give the `region` that shows it.")


def asked_of(
    editor: Model,
    frames: Iterable[FramedPhoto] | None,
    specs: Sequence[EditSpec],
    direction: Direction | None,
    method: Method | None,
    seeds: Sequence[int] | None,
    failed: Failed | None,
    senseless: Senseless | None,
) -> Iterator[Asked]:
    """Say for one picture after another what is asked of it; see ``groups``.

    Raises:
        ValueError: an option or a word is unusable.
    """
    if any(spec.mask != specs[0].mask for spec in specs):
        raise ValueError("Edits of the same framed pictures share their `mask`; edit once for each.")
    check_together(specs, directed=direction is not None)
    if frames is not None and seeds is None:
        for sentence in seeds_in_vain(specs):
            doubt(sentence)
    along = [spec.made_direction(editor.backbone, direction) for spec in specs]
    places = (k for k in count() if failed is None or k not in failed)
    for frame in [None] if frames is None else frames:
        place, requests, faults = next(places), dict[int, Request](), dict[tuple[int, int], Exception]()
        for n, (spec, toward) in enumerate(zip(specs, along, strict=True)):
            try:
                caption = caption_for(editor, spec, frame)
                requests[n] = spec.resolve(editor, caption, toward, method=method, photograph=frame is not None)
            except ValueError as error:
                if failed is None or isinstance(error, DoubtfulWords):
                    raise
                faults[place, n] = error
        if failed is not None and faults and (senseless is None or not requests):
            failed[place] = next(iter(faults.values()))
            continue
        if senseless is not None:
            senseless.update(faults)
        drawn = [specs[n].seed if seeds is None else seeds[place] for n in requests]
        yield Asked(place, list(requests), list(requests.values()), drawn, frame)
