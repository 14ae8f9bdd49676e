"""Pictures opened one after another, framed, and said what they show; a broken one loses no other."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count, islice

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.captioning import Captioner, Knowing, Seen, see
from zeroshift.diffusion.backbone import Backbone, Unsupported
from zeroshift.framed import FramedPhoto, framed_as
from zeroshift.frames import Allowed, Choose, choosing
from zeroshift.image import Fit, Photo, Picture, as_photo
from zeroshift.image.framing import WHOLE_BOX, Within
from zeroshift.image.masks import ALPHA
from zeroshift.image.regions import Region
from zeroshift.masks.masking import Failed, allowed_in, masked
from zeroshift.model import Model
from zeroshift.running.grouping import BATCH


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
    within: Within = WHOLE_BOX,
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
        within: what is taken of the part around a subject that is found.

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
    choose = choosing(editor.frames, fit, region, whole=whole, size=size, allowed=allowed, within=within)
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
    near: bool = True,
) -> Iterator[FramedPhoto]:
    """Open and frame pictures as ``spec`` asks, and say what they show if it names no source; see ``look``.

    Args:
        mask: the picture of a ``GivenMask``; every picture has its size.
        near: whether of the part around a subject that is found only as much is taken as the target wants; not where
            the same part is to serve any target, as of a saved inversion.
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
        within=spec.within(editor.vocabulary) if near else WHOLE_BOX,
    )
    return frames if given is None else masked(frames, given, failed)


def framed_alike(editor: Model, specs: Sequence[EditSpec], *, near: bool = True) -> list[tuple[int, ...]]:
    """Edits by index that take the same part of a picture: those of all of it, and those of its subject, as near.

    One ``look_at``, with the same ``near``, frames pictures for the edits of one of these.
    """
    parts: dict[tuple[bool, Within], list[int]] = {}
    for n, spec in enumerate(specs):
        chosen = editor.finder is not None and spec.fit is None and spec.region is None
        whole = chosen and spec.changes_all(editor.vocabulary)
        masked_part = spec.mask == "alpha" or isinstance(spec.mask, GivenMask)  # which goes before what is found
        found = not whole and not masked_part and (chosen or spec.region == "auto")
        within = replace(spec.within(editor.vocabulary), again=None) if near and found else WHOLE_BOX
        parts.setdefault((whole, within), []).append(n)
    return [tuple(part) for part in parts.values()]


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


def check_sure(frame: FramedPhoto | None, *, given: bool = False) -> None:
    """Refuse a picture of which the captioner is not sure what it shows, where it was asked.

    Args:
        given: whether its part was given, and need not be advised.

    Raises:
        ValueError: it is not.
    """
    if frame is not None and frame.seen is not None and not frame.seen.sure:
        seen = frame.seen
        doubt = f"The model is not sure what the picture shows; its best guess is {seen.guess}."
        said = f"The model sees no {seen.unseen} in the picture." if seen.unseen else doubt
        other = "" if given else ", or give the `region` that shows it"
        raise ValueError(f"{said} Say with `source` what it shows{other}.")
