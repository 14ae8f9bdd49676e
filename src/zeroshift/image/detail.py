"""Detail of a photograph that a model is too small for, given back to an edit where the edit changes nothing."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zeroshift.image.drift import similarity
from zeroshift.image.framing import Framing
from zeroshift.image.registration import Floats

SAME, OTHER = 6.0, 20.0
"""grey levels by which an edit differs from the photograph where it still is the same, and where it surely is not"""
UNLIKE, LIKE = 0.3, 0.7
"""their structural similarity where the edit surely is another thing, and where it still is the same"""
_AROUND = 1 / 64  # of the frame's shorter side: what is finer does not have to agree


def detailed(
    edited: Image.Image, plain: Image.Image, original: Image.Image, framing: Framing, share: float
) -> Image.Image:
    """A photograph with an edit at its place, to which the photograph's own detail is added where they agree.

    What the model's own picture of the photograph lacks, by its size and by its decoder's error, is the detail; it is
    added as far as edit and ``plain`` agree at the model's size. Where they are equal, ``share`` 1 gives the
    photograph.

    Args:
        edited: the model's edit, of ``framing.frame_size``.
        plain: the photograph encoded and decoded, of that size.
        original: the photograph.
        framing: how the model saw it.
        share: how much of the detail is added, 0 to 1.
    """
    weight = Image.fromarray(np.rint(255 * agreement(np.asarray(edited), np.asarray(plain))).astype(np.uint8))
    edit, model = (np.asarray(framing.put(one, original), dtype=np.float32) for one in (edited, plain))
    where = np.asarray(framing.put(weight, Image.new("L", original.size)), dtype=np.float32)[..., None] / 255
    photograph = np.asarray(original, dtype=np.float32)
    return Image.fromarray(np.clip(np.rint(edit + share * where * (photograph - model)), 0, 255).astype(np.uint8))


def agreement(edited: NDArray[np.uint8], plain: NDArray[np.uint8]) -> Floats:
    """How far two RGB pictures (H, W, 3) show the same at each place, (H, W): 1 the same, 0 something else.

    They agree in colour, at low frequencies, and in structure (Wang et al. 2004): a place needs both.
    """
    sigma = max(1.0, min(plain.shape[:2]) * _AROUND)
    edit, model = (cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma) for picture in (edited, plain))
    apart = np.sqrt(np.square(edit - model).mean(2))
    alike = similarity(edited, plain)
    return _rising(OTHER - apart, OTHER - SAME) * _rising(alike - UNLIKE, LIKE - UNLIKE)


def _rising(values: Floats, width: float) -> Floats:
    """From 0 at 0 to 1 at ``width``, smoothly."""
    t = np.clip(values / width, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
