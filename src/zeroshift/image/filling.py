"""What is known in part of a picture, gone on with over the rest: what lies behind a subject that is gone.

Its colours are spread smoothly (pull and push; Gortler et al. 1996, section 3.4). Its texture is copied from elsewhere
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
_BROAD = 1 / 40
"""of the longer side: what is broader than that is colour, what is finer texture"""
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
        the picture, (H, W, 3), 0 to 255, and shares of it, (H, W, 1), 0 to 1; None where nothing or all of it is seen.
    """
    height, width = subject.shape
    seen = ~_wider(subject | body, rim)
    outside = ~subject & ~body
    if seen.all() or not outside.any() or seen.mean() < _FEWEST:
        return None
    filled = _smooth(picture, seen)
    if seen.mean() >= _ENOUGH:
        filled += np.where(seen[..., None], picture - filled, _texture(picture, ~seen, filled))
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
    guess = pulled_and_pushed(sums, cv2.resize(weight, size, interpolation=cv2.INTER_AREA))
    return np.asarray(cv2.resize(guess, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _texture(picture: NDArray[np.uint8], hole: Mask, filled: Floats) -> Floats:
    """What is finer than colours, (H, W, 3), of a picture whose ``hole`` is filled with copies of the rest.

    Args:
        filled: the picture with its colours spread over the hole, of which no copies are found for some.
    """
    height, width = hole.shape
    size = _size(height, width, _TEXTURE_SIDE)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    inside = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    copied = np.zeros_like(small)
    cv2.setRNGSeed(0)  # offsets are searched for from a random start
    known = np.where(inside, 0, 255).astype(np.uint8)
    cv2.xphoto.inpaint(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), known, copied, cv2.xphoto.INPAINT_SHIFTMAP)
    copies = cv2.cvtColor(copied, cv2.COLOR_LAB2RGB).astype(np.float32)
    left = inside & (copied == 0).all(2)
    copies[left] = cv2.resize(filled, size, interpolation=cv2.INTER_AREA)[left]
    broad = cv2.GaussianBlur(copies, (0, 0), max(1.0, max(size) * _BROAD))
    fine = copies - broad
    outside = ~inside[..., None]
    around = pulled_and_pushed(outside * fine**2, outside[..., 0].astype(np.float32)).mean(2)
    here = cv2.GaussianBlur((fine**2).mean(2), (0, 0), _ROUGHNESS)
    fine *= np.sqrt(np.minimum(1, around / np.maximum(here, 1e-6)))[..., None]  # no rougher than what is beside it
    return np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


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
