"""Small parts of a subject that stand out of the part that is edited: the ears above a head that is seen from near.

An edit that leaves them behind leaves a dog with a cat's ears. So a segmenter looks at more of the photograph: what is
small and high of the subject there belongs to the head and goes, what is large is a body and stays.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from zeroshift.diffusion.backbone import Backbone
from zeroshift.framed import FramedPhoto, framed_as
from zeroshift.frames import Choice
from zeroshift.image.changes import disk
from zeroshift.image.framing import Box
from zeroshift.image.registration import Mask
from zeroshift.masks.locating import Segmenter
from zeroshift.masks.masking import cut, in_photograph
from zeroshift.results import Place

ROOM = 0.3
"""of the edited part's longer side: how far beyond it the segmenter looks"""
SMALL, HIGH = 0.08, 0.5
"""of the edited part: how much of its area an ear takes at most, and how far down in it ears reach with their middle"""
GONE = 0.5
"""how much of where an ear meets the edited part shows no subject in the result, so that it has to go, too"""


def beyond(
    frame: FramedPhoto, backbone: Backbone, segmenter: Segmenter, subject: str, place: Place | None
) -> Place | None:
    """A place whose result shows its subject, with the small parts of the photograph's that it does not go on with.

    Args:
        frame: the edited part.
        subject: what the photograph shows.
        place: where it is edited, and where its result shows what; one of which nobody knows that stays.
    """
    part, size = frame.framing.box, frame.photo.image.size
    wide = _larger(part, size)
    if place is None or place.before is None or place.shown is None or place.absent is None or wide == part:
        return place
    left, top, right, bottom = wide
    # of a large photograph nothing else is looked at
    view = framed_as(backbone, replace(frame.photo, image=frame.photo.image.crop(wide), alpha=None), Choice("aspect"))
    bare = cut(view, segmenter.where([view.pixels], subject))
    where = in_photograph(view.framing, bare, place.soft)
    edited = np.zeros(where.shape, np.bool_)
    inner = slice(part[1] - top, part[3] - top), slice(part[0] - left, part[2] - left)
    edited[inner] = True
    here = slice(top, bottom), slice(left, right)
    open_sides = (left > 0, top > 0, right < size[0], bottom < size[1])
    ears = _ears(where & ~edited, edited, place.shown[here], inner, open_sides, place.soft)
    mask, before, body = place.mask.copy(), place.before.copy(), np.ones_like(place.mask)  # what nobody saw stays
    tight = in_photograph(view.framing, bare, 0)
    mask[here] = ((mask[here] | where) & edited) | ears
    before[here] |= tight & (edited | ears)
    body[here] = tight & ~edited & ~ears
    return replace(place, mask=mask, before=before, body=body)


def _ears(
    outside: Mask, edited: Mask, shown: Mask, inner: tuple[slice, slice], open_sides: Sequence[bool], soft: int
) -> Mask:
    """The small and high parts of ``outside`` that a result does not go on with; what the view cuts is none."""
    rows, columns = inner
    height, width = rows.stop - rows.start, columns.stop - columns.start
    count, parts, stats, middles = cv2.connectedComponentsWithStats(outside.astype(np.uint8))
    found = []
    for k in range(1, count):
        x, y, across, down, area = (int(value) for value in stats[k])
        ends = (x == 0, y == 0, x + across == outside.shape[1], y + down == outside.shape[0])
        if any(one and side for one, side in zip(ends, open_sides, strict=True)):
            continue
        if area > SMALL * min(height, width) ** 2 or middles[k][1] > rows.start + HIGH * height:
            continue
        reach = soft + 1
        around = slice(max(0, y - reach), y + down + reach), slice(max(0, x - reach), x + across + reach)
        meets = edited[around] & (cv2.dilate((parts[around] == k).astype(np.uint8), disk(reach)) > 0)
        if meets.any() and shown[around][meets].mean() <= 1 - GONE:
            found.append(k)
    return np.asarray(np.isin(parts, found))


def _larger(part: Box, size: tuple[int, int]) -> Box:
    """A part with room around it, in a photograph of ``size``."""
    left, top, right, bottom = part
    room = round(ROOM * max(right - left, bottom - top))
    return max(0, left - room), max(0, top - room), min(size[0], right + room), min(size[1], bottom + room)
