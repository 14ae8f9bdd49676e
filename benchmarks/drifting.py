"""A photograph, edits of it in a known place, and what editors do to the rest: drifts of known size."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from zeroshift.image.registration import Motion

CAT = Path(__file__).parent.parent / "examples" / "cat.png"
CAST = ((1.05, 0.97, 0.9), (6, 0, -4))
"""gain and offset of red, green and blue"""


def photograph() -> np.ndarray:
    """The example cat, (300, 451, 3)."""
    return np.asarray(Image.open(CAT).convert("RGB"))


def part(size: tuple[int, int]) -> np.ndarray:
    """An ellipse in the left middle of a picture (width, height): where it is edited, (H, W), bool."""
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    axes = int(width * 0.22), int(height * 0.35)
    cv2.ellipse(mask, (int(width * 0.45), int(height * 0.5)), axes, 0, 0, 360, 1, -1)
    return mask > 0


def edited(picture: np.ndarray, how: str) -> np.ndarray:
    """The picture with its ``part`` recoloured, mirrored or darkened."""
    change = {"hue": picture[..., [2, 0, 1]], "mirror": picture[:, ::-1], "dark": (picture * 0.7).astype(np.uint8)}[how]
    return np.where(part((picture.shape[1], picture.shape[0]))[..., None], change, picture)


def drifted(
    picture: np.ndarray, motion: Motion, *, soft: bool = False, cast: bool = False, quality: int = 0
) -> np.ndarray:
    """What an editor does to all of a picture: moved, softened as by an autoencoder, tinted, compressed as JPEG."""
    size = (picture.shape[1], picture.shape[0])
    if soft:
        small = cv2.resize(picture, (size[0] * 2 // 3, size[1] * 2 // 3), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    moved: np.ndarray = cv2.warpAffine(
        picture, motion.matrix(size), size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    if cast:
        moved = np.clip(moved * np.array(CAST[0]) + np.array(CAST[1]), 0, 255).astype(np.uint8)
    if quality:
        file = io.BytesIO()
        Image.fromarray(moved).save(file, "JPEG", quality=quality)
        moved = np.asarray(Image.open(file))
    return moved
