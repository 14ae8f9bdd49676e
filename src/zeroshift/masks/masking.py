"""Masks of edits: where a photograph may change, as it is asked for, as the model sees it, and in the result."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeAlias

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zeroshift.asked.request import Request
from zeroshift.doubts import doubt
from zeroshift.framed import Encoded, FramedPhoto, smaller
from zeroshift.image import ImageError, Photo
from zeroshift.image.changes import disk
from zeroshift.image.cutting import cut_out
from zeroshift.image.framing import Framing
from zeroshift.image.masks import Alpha, mask_picture, read_mask
from zeroshift.image.registration import Mask
from zeroshift.masks.locating import Segmenter, asked_about, subject_of, where_words_look
from zeroshift.results import Place, whole

SOFT = 1 / 60
"""of the shorter side of what is edited: how far an edit fades in, unless somebody says otherwise"""
HIDDEN = 0.05
"""of a mask: so little may be seen of a photograph there, and an edit still takes its alpha away"""
Failed: TypeAlias = dict[int, Exception]
"""why pictures could not be edited, by their place among all that were given; passed along, it lets the others go on"""


def masked(frames: Iterable[FramedPhoto], mask: Photo | Alpha, failed: Failed | None = None) -> Iterator[FramedPhoto]:
    """Give every photograph its mask: one for all, or its own transparent part.

    Raises:
        ImageError: a photograph has another size than the mask, or no alpha, or nothing of it may change; and there is
            no ``failed`` to note it in.
    """
    places = (k for k in count() if failed is None or k not in failed)
    for frame in frames:
        place = next(places)
        try:
            yield with_mask(frame, mask)
        except ImageError as error:
            if failed is None:
                raise
            failed[place] = error


def with_mask(frame: FramedPhoto, mask: Photo | Alpha) -> FramedPhoto:
    """The photograph with its mask.

    Raises:
        ImageError: it has another size than the mask, or no alpha, or nothing of it may change.
    """
    where = allowed_in(frame.photo, mask)
    left, top, right, bottom = frame.framing.box
    inside = np.count_nonzero(where[top:bottom, left:right])
    if not inside:
        raise ImageError("The mask lies outside of the part that is edited; give a `region` around it, or none.")
    if inside < np.count_nonzero(where):
        doubt("The mask reaches beyond the part that is edited, and only that changes; give a `region` around it.")
    return replace(frame, mask=where, mask_sha256=None if isinstance(mask, str) else mask.sha256)


def allowed_in(photo: Photo, mask: Photo | Alpha) -> Mask:
    """Where a photograph may change by a mask's picture or its own alpha, (H, W).

    Raises:
        ImageError: it has another size than the mask, or no alpha, or nothing of it may change.
    """
    return read_mask(transparent(photo) if isinstance(mask, str) else mask, photo.image.size)


def hides(photo: Photo, where: Mask) -> bool:
    """Whether a photograph's alpha hides nearly all that may change, (H, W), so that no edit of it would be seen."""
    return photo.alpha is not None and bool((np.asarray(photo.alpha)[where] >= 128).mean() < HIDDEN)


def stays_clear(photo: Photo, where: Mask) -> bool:
    """Whether a photograph keeps transparency when it is edited where it may change, (H, W)."""
    if photo.alpha is None:
        return False
    return not hides(photo, where) or bool((np.asarray(photo.alpha)[~where] < 255).any())


def transparent(photo: Photo) -> Photo:
    """The photograph as a mask of its own.

    Raises:
        ImageError: it has no alpha.
    """
    if photo.alpha is None:
        raise ImageError("The picture has no alpha, so `mask` alpha says nothing of it; give a mask of its own.")
    return photo


def latent_mask(frames: Sequence[FramedPhoto], places: Sequence[Place | None], factor: int) -> Tensor | None:
    """Where latents may change, (B, 1, h, w), bool: every one of which a pixel may; None without masks.

    Photographs without one among others with one may change everywhere.
    """
    if all(place is None for place in places):
        return None
    planes = [
        np.full(frame.pixels.size[::-1], 255) if place is None else seen(frame.framing, place.mask)
        for frame, place in zip(frames, places, strict=True)
    ]
    pixels = torch.from_numpy(np.stack(planes)).float()[:, None]
    return F.max_pool2d(pixels, factor) >= 128


