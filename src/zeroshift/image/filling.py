"""What is known in part of a picture, gone on with over the rest: what lies behind a subject that is gone.

Its colours are spread smoothly (pull and push, Gortler et al. 1996, section 3.4; then relaxed towards a membrane, as
Laplace's equation has it, which meets the known ones without a step). Its texture is copied from elsewhere
in the picture, by the offsets at which that repeats itself, as bricks do or grass (He and Sun, ECCV 2012, as OpenCV
does it).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from zeroshift.image.changes import disk
from zeroshift.image.registration import Floats, Mask

if not hasattr(cv2, "xphoto"):
    raise ImportError(
        "This OpenCV lacks its module xphoto; uninstall opencv-python and opencv-python-headless, and install "
        "opencv-contrib-python-headless."
    )
_SIDE, _TEXTURE_SIDE = 192, 128
"""pixels of the longer side at which colours are guessed, which have no detail, and texture, which takes long"""
_RELAXED = 400
"""steps towards the membrane: what pulling and pushing lacks is near the border, and soon there"""
_BROAD = 1 / 40
"""of the longer side: what is broader than that is colour, what is finer texture"""
_GREY = 128.0
"""the byte that stands for no texture; 0 is where none was copied"""
_ROUGHNESS = 2.0
"""pixels over which texture's contrast is compared with that of the surroundings"""
_FEWEST, _ENOUGH = 1e-3, 0.05
"""share of a picture that is to be seen, so that colours of the rest can be guessed, and its texture"""
_NEARER, _FURTHER = 0.35, 0.65
"""how far on the way from where the subject goes on to its surroundings nothing is guessed, and all"""


def behind(picture: NDArray[np.uint8], subject: Mask, body: Mask, rim: int = 2) -> tuple[Floats, Floats] | None:
    """A picture's surroundings, gone on with where its subject is, and how much to believe of that.

    Nothing is believed where the subject goes on as a body that stays, as below a head: there is no background.

    Args:
        picture: RGB, (H, W, 3).
        subject: where it is, (H, W), with what else is not to be gone on with.
        body: where the subject goes on and stays, (H, W).
        rim: pixels around the subject that may have something of it, as whiskers, shadows, or what a lens blurs.

    Returns:
        the picture, (H, W, 3), 0 to 255, and shares of it, (H, W, 1), 0 to 1: all of it where there is no subject; None
        where too little of it is seen.
    """
    height, width = subject.shape
    seen = ~_wider(subject | body, rim)
    outside = ~subject & ~body
    if seen.all():
        return picture.astype(np.float32), np.ones((height, width, 1), np.float32)
    if not outside.any() or seen.mean() < _FEWEST:
        return None
    filled = _smooth(picture, seen)
    if seen.mean() >= _ENOUGH:
        filled += _texture(picture, ~seen)
    filled = np.where(seen[..., None], picture.astype(np.float32), filled)
    end = subject & _wider(body, rim)
    share = np.ones((height, width), np.float32)
    if end.any():
        from_end, from_outside = _distance(end), _distance(outside)
        way = from_end / np.maximum(from_end + from_outside, 1e-6)
        share = np.clip((way - _NEARER) / (_FURTHER - _NEARER), 0, 1)
    return filled, share[..., None]


def _smooth(picture: NDArray[np.uint8], seen: Mask) -> Floats:
    """The colours of a picture (H, W, 3), of which it is seen in part, spread over the rest."""
    height, width = seen.shape
    size = _size(height, width, _SIDE)
    weight = seen.astype(np.float32)
    sums = cv2.resize(picture * weight[..., None], size, interpolation=cv2.INTER_AREA)
    counts = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    guess = _relaxed(pulled_and_pushed(sums, counts), counts)
    return np.asarray(cv2.resize(guess, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _texture(picture: NDArray[np.uint8], hole: Mask) -> Floats:
    """What is finer than colours, (H, W, 3), of a picture whose ``hole`` is filled with copies of the rest."""
    height, width = hole.shape
    size = _size(height, width, _TEXTURE_SIDE)
    inside = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    seen = (~inside).astype(np.float32)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    sigma = max(1.0, max(size) * _BROAD)
    counts = np.maximum(cv2.GaussianBlur(seen, (0, 0), sigma), 1e-6)[..., None]
    fine = (small - cv2.GaussianBlur(small * seen[..., None], (0, 0), sigma) / counts) * seen[..., None]
    copied = np.zeros_like(small, np.uint8)
    cv2.setRNGSeed(0)  # offsets are searched for from a random start
    shown = np.clip(np.rint(fine + _GREY), 1, 255).astype(np.uint8)
    cv2.xphoto.inpaint(shown, (255 * seen).astype(np.uint8), copied, cv2.xphoto.INPAINT_SHIFTMAP)
    none = inside & (copied == 0).all(2)  # no copy was found
    copies = np.where(none[..., None], 0.0, copied - _GREY).astype(np.float32)
    around = pulled_and_pushed(fine**2, seen).mean(2)
    here = cv2.GaussianBlur((copies**2).mean(2), (0, 0), _ROUGHNESS)
    copies *= np.sqrt(np.minimum(1, around / np.maximum(here, 1e-6)))[..., None]  # no rougher than what is beside it
    return np.asarray(cv2.resize(copies, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


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


def _relaxed(guess: Floats, counts: Floats) -> Floats:
    """Colours (H, W, 3) that are, where nothing is counted, the means of those around them, nearly (Jacobi's steps)."""
    for _ in range(_RELAXED):
        guess = np.where(counts[..., None] > 0, guess, cv2.blur(guess, (3, 3)))
    return guess


def _size(height: int, width: int, most: int) -> tuple[int, int]:
    """Width and height of a copy with no side longer than ``most``."""
    scale = min(1.0, most / max(height, width))
    return max(1, round(scale * width)), max(1, round(scale * height))


def _wider(mask: Mask, by: int) -> Mask:
    """A mask with so many pixels around it."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disk(by)) > 0)


def _distance(mask: Mask) -> Floats:
    """How far each pixel is from a mask, in pixels."""
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
