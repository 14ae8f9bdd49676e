"""The mask ``grown``: an edit that was free inside of its part is cut out along the photograph's outline and its own.

A mask that binds every step leaves a dog the room that the cat had: its ears stand where the cat's did. So the edit is
made without one. Then the words look at the result, as they did at the photograph, or the segmenter that knows what it
shows: where either shows its subject, the photograph changes. What the edit made of the background there is matched to
the photograph's colours, its subject is not; where a segmenter sees no subject any more, as where a cat had its ears
above a dog's head, the photograph's surroundings go on. Low in the part, where bodies are, the
photograph stays there.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from PIL import Image
from torch import Tensor

from zeroshift.asked.request import Request
from zeroshift.conditioning.task import backwards
from zeroshift.diffusion.backbone import Backbone
from zeroshift.framed import FramedPhoto
from zeroshift.image.changes import disk
from zeroshift.image.framing import Box
from zeroshift.image.registration import Mask
from zeroshift.masks.beyond import beyond
from zeroshift.masks.locating import Segmenter, knowing, subject_of, where_words_look
from zeroshift.masks.masking import cut, in_photograph
from zeroshift.results import Natives, Place

THIN = 0.06
"""of the shorter side of what the model saw: what is thinner is no part of what a result shows"""
HEAD, STRAND = 0.6, 0.05
"""of the height of the edited part: where bodies begin, what of a photograph's subject lies lower and a result does not
show stays, for it is no background; and of its shorter side, half of the width of what is too narrow for that"""
ROOT = 0.75
"""of that: how wide what is thinner is at its root where it tapers"""


def grown(
    places: Sequence[Sequence[Place | None]],
    frames: Sequence[FramedPhoto],
    requests: Sequence[Request],
    backbone: Backbone,
    targets: Sequence[Tensor],
    natives: Natives,
    seeds: Sequence[int],
    segmenter: Segmenter | None = None,
) -> list[list[Place | None]]:
    """Where each request edited each photograph, once results are there; what does not grow stays.

    Args:
        places: where each request looked before the edit, by request and photograph.
        targets: every request's edited latents, (B, C, h, w).
        natives: the same decoded.
        segmenter: looks in the words' place at results whose subject it knows.
    """
    found = []
    for request, where, latents, (pictures, _) in zip(requests, places, targets, natives, strict=True):
        if not request.grown:
            found.append([*where])
            continue
        back = backwards(request.task)
        asked = knowing(segmenter, subject_of(back))
        sure = (
            where_words_look(backbone, latents, back, seeds)
            if asked is None
            else asked.where(pictures, subject_of(back))
        )
        rows = zip(where, frames, pictures, sure[:, None], strict=True)
        told = asked is not None  # words look at what is alike, and are sure of nothing
        joined = [_joined(place, frame, picture, one, told) for place, frame, picture, one in rows]
        subject = subject_of(request.task)
        before = knowing(segmenter, subject)
        if before is not None:
            pairs = zip(joined, frames, strict=True)
            joined = [beyond(frame, backbone, before, subject, place) for place, frame in pairs]
        found.append(joined)
    return found


def _joined(place: Place | None, frame: FramedPhoto, picture: Image.Image, sure: Tensor, told: bool) -> Place | None:
    """A place with what a result shows, by how surely that is where, (1, 1, h, w); one of a given mask stays.

    Where it is not is ``told`` by a segmenter alone, and of photographs whose surroundings are all seen.
    """
    if place is None or frame.mask is not None:
        return place
    shown = without_thin(cut(replace(frame, pixels=picture), sure))
    more = in_photograph(frame.framing, shown, place.soft)
    shown_there = in_photograph(frame.framing, shown, 0)
    # a result of which nothing is recognised says nothing of where its subject is not
    alpha = frame.photo.alpha
    told = told and (alpha is None or alpha.getextrema()[0] == 255) and bool(shown_there.any())
    if not told:
        return replace(place, mask=place.mask | more, shown=shown_there)
    body = (
        np.zeros_like(shown_there) if place.before is None else body_of(place.before & ~shown_there, frame.framing.box)
    )
    return replace(place, mask=(place.mask & ~body) | more, shown=shown_there, absent=~shown_there & ~body)


def body_of(lost: Mask, box: Box) -> Mask:
    """What lies low in the edited part of that which a photograph shows of its subject and a result does not, (H, W).

    Args:
        lost: where the photograph shows its subject and the result does not.
        box: the edited part.
    """
    left, top, right, bottom = box
    low, body = round(top + HEAD * (bottom - top)), np.zeros_like(lost)
    part = lost[low:bottom, left:right].astype(np.uint8)
    reach = round(min(right - left, bottom - top) * STRAND)
    # beyond the part's end it goes on, and towards the head it ends round
    wide = cv2.copyMakeBorder(part, 0, reach, reach, reach, cv2.BORDER_REPLICATE)
    wide = cv2.morphologyEx(cv2.copyMakeBorder(wide, reach, 0, 0, 0, cv2.BORDER_CONSTANT), cv2.MORPH_OPEN, disk(reach))
    body[low:bottom, left:right] = wide[reach : reach + bottom - low, reach : reach + right - left]
    return body


def without_thin(shown: Mask) -> Mask:
    """A mask without what is thinner than any ear, such as what is left of those that are gone.

    What tapers, as an ear does towards its tip, is as wide as that at its root, and stays; all stays of what is mostly
    thin.
    """
    reach = round(min(shown.shape) * THIN / 2)
    opened = cv2.morphologyEx(shown.astype(np.uint8), cv2.MORPH_OPEN, disk(reach)) > 0
    _, parts = cv2.connectedComponents((shown & ~opened).astype(np.uint8))
    roots = (parts > 0) & (cv2.dilate(opened.astype(np.uint8), disk(1)) > 0)
    _, rooted = cv2.connectedComponents(roots.astype(np.uint8))
    wide = np.bincount(rooted.ravel())[rooted] >= 2 * reach * ROOT  # what has two thin roots is an outline
    kept = np.asarray(opened | np.isin(parts, parts[wide & roots]))
    return kept if kept.sum() >= shown.sum() / 2 else shown
