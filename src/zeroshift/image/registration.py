"""How far an edited picture moved against the photograph that it was made of: shift, zoom and turn.

A coarse zoom comes from the spectra in log-polar coordinates and a coarse shift from phase correlation (Reddy and
Chatterji 1996). Small tiles of both pictures are then correlated one by one, and the motion that most of them share is
taken (RANSAC), so that what was edited has no say.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]

_LARGEST = 2048  # the longer side in pixels of what is looked at
_COARSE = 512  # the side in pixels that spectra are compared at
_NEAR = (0.5, 2.0)  # zooms beyond these are not believed
_ROUNDS = 3
_ALIKE = 0.5  # how far a tile may lie from the common motion, in pixels
_FEWEST = 6  # tiles that make a motion
_CONTRAST = 2.0  # grey levels: a flatter tile says nothing of motion
_STILL = 0.2  # pixels at the corners: a smaller motion is noise, and nothing is resampled for it


@dataclass(frozen=True)
class Motion:
    """Where a picture's content went: about the picture's centre, first zoomed and turned, then shifted."""

    shift: tuple[float, float] = (0.0, 0.0)
    """to the right and down, in pixels"""
    zoom: float = 1.0
    """above 1: enlarged"""
    turn: float = 0.0
    """clockwise, in degrees"""
    support: float = 0.0
    """the share of tiles that moved so; 0 where none was found and the picture counts as still"""

    def matrix(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """The (2, 3) matrix from pixel coordinates (x, y, 1) before to those after, in a picture (width, height)."""
        angle = math.radians(self.turn)
        centre = (np.array(size) - 1) / 2
        linear = self.zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        return np.column_stack([linear, centre + self.shift - linear @ centre])

    def still(self, size: tuple[int, int]) -> bool:
        """Whether no corner of a picture (width, height) moves by a fifth of a pixel."""
        return self.reach(size) < _STILL

    def reach(self, size: tuple[int, int]) -> float:
        """How far the corners of a picture (width, height) move at most, across or down, in pixels."""
        corners = np.array([(x, y, 1) for x in (0, size[0] - 1) for y in (0, size[1] - 1)], dtype=np.float64)
        moved = corners @ self.matrix(size).T
        return float(np.abs(moved - corners[:, :2]).max())

    def whole(self, size: tuple[int, int]) -> "Motion | None":
        """The shift by whole pixels, which nothing need be resampled for, that is as good as this; None without one."""
        shift = (float(round(self.shift[0])), float(round(self.shift[1])))
        rest = replace(self, shift=(self.shift[0] - shift[0], self.shift[1] - shift[1]))
        return Motion(shift) if rest.still(size) else None


def motion_of(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> Motion:
    """Find the motion from one RGB picture (H, W, 3) to another of the same size, of large ones on smaller copies."""
    old, new = (
        np.asarray(cv2.cvtColor(limited(picture), cv2.COLOR_RGB2GRAY), dtype=np.float32) for picture in (before, after)
    )
    motion, by = motion_between(old, new), before.shape[1] / old.shape[1]
    return replace(motion, shift=(motion.shift[0] * by, motion.shift[1] * by))


def limited(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture no larger than motion and changes are looked for at."""
    scale = _LARGEST / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def motion_between(before: Floats, after: Floats) -> Motion:
    """Find the motion from one grey picture (H, W), 0 to 255, to another of the same size."""
    size = (before.shape[1], before.shape[0])
    begun = [Motion(), _coarse(before, after)]
    return max((_refined(before, after, motion, size) for motion in begun), key=lambda motion: motion.support)


def moved_back(picture: NDArray[np.uint8], known: Mask, motion: Motion) -> tuple[NDArray[np.uint8], Mask]:
    """Undo a motion of a picture (H, W, 3) and of the part of it that says something, (H, W)."""
    size = (picture.shape[1], picture.shape[0])
    if (shifted := motion.whole(size)) is not None:
        matrix = shifted.matrix(size)
        moved = _warped(known.astype(np.uint8), matrix, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT) > 0
        return _warped(picture, matrix, cv2.INTER_NEAREST), moved
    matrix = motion.matrix(size)
    sure = _warped(known.astype(np.float32), matrix, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return _warped(picture, matrix, cv2.INTER_LANCZOS4), sure > 0.999


def _warped(
    picture: np.ndarray, matrix: NDArray[np.float64], how: int, border: int = cv2.BORDER_REPLICATE
) -> np.ndarray:
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpAffine(picture, matrix, size, flags=how | cv2.WARP_INVERSE_MAP, borderMode=border))


