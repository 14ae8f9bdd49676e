"""Put an edited part into a picture with a seam that is not seen, and nothing outside the part.

What the edit got wrong in colour along the part's border is spread smoothly over its inside, as in gradient-domain
cloning (Pérez et al. 2003), by pulling and pushing through an image pyramid (Gortler et al. 1996, section 3.4); it then
fades in over a few pixels, all of them inside.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from zeroshift.image.filling import behind, pulled_and_pushed
from zeroshift.image.registration import Floats, Mask

_ALIKE = 3.0  # how many times the usual difference to the original still counts as colour, not as another content
_LEAST = 8.0  # grey levels that always count so
_TINT, _CONTENT = 10.0, 20.0  # grey levels: up to the one an error is a tint of all, from the other on another content


def blended(
    original: NDArray[np.uint8],
    edited: NDArray[np.uint8],
    mask: Mask,
    soft: int,
    known: Mask,
    share: Floats | None = None,
    kept: Mask | None = None,
    absent: Mask | None = None,
    gone: Mask | None = None,
    body: Mask | None = None,
    rim: int = 2,
    reach: int | None = None,
) -> np.ndarray:
    """The original, byte for byte, with the edit where ``mask`` is, uint8.

    Args:
        original: RGB, (H, W, 3).
        edited: of the same size.
        mask: (H, W).
        soft: how many pixels the edit takes to fade in, from the border of the mask inwards.
        known: where ``edited`` says something of the original's colours, (H, W); of that only what lies outside the
            mask is read.
        share: how much of the edit there is at most, (H, W), 0 to 1, as of ``eased``.
        kept: where the edit's colours are right, (H, W): what it got wrong around that is no error of these.
        absent: where the original's surroundings go on instead of the edit, (H, W), and near a body that stays the
            original itself, see ``filling.behind``; the edit stays where nothing can be said of them.
        gone: where the original shows the subject that is absent, (H, W): around it are its surroundings, also in the
            mask; None where that may be all of the mask.
        body: what of a subject stays beyond the mask, (H, W), where something is absent.
        rim: pixels around what is gone that may have something of it; half of ``soft`` at least.
        reach: pixels from the border over which an error that is too large for a tint fades out, see ``_near``; None
            where all of the edit has one tint, however strong.
    """
    result = original.copy()
    if not mask.any():
        return result
    place = _around(mask, 4 * soft + 16, absent is not None)
    before, after, inside = original[place].astype(np.float32), edited[place].astype(np.float32), mask[place]
    error = _spread(before - after, known[place] & ~inside, max(1, soft // 2))
    error = (error if reach is None else _near(error, inside, reach)) * known[place][..., None]
    matched = after + (error if kept is None else error * (1 - _blurred(kept[place], soft / 2))[..., None])
    if share is not None:
        there = share[place][..., None]
        matched = there * matched + (1 - there) * before
    if absent is not None:  # what is guessed does not fade where the edit does
        stays = np.zeros_like(inside) if body is None else body[place]
        subject = inside if gone is None else gone[place] & inside
        guess = behind(original[place], subject, stays, max(rim, soft // 2))
        if guess is not None:
            around, far = guess
            bare = _blurred(absent[place], soft / 2)[..., None]
            matched = bare * (far * around + (1 - far) * before) + (1 - bare) * matched
    weight = fade(inside, soft)[..., None]
    mixed = np.clip(np.rint(weight * matched + (1 - weight) * before), 0, 255).astype(np.uint8)
    result[place][inside] = mixed[inside]
    return result


def _near(error: Floats, inside: Mask, reach: int) -> Floats:
    """A colour error (H, W, 3), where it is large, near the border of ``inside`` alone, and there bounded.

    Up to ``_TINT`` grey levels it is taken for a tint, which the middle has, too; from ``_CONTENT`` on for another
    content at the border, which says nothing of the middle.
    """
    size = np.abs(error).max(2)
    depth = cv2.distanceTransform(np.pad(inside, 1, mode="edge").astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    far = np.minimum(1, depth[1:-1, 1:-1] / reach)
    content = np.clip((size - _TINT) / (_CONTENT - _TINT), 0, 1)
    share = np.minimum(1, _CONTENT / np.maximum(size, 1e-6)) * (1 - far * content)
    return np.asarray(error * share[..., None], dtype=np.float32)


def fade(mask: Mask, soft: int) -> Floats:
    """The weight of the edit, (H, W): 0 outside of the mask, rising to 1 within ``soft`` pixels of its border.

    Where the mask is cut by the picture's own border there is nothing to fade into.
    """
    if soft == 0 or mask.all():
        return mask.astype(np.float32)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    t = np.clip((depth - 0.5) / soft, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _blurred(mask: Mask, sigma: float) -> Floats:
    """A mask (H, W) as shares, 0 to 1, smooth over ``sigma`` pixels."""
    shares = mask.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(shares, (0, 0), sigma)) if sigma else shares


def eased(mask: Mask, known: Mask, width: int) -> Floats:
    """How much of an edit there is, (H, W), where its mask goes on beyond the known part: the same thing goes on there.

    0 where they part, rising to 1 within ``width`` pixels.
    """
    beyond = cv2.dilate((mask & ~known).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return fade(~(beyond & mask & known), width)


def _around(mask: Mask, margin: int, wide: bool) -> tuple[slice, slice]:
    """The box of the mask with a margin, inside the picture; a ``wide`` one shows a third as much on every side."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    margin = max(margin, max(width, height) // 3) if wide else margin
    return slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)


def _spread(error: Floats, known: Mask, step: int) -> Floats:
    """The smooth colour error (H, W, 3) of a picture of which it is known in part, seen in squares of ``step``.

    What differs far more than the rest is another content and not a colour error; it has no say.
    """
    if not known.any():
        return np.zeros_like(error)
    size = np.linalg.norm(error, axis=2)
    weight = (known & (size <= max(_LEAST, _ALIKE * float(np.median(size[known]))))).astype(np.float32)
    height, width = known.shape
    coarse = (max(1, width // step), max(1, height // step))
    sums = cv2.resize(error * weight[..., None], coarse, interpolation=cv2.INTER_AREA)
    counts = cv2.resize(weight, coarse, interpolation=cv2.INTER_AREA)
    filled = pulled_and_pushed(sums, counts)
    return np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR))