def seen(framing: Framing, mask: Mask) -> NDArray[np.uint8]:
    """A photograph's mask in the model's frame, (h, w), 0 to 255."""
    return np.asarray(framing.view(mask_picture(mask)))


def in_photograph(framing: Framing, mask: Mask, soft: int) -> Mask:
    """A mask of the model's frame, (h, w), in the photograph, with a border to fade in over."""
    where = np.asarray(framing.put(mask_picture(mask), Image.new("L", framing.source_size))) >= 128
    return np.asarray(cv2.dilate(where.astype(np.uint8), disk(soft)) > 0)


def width_of(framing: Framing, soft: int | None) -> int:
    """How many pixels of the photograph the edit fades in over."""
    left, top, right, bottom = framing.box
    return round(min(right - left, bottom - top) * SOFT) if soft is None else soft


def placed(
    frames: Sequence[FramedPhoto],
    requests: Sequence[Request],
    photographs: Encoded,
    seeds: Sequence[int],
    segmenter: Segmenter | None = None,
) -> list[list[Place | None]]:
    """Where each request edits each photograph; the model looks once for all requests of the same words.

    A ``segmenter`` that knows the subject looks in its place.

    Raises:
        ValueError: a strict one does not know it.
    """
    looked: dict[tuple[str, str, str], tuple[Tensor, bool]] = {}
    places = []
    for request in requests:
        task = request.task
        subject = subject_of(task)
        words = (task.source_prompt, task.target_prompt, subject)
        if request.auto_mask and words not in looked:
            asked = asked_about(segmenter, subject)
            found = (
                where_words_look(photographs.backbone, photographs.x0, task, seeds)
                if asked is None
                else asked.where([frame.pixels for frame in frames], subject)
            )
            looked[words] = found, asked is not None
        sure, told = looked[words] if request.auto_mask else (None, False)
        places.append(places_of(frames, request.soft, sure, told))
    return places


def places_of(
    frames: Sequence[FramedPhoto], soft: int | None, sure: Tensor | None, told: bool = False
) -> list[Place | None]:
    """Where each photograph is edited: by its own mask, or by ``sure``; None where it has neither.

    Args:
        frames: photographs as the model sees them.
        soft: pixels over which the edit fades in, if that is said.
        sure: how surely each place is edited, (B, 1, h, w), 0 to 1; None where no words say it.
        told: whether a segmenter says it, who also knows where the subject is not.
    """
    places: list[Place | None] = []
    for row, frame in enumerate(frames):
        width = width_of(frame.framing, soft)
        if frame.mask is not None:
            shows = frame.mask_sha256 is None or hides(frame.photo, frame.mask)
            places.append(Place(frame.mask, width, shows=shows))
        elif sure is not None:
            found = cut(frame, sure[row : row + 1])
            bare = in_photograph(frame.framing, found, 0) if told else None
            places.append(Place(in_photograph(frame.framing, found, width), width, shows=False, before=bare))
        else:
            places.append(None)
    return places


def unfinished(native: Image.Image, frame: FramedPhoto, soft: int | None, most: int) -> Image.Image:
    """A step's preview of an edit, at the model's size, laid into its photograph.

    A given mask keeps all else; what will be found is not known before the end. Of a photograph with a side of
    more than ``most`` pixels it is a smaller copy: all of one takes seconds.
    """
    small = smaller(frame, most)
    width = None if soft is None else round(soft * small.photo.image.width / frame.photo.image.width)
    (place,) = places_of([small], width, None)
    return whole(native, small, place, None)[0]


def cut(frame: FramedPhoto, sure: Tensor) -> Mask:
    """What is cut out of the model's frame, (h, w), by a map of any size, (1, 1, h, w)."""
    size = frame.pixels.size[::-1]
    fine = F.interpolate(sure, size=size, mode="bicubic", align_corners=False)[0, 0].clamp(0, 1)
    return cut_out(np.asarray(frame.pixels), fine.float().cpu().numpy())


def masked_by(frame: FramedPhoto) -> dict[str, object]:
    """What a recipe says of a photograph's mask."""
    if frame.mask is None:
        return {}
    return {"mask": "alpha"} if frame.mask_sha256 is None else {"mask": "given", "mask_sha256": frame.mask_sha256}
