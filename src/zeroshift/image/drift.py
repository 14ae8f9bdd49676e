"""How far an edited picture drifted from its original, inside and outside of the part that was meant."""

from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from zeroshift.image.registration import Floats, Mask, Motion

_WINDOW = 1.5  # standard deviation of structural similarity's window in pixels (Wang et al. 2004)
_REACH = 5  # of that window
_STRIP = 512  # rows that are compared at a time
_STEADY = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)  # its constants


@dataclass(frozen=True)
class Difference:
    """How two pictures differ over one part of them."""

    share: float
    """what share of the picture this part is"""
    changed: float
    """the share of its pixels in which any colour value differs"""
    largest: int
    """the largest difference of a colour value, 0 to 255"""
    psnr: float | None
    """peak signal-to-noise ratio in dB; None for equal pixels"""
    ssim: float
    """mean structural similarity, 1 for equal pictures"""


@dataclass(frozen=True)
class Drift:
    """How an edited picture differs from its original."""

    inside: Difference | None
    """over the mask; None where it is empty"""
    outside: Difference | None
    """over the rest; None where there is none"""
    motion: Motion
    """how far the picture moved as a whole"""

    @property
    def told(self) -> dict[str, object]:
        """The same as plain data, to four places."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_rounded(inner) for inner in value]
    return round(value, 4) + 0.0 if isinstance(value, float) else value  # no -0.0


def drift_of(
    original: NDArray[np.uint8], edited: NDArray[np.uint8], mask: Mask, motion: Motion, known: Mask | None = None
) -> Drift:
    """Compare two RGB pictures (H, W, 3) inside and outside of ``mask``, (H, W), where the edit is ``known``."""
    if known is None:
        known = np.ones_like(mask)
    edited = np.where(known[..., None], edited, original)
    likeness = similarity(original, edited)
    inside, outside = (difference_over(original, edited, part & known, likeness) for part in (mask, ~mask))
    return Drift(inside, outside, motion)


def difference_over(
    original: NDArray[np.uint8], edited: NDArray[np.uint8], part: Mask, likeness: Floats
) -> Difference | None:
    """The difference over a part, None where it is empty; ``likeness`` is ``similarity`` of the pictures."""
    if not part.any():
        return None
    apart = cv2.absdiff(original, edited)[part]  # (n, 3)
    error = float(np.square(apart, dtype=np.float32).mean(dtype=np.float64))
    return Difference(
        share=float(part.mean()),
        changed=float(apart.any(axis=1).mean()),
        largest=int(apart.max()),
        psnr=10 * float(np.log10(255**2 / error)) if error else None,
        ssim=float(likeness[part].mean(dtype=np.float64)),
    )


def similarity(pictures: NDArray[np.uint8], others: NDArray[np.uint8]) -> Floats:
    """Structural similarity at every pixel, (H, W), mean over the channels (Wang et al. 2004, Eq. 13)."""
    found = np.empty(pictures.shape[:2], np.float32)
    for top in range(0, len(found), _STRIP):  # large pictures in strips, each with the rows that its windows reach
        above = min(top, _REACH)
        rows = slice(top - above, top + _STRIP + _REACH)
        strip = _similarity(pictures[rows].astype(np.float32), others[rows].astype(np.float32))
        found[top : top + _STRIP] = strip[above : above + _STRIP]
    return found


def _similarity(x: Floats, y: Floats) -> Floats:
    mean_x, mean_y = _around(x), _around(y)
    square_x, square_y = _around(x * x) - mean_x**2, _around(y * y) - mean_y**2
    product = _around(x * y) - mean_x * mean_y
    c1, c2 = _STEADY
    above = (2 * mean_x * mean_y + c1) * (2 * product + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (square_x + square_y + c2)
    return np.asarray((above / below).mean(2), dtype=np.float32)


def _around(values: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(values, (2 * _REACH + 1,) * 2, _WINDOW, borderType=cv2.BORDER_REFLECT_101))
