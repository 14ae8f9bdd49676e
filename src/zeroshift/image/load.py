"""Read a picture for editing: upright, 8-bit sRGB, alpha apart, with the hash that a recipe names it by."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from zeroshift.image.errors import ImageError
from zeroshift.image.pixels import to_rgb
from zeroshift.image.reader import damaged, open_header, read_bytes

MIN_SIDE = 16
"""the shortest side, in pixels, that an edit can say anything about"""


@dataclass(frozen=True)
class Photo:
    """A picture to edit."""

    image: Image.Image
    """8-bit sRGB, upright"""
    alpha: Image.Image | None
    """8-bit L of the same size, or None"""
    sha256: str
    """of the file's bytes, or of the pixels for a picture in memory (hexadecimal)"""

    @staticmethod
    def of(image: Image.Image) -> "Photo":
        """Take a Pillow picture; its hash covers size, colours and alpha after conversion.

        Raises:
            ImageError: a side is under 16 px, it has several frames, or its pixels cannot be decoded or converted.
        """
        name = "The picture"
        _check(image, name)
        rgb, alpha = _decode(image, name)
        digest = hashlib.sha256(f"RGB{'A' if alpha else ''} {rgb.width}x{rgb.height}\n".encode())
        for plane in (rgb, alpha) if alpha else (rgb,):
            digest.update(plane.tobytes())
        return Photo(rgb, alpha, digest.hexdigest())

    def with_alpha(self, edited: Image.Image) -> Image.Image:
        """Return an edit of this picture's size with this picture's alpha: RGBA, or RGB if there is none."""
        if self.alpha is None:
            return edited
        return Image.merge("RGBA", (*edited.split(), self.alpha))


def load_image(path: str | Path, max_megapixels: float = 100) -> Photo:
    """Read a PNG, JPEG, WebP, TIFF, BMP, GIF, PNM, JPEG 2000 or AVIF file as 8-bit sRGB, upright.

    Sizes are checked in the header, before any pixel is decoded.

    Raises:
        ImageError: there is no such file, or it is a folder, empty, no picture, truncated, animated, under 16 px on a
            side, or over ``max_megapixels`` (1e6 pixels).
    """
    data = read_bytes(path)
    image = open_header(data, str(path))
    _check(image, str(path))
    megapixels = image.width * image.height / 1e6
    if megapixels > max_megapixels:
        raise ImageError(
            f"{path} has {megapixels:.4g} megapixels, expected at most {max_megapixels:g}: "
            f"make it smaller or raise the limit (--max-megapixels)."
        )
    return Photo(*_decode(image, str(path)), hashlib.sha256(data).hexdigest())


def _check(image: Image.Image, name: str) -> None:
    if min(image.size) < MIN_SIDE:
        size = f"{image.width}x{image.height}"
        raise ImageError(f"{name} is {size} px, expected at least {MIN_SIDE} px a side: use a larger picture.")
    frames = _frames(image, name)
    if frames > 1:
        raise ImageError(f"{name} holds {frames} frames or pages, expected one: save one of them as PNG and edit that.")


def _frames(image: Image.Image, name: str) -> int:
    """Return the number of frames; 1 for MPO, a phone's JPEG whose other frames are depth or brightness maps."""
    if image.format == "MPO":
        return 1
    try:
        return getattr(image, "n_frames", 1)
    except Exception as error:  # counting reads on through the file: see _decode
        raise damaged(name, image.format) from error


def _decode(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    try:
        upright = ImageOps.exif_transpose(image)
    except Exception as error:  # Pillow's decoders raise almost any type on damaged bytes
        raise damaged(name, image.format) from error
    return to_rgb(upright, name)