def _coarse(before: Floats, after: Floats) -> Motion:
    zoom = _zoom(before, after)
    height, width = before.shape
    # a zoom about the centre is undone before the shift is looked for
    unzoomed = _warped(after, Motion(zoom=zoom).matrix((width, height)), cv2.INTER_LINEAR)
    (x, y), _ = cv2.phaseCorrelate(before, unzoomed, cv2.createHanningWindow((width, height), cv2.CV_32F))
    return Motion((zoom * x, zoom * y), zoom)


def _zoom(before: Floats, after: Floats) -> float:
    """The zoom that shifts one log-polar spectrum onto the other."""
    radius = _COARSE // 2
    old, new = (_log_polar(picture, radius) for picture in (before, after))
    (x, _), _ = cv2.phaseCorrelate(old, new, cv2.createHanningWindow((_COARSE, _COARSE), cv2.CV_32F))
    zoom = math.exp(-x * math.log(radius) / _COARSE)  # a larger picture has a smaller spectrum
    return zoom if _NEAR[0] < zoom < _NEAR[1] else 1.0


def _log_polar(picture: Floats, radius: int) -> Floats:
    small = cv2.resize(picture, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    windowed = (small - small.mean()) * cv2.createHanningWindow((_COARSE, _COARSE), cv2.CV_32F)
    spectrum = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(windowed)))).astype(np.float32)
    centre, flags = (radius, radius), cv2.WARP_POLAR_LOG | cv2.INTER_LINEAR
    return np.asarray(cv2.warpPolar(spectrum, (_COARSE, _COARSE), centre, radius, flags), dtype=np.float32)


def _refined(before: Floats, after: Floats, motion: Motion, size: tuple[int, int]) -> Motion:
    for _ in range(_ROUNDS):
        matrix = motion.matrix(size)
        flows = np.array([*_flows(before, _warped(after, matrix, cv2.INTER_CUBIC))], dtype=np.float32)
        if len(flows) < _FEWEST:
            return Motion()
        # where the content of a tile lies in ``after``, which had been brought back by ``matrix`` already
        places, found = flows[:, :2].copy(), cv2.transform((flows[:, :2] + flows[:, 2:])[:, None], matrix)
        fit, inliers = cv2.estimateAffinePartial2D(places, found, ransacReprojThreshold=_ALIKE, maxIters=5000)
        if fit is None or inliers.sum() < _FEWEST:
            return Motion()
        motion = _motion_of(fit, size, float(inliers.mean()))
    return motion


def _motion_of(fit: NDArray[np.float64], size: tuple[int, int], support: float) -> Motion:
    centre = (np.array(size) - 1) / 2
    x, y = fit[:, :2] @ centre + fit[:, 2] - centre
    turn = math.degrees(math.atan2(fit[1, 0], fit[0, 0]))
    return Motion((float(x), float(y)), math.hypot(fit[0, 0], fit[1, 0]), turn, support)


def _flows(before: Floats, after: Floats) -> Iterator[tuple[float, float, float, float]]:
    """Yield the centre of every tile that has contrast, and how far its content went: x, y, dx, dy."""
    side = 1 << max(4, min(8, int(math.log2(min(before.shape) / 4))))  # 16 is the least side of a picture
    window = cv2.createHanningWindow((side, side), cv2.CV_32F)
    for top in _starts(before.shape[0], side):
        for left in _starts(before.shape[1], side):
            place = (slice(top, top + side), slice(left, left + side))
            old, new = np.ascontiguousarray(before[place]), np.ascontiguousarray(after[place])
            if min(old.std(), new.std()) > _CONTRAST:
                (x, y), _ = cv2.phaseCorrelate(old, new, window)
                if math.hypot(x, y) < side / 4:
                    yield left + (side - 1) / 2, top + (side - 1) / 2, x, y


def _starts(length: int, side: int) -> NDArray[np.int64]:
    count = max(1, min(16, round(2 * (length - side) / side) + 1))
    return np.linspace(0, max(0, length - side), count).astype(np.int64)
