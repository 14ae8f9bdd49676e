"""Which part of a picture somebody edited, found from the difference to the original."""

import cv2
import numpy as np
from numpy.typing import NDArray

from zeroshift.image.registration import Floats, Mask

_FLOOR = 5.0  # CIE 1976 colour difference: half of a change that an eye sees for sure
_CEILING = 12.0  # whatever the noise is: all of a picture may have changed
_NOISE = 4.0  # how many times the noise of an untouched picture a change is
_SURE = 2.0  # a region counts if somewhere in it the change is so much larger than that
_BLUR = 1 / 250  # of the shorter side: finer differences, as of sharpness and compression, are no edit
_CLOSE = 1 / 40  # of the shorter side: gaps so narrow in a region belong to it
_SPECK = 1 / 1500  # of the picture: a smaller region is none
_TINT = 40.0  # grey levels of each channel: a larger one is an edit
_TRIMMED = 5  # rounds of fitting colours


def changed_part(original: NDArray[np.uint8], edited: NDArray[np.uint8], known: Mask) -> Mask:
    """Where ``edited`` shows something else, (H, W): not finer grain, another sharpness, or another tint of it all.

    Both are aligned RGB pictures (H, W, 3); nothing counts as changed where not ``known``.
    """
    sigma = max(1.0, min(known.shape) * _BLUR)
    before, after = (_smooth(picture, sigma) for picture in (original, edited))
    before, after = _lab(before), _lab(tint_undone(before, after, known))
    distance = np.linalg.norm(after - before, axis=2)
    distance = np.maximum(0, distance - _tolerated(before)) * known
    noise = float(np.quantile(distance[known], 0.25)) if known.any() else 0.0
    limit = min(max(_FLOOR, _NOISE * noise), _CEILING)
    candidates = _closed(distance > limit, round(min(known.shape) * _CLOSE))
    return _kept(candidates, sure=distance > _SURE * limit, fewest=round(known.size * _SPECK))


def tint_undone(before: Floats, after: Floats, known: Mask) -> Floats:
    """The colours of ``after`` without the gain and offset of each channel that most of the picture differs by.

    Both are RGB, (H, W, 3), 0 to 255. A trimmed least-squares fit: what differs most is left out round by round.
    """
    count = known.sum()
    if not count:
        return after
    thin = max(1, int(count) // 50_000)
    x, y = after[known][::thin], before[known][::thin]
    trusted = np.ones(len(x), np.bool_)
    for _ in range(_TRIMMED):
        spread = np.maximum(x[trusted].std(0), 1.0)
        gain = np.clip(_covariance(x[trusted], y[trusted]) / spread**2, 0.7, 1.4)
        middle = x[trusted].mean(0)
        offset = (1 - gain) * middle + np.clip(y[trusted].mean(0) - middle, -_TINT, _TINT)
        error = np.linalg.norm(gain * x + offset - y, axis=1)
        trusted = error <= max(1.0, 2 * float(np.median(error)))
    return np.asarray(gain * after + offset, dtype=np.float32)


def _covariance(x: Floats, y: Floats) -> NDArray[np.float32]:
    return np.asarray(((x - x.mean(0)) * (y - y.mean(0))).mean(0))


def _smooth(picture: NDArray[np.uint8], sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma))


def _lab(picture: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(np.clip(picture / 255, 0, 1), cv2.COLOR_RGB2LAB))


def _tolerated(smooth: Floats) -> Floats:
    """The difference that half a pixel's motion makes at every place, which is where a picture has edges."""
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, dx, dy, scale=1 / 8) for dx, dy in ((1, 0), (0, 1))]
    return np.asarray(np.sqrt(sum((slope**2).sum(2) for slope in slopes)) / 2, dtype=np.float32)


def _closed(mask: Mask, radius: int) -> Mask:
    """The mask without specks of noise, narrow gaps and holes."""
    cleaned = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disk(1))
    padded = cv2.copyMakeBorder(cleaned, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disk(radius))
    closed = closed[radius : radius + mask.shape[0], radius : radius + mask.shape[1]].copy()
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(closed, outlines, -1, 1, cv2.FILLED) > 0)


def _kept(mask: Mask, sure: Mask, fewest: int) -> Mask:
    """The regions of ``mask`` that are large enough, and sure somewhere."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = facts[:, cv2.CC_STAT_AREA] >= fewest
    large[0] = False  # the background
    touched = np.zeros(len(large), np.bool_)
    touched[np.unique(labels[sure])] = True
    return np.asarray((large & touched)[labels])


def disk(radius: int) -> NDArray[np.uint8]:
    """The round structuring element of a radius in pixels, for morphology."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), dtype=np.uint8)
