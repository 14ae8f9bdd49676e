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
_BLOCK = 16  # pixels: where a compressed picture differs, it does in nearly every block so large
_LIKENESS = 0.9  # correlation of the lightness around a place from which it shows the same thing
_EQUAL = 2.0  # grey levels that compression and rounding make
_FEWEST = 500  # pixels that a tint is fitted to
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


def exactly_changed(original: NDArray[np.uint8], edited: NDArray[np.uint8], known: Mask) -> Mask | None:
    """Where any value differs, with narrow gaps, if the rest of a picture came back as it was; else None.

    It did if most blocks of it are equal to the last bit; flat ones say nothing, which compression leaves equal, too.
    """
    differs = (original != edited).any(2) & known
    varied = np.zeros_like(known)
    varied[:, 1:] = (original[:, 1:] != original[:, :-1]).any(2)
    telling = _blocks(varied & known)
    if not telling.any():
        telling = _blocks(known)
    if not known.any() or _blocks(differs)[telling].mean() >= 0.5:
        return None
    return grown_shut(differs, round(min(known.shape) * _CLOSE)) & known


def _blocks(mask: Mask) -> Mask:
    """Whether each block of a mask has anything."""
    height, width = (-(-length // _BLOCK) * _BLOCK for length in mask.shape)
    padded = np.zeros((height, width), np.bool_)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    return np.asarray(padded.reshape(height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).any((1, 3)))


def grown(mask: Mask, radius: float) -> Mask:
    """The mask and all within ``radius`` pixels of it, (H, W)."""
    if not mask.any():
        return mask
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius)


def grown_shut(mask: Mask, radius: int) -> Mask:
    """The mask with gaps of up to twice ``radius`` pixels, (H, W)."""
    padded = np.pad(mask, radius + 1)
    shut = ~grown(~grown(padded, radius), radius)
    return (shut[radius + 1 : -radius - 1, radius + 1 : -radius - 1]) | mask


def tint_undone(before: Floats, after: Floats, known: Mask) -> Floats:
    """The colours of ``after`` without the gain and offset of each channel that most of the picture differs by.

    Both are RGB, (H, W, 3), 0 to 255. Where most colours are as they were there is no tint. Else a trimmed
    least-squares fit, begun where both show the same structure: what differs most is left out round by round.
    """
    count = known.sum()
    if not count:
        return after
    thin = max(1, int(count) // 50_000)
    x, y = after[known][::thin], before[known][::thin]
    if (np.abs(x - y).max(1) <= _EQUAL).mean() >= 0.5:
        return after  # a plain backdrop has no structure, and what was recoloured before it would be all that is fitted
    trusted = _alike(before, after)[known][::thin]
    if trusted.sum() < _FEWEST:
        trusted = np.ones(len(x), np.bool_)
    for _ in range(_TRIMMED):
        spread = np.maximum(x[trusted].std(0), 1.0)
        gain = np.clip(_covariance(x[trusted], y[trusted]) / spread**2, 0.7, 1.4)
        middle = x[trusted].mean(0)
        offset = (1 - gain) * middle + np.clip(y[trusted].mean(0) - middle, -_TINT, _TINT)
        error = np.linalg.norm(gain * x + offset - y, axis=1)
        trusted = error <= max(1.0, 2 * float(np.median(error[trusted])))
    return np.asarray(gain * after + offset, dtype=np.float32)


def _alike(before: Floats, after: Floats) -> Mask:
    """Where both pictures have the same structure, (H, W), whatever gain and offset of the colours is between them."""
    x, y = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (before, after))
    window = (max(15, min(x.shape) // 20) | 1,) * 2
    x, y = x - cv2.blur(x, window), y - cv2.blur(y, window)
    spread = cv2.blur(x * x, window) * cv2.blur(y * y, window)
    likeness = cv2.blur(x * y, window) / np.sqrt(np.maximum(spread, 1e-6))
    return np.asarray((likeness > _LIKENESS) & (spread > 1))


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
