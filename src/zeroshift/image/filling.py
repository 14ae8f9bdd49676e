"""What is known in part of a picture, spread over the rest: what lies behind a subject that is gone."""

import cv2
import numpy as np
from numpy.typing import NDArray

from zeroshift.image.registration import Floats, Mask

_SIDE = 192
"""pixels of the longer side at which the guess is made: it has no detail"""
_FEWEST = 1e-3
"""share of a picture that is to be seen, so that the rest can be guessed"""
_NEARER, _FURTHER = 0.35, 0.65
"""how far on the way from where the subject goes on to its surroundings nothing is guessed, and all"""


def behind(picture: NDArray[np.uint8], subject: Mask, known: Mask) -> tuple[Floats, Floats]:
    """A picture's surroundings, gone on with smoothly where its subject is, and how much to believe of that.

    Nothing is believed where the subject goes on in the picture beyond the known part, as a body does below a head: it
    goes on itself there, and no background is behind it.

    Args:
        picture: RGB, (H, W, 3).
        subject: where it is, (H, W), with what else is not to be gone on with.
        known: the part that is looked at, (H, W); beyond it the subject may go on.

    Returns:
        the picture, (H, W, 3), 0 to 255, and shares of it, (H, W, 1), 0 to 1.
    """
    height, width = subject.shape
    seen = (_wider(subject) == 0).astype(np.float32)
    outside = known & ~subject
    if not outside.any() or seen.mean() < _FEWEST:
        return picture.astype(np.float32), np.zeros((height, width, 1), np.float32)
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    sums = cv2.resize(picture.astype(np.float32) * seen[..., None], size, interpolation=cv2.INTER_AREA)
    guess = pulled_and_pushed(sums, cv2.resize(seen, size, interpolation=cv2.INTER_AREA))
    filled = np.asarray(cv2.resize(guess, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    end = subject & (_wider(~known) > 0)
    share = np.ones((height, width), np.float32)
    if end.any():
        from_end, from_outside = _distance(end), _distance(outside)
        way = from_end / np.maximum(from_end + from_outside, 1e-6)
        share = np.clip((way - _NEARER) / (_FURTHER - _NEARER), 0, 1)
    return filled, share[..., None]


def pulled_and_pushed(sums: Floats, counts: Floats) -> Floats:
    """Pull and push: means where the counts are 1, and elsewhere those of the next coarser level, and so on."""
    means = sums / np.maximum(counts, 1e-6)[..., None]
    if min(counts.shape) <= 2:
        total = float(counts.sum())
        return np.broadcast_to(sums.sum((0, 1)) / max(total, 1e-6), sums.shape).astype(np.float32)
    sure = np.minimum(1, counts)[..., None]
    pulled = pulled_and_pushed(cv2.pyrDown(sure * means), np.asarray(cv2.pyrDown(np.minimum(1, counts))))
    pushed = cv2.pyrUp(pulled, dstsize=(counts.shape[1], counts.shape[0]))
    return np.asarray(sure * means + (1 - sure) * pushed, dtype=np.float32)


def _wider(mask: Mask) -> NDArray[np.uint8]:
    """A mask with two pixels around it, 0 and 255."""
    return np.asarray(cv2.dilate(255 * mask.astype(np.uint8), np.ones((5, 5), np.uint8)), dtype=np.uint8)


def _distance(mask: Mask) -> Floats:
    """How far each pixel is from a mask, in pixels."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
