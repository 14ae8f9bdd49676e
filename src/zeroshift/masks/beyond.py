"""Small parts of a subject that stand out of the part that is edited: the ears above a head that is seen from near.

An edit that leaves them behind leaves a dog with a cat's ears. So a segmenter looks at more of the photograph: what is
small and high of the subject there belongs to the head and goes, what is large is a body and stays.
"""

from dataclasses import replace

import cv2
import numpy as np

from zeroshift.diffusion.backbone import Backbone
from zeroshift.framed import FramedPhoto, framed_as
from zeroshift.frames import Choice, square
from zeroshift.image.changes import disk
from zeroshift.masks.locating import Segmenter
from zeroshift.masks.masking import cut, in_photograph
from zeroshift.results import Place

ROOM = 1.6
"""side of what the segmenter looks at, of the edited part's"""
SMALL, HIGH = 0.08, 0.5
"""of that part: how much of its area an ear takes at most, and how far down in it ears reach with their middle"""
GONE = 0.5
"""how much of where such a part meets the edited one shows no subject in the result, so that it has to go, too"""


def beyond(frame: FramedPhoto, backbone: Backbone, segmenter: Segmenter, subject: str, place: Place) -> Place:
    """A place whose result shows its subject, with the small parts of the photograph's that it does not go on with.

    Args:
        frame: the edited part.
        subject: what the photograph shows.
        place: where it is edited, and where its result shows what; one of which nobody knows that stays.
    """
    if place.shown is None:
        return place
    left, top, right, bottom = frame.framing.box
    side, middle = min(right - left, bottom - top), ((left + right) / 2, (top + bottom) / 2)
    wide = square(middle, ROOM * max(right - left, bottom - top), frame.photo.image.size)
    if wide == frame.framing.box:
        return place
    wider = framed_as(backbone, frame.photo, Choice("aspect", wide))
    where = in_photograph(wider.framing, cut(wider, segmenter.where([wider.pixels], subject)), place.soft)
    edited = np.zeros(where.shape, np.bool_)
    edited[top:bottom, left:right] = True
    count, parts, stats, middles = cv2.connectedComponentsWithStats((where & ~edited).astype(np.uint8))
    small = np.zeros_like(where)
    for k in range(1, count):
        if stats[k, cv2.CC_STAT_AREA] > SMALL * side**2 or middles[k, 1] > top + HIGH * side:
            continue
        meets = edited & (cv2.dilate((parts == k).astype(np.uint8), disk(place.soft + 1)) > 0)
        if meets.any() and place.shown[meets].mean() <= 1 - GONE:
            small |= parts == k
    mask = (place.mask & edited) | small | (where & edited)
    return replace(place, mask=mask, body=where & ~edited & ~small)
