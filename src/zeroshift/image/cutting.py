"""From how surely something is where, to what is cut out along the picture's own edges."""

import cv2
import numpy as np
from numpy.typing import NDArray

from zeroshift.image.registration import Floats, Mask

INSIDE, SURELY, HARDLY = 0.4, 0.75, 0.12
"""how sure a place is from which on it counts as inside at first, as inside for good, and below which as outside"""
_ROUNDS = 2


def cut_out(picture: NDArray[np.uint8], sure: Floats) -> Mask:
    """The part of an RGB picture (H, W, 3) that is meant by ``sure`` (H, W), 0 to 1 (GrabCut, Rother et al. 2004).

    All or nothing of it where the map leaves no doubt.
    """
    first = sure >= INSIDE
    marks = np.where(first, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    marks = np.where(sure >= SURELY, cv2.GC_FGD, np.where(sure <= HARDLY, cv2.GC_BGD, marks)).astype(np.uint8)
    if first.all() or not first.any():
        return first
    cv2.setRNGSeed(0)  # colours are clustered from a random start
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(picture[..., ::-1]), marks, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.asarray((marks == cv2.GC_FGD) | (marks == cv2.GC_PR_FGD))
