"""Masks in files: which pixels of a picture an edit may touch."""

from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from zeroshift.image.errors import ImageError
from zeroshift.image.framing import Size
from zeroshift.image.load import Photo, Picture, as_photo
from zeroshift.image.registration import Mask

Alpha: TypeAlias = Literal["alpha"]
ALPHA: Alpha = "alpha"
Said: TypeAlias = Literal["none", "auto", "grown", "alpha"]
"""none: all of a photograph may change; auto: where the subject is; grown: there, and where the result has grown beyond
that; alpha: where it is transparent"""
MOST_SOFT = 1000
"""pixels that an edit fades in over at most"""


def read_mask(picture: Picture, size: Size, max_megapixels: float = 100) -> Mask:
    """Where an edit is allowed, (H, W), in a picture of ``size``: white pixels, or transparent ones.

    A picture with transparent pixels is a mask as the OpenAI image API takes it: these (alpha under 128) are edited. Of
    any other, the light ones are (grey value of 128 or more).

    Raises:
        ImageError: it is unusable, of another size, or allows nothing.
    """
    photo = as_photo(picture, max_megapixels)
    if photo.image.size != size:
        raise ImageError(
            f"The mask is {_pixels(photo.image.size)} px and the picture {_pixels(size)} px; make it of the same size."
        )
    mask = _allowed(photo)
    if not mask.any():
        raise ImageError("The mask allows no pixel to be edited: make that part white, or transparent.")
    return mask


def _allowed(photo: Photo) -> Mask:
    if photo.alpha is not None and (transparent := np.asarray(photo.alpha) < 128).any():
        return transparent
    return np.asarray(photo.image.convert("L")) >= 128


def mask_picture(mask: Mask) -> Image.Image:
    """The mask as a picture of mode L, white where an edit is allowed."""
    return Image.fromarray(mask.astype(np.uint8) * 255)


def _pixels(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
