"""Read a picture for editing: upright, 8-bit sRGB, alpha apart, with the hash that a recipe names it by."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageOps

from zeroshift.image.capture import capture_data
from zeroshift.image.errors import ImageError
from zeroshift.image.pixels import of_array, to_rgb
from zeroshift.image.reader import READABLE, Source, damaged, open_header, read_bytes

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
    capture: bytes = b""
    """EXIF block of what the camera wrote, if the picture comes from a file that has it; for ``encode_image``"""
    file: str = field(default="", compare=False)
    """its path, if it comes from a file that has one"""

    @staticmethod
    def of(pixels: Image.Image | np.ndarray) -> "Photo":
        """Take a picture in memory; its hash covers size, colours and alpha after conversion.

        Args:
            pixels: a Pillow picture, or uint8 values of (H, W), (H, W, 3) or (H, W, 4): grey, RGB, RGBA.

        Raises:
            ImageError: a side is under 16 px, it has several frames, its pixels cannot be decoded or converted, or an
                array has another type or shape.
        """
        name = "The picture"
        image = of_array(pixels) if isinstance(pixels, np.ndarray) else pixels
        _check(image, name)
        rgb, alpha = _decode(image, name)
        digest = hashlib.sha256(f"RGB{'A' if alpha else ''} {rgb.width}x{rgb.height}\n".encode())
        for plane in (rgb, alpha) if alpha else (rgb,):
            digest.update(plane.tobytes())
        return Photo(rgb, alpha, digest.hexdigest())

    def with_alpha(self, edited: Image.Image) -> Image.Image:
        """An edit of this picture's size with this picture's alpha: RGBA, or RGB if there is none."""
        if self.alpha is None:
            return edited
        return Image.merge("RGBA", (*edited.split(), self.alpha))


Picture: TypeAlias = Source | Image.Image | np.ndarray | Photo
"""whatever is taken as one picture: a file as ``load_image`` reads it, or pixels as ``Photo.of`` takes them"""


def as_photo(picture: Picture, max_megapixels: float = 100) -> Photo:
    """Take a picture in any form; ``max_megapixels`` bounds files.

    Raises:
        ImageError: it is unusable; the sentence says why.
    """
    if isinstance(picture, Photo):
        return picture
    if isinstance(picture, (Image.Image, np.ndarray)):
        return Photo.of(picture)
    return load_image(picture, max_megapixels)


def load_image(source: Source, max_megapixels: float = 100, formats: Sequence[str] = READABLE) -> Photo:
    """Read a PNG, JPEG, WebP, TIFF, BMP, GIF, PNM, JPEG 2000 or AVIF file as 8-bit sRGB, upright.

    Sizes are checked in the header, before any pixel is decoded.

    Args:
        source: path, bytes of the file, or file object opened in binary mode.
        max_megapixels: larger pictures are refused (1e6 pixels).
        formats: the others are refused, their readers not even tried; names as in ``reader.READABLE``.

    Raises:
        ImageError: there is no such file, or it is a folder, pipe or device, empty, no picture, truncated, animated,
            under 16 px on a side, or over ``max_megapixels``.
    """
    image, name, sha256 = _open(source, max_megapixels, formats)
    file = str(source) if isinstance(source, (str, PathLike)) else ""
    return Photo(*_decode(image, name), sha256, capture_data(image), file)


def size_of(source: Source, max_megapixels: float = 100, formats: Sequence[str] = READABLE) -> tuple[int, int]:
    """Width and height of a picture's file by its header: what ``load_image`` would decode.

    Raises:
        ImageError: the header alone tells that it is unusable.
    """
    return _open(source, max_megapixels, formats)[0].size


def check_files(pictures: Iterable[Picture], max_megapixels: float = 100) -> None:
    """Refuse files among ``pictures`` of which the header says that ``load_image`` cannot read them.

    Raises:
        ImageError: there is one; it says how many more there are.
    """
    faults = list(unreadable(pictures, max_megapixels).values())
    if len(faults) > 1:
        raise ImageError(f"{faults[0]} {len(faults) - 1} more of these files cannot be read, either.")
    if faults:
        raise faults[0]


def unreadable(pictures: Iterable[Picture], max_megapixels: float = 100) -> dict[int, ImageError]:
    """What the headers of files say against them, by the place of the file among ``pictures``."""
    found = dict[int, ImageError]()
    for k, picture in enumerate(pictures):
        if isinstance(picture, (str, PathLike, bytes)):
            try:
                _open(picture, max_megapixels)
            except ImageError as error:
                found[k] = error
    return found


def _open(source: Source, max_megapixels: float, formats: Sequence[str] = READABLE) -> tuple[Image.Image, str, str]:
    """A picture that is not decoded yet, what errors call it, and the hash of its file."""
    data, name = read_bytes(source)
    image = open_header(data, name, formats)
    _check(image, name)
    megapixels = image.width * image.height / 1e6
    if megapixels > max_megapixels:
        raise ImageError(
            f"{name} has {megapixels:.4g} megapixels, expected at most {max_megapixels:g}: "
            "make it smaller, or raise `max_megapixels`."
        )
    return image, name, hashlib.sha256(data).hexdigest()


def _check(image: Image.Image, name: str) -> None:
    if min(image.size) < MIN_SIDE:
        size = f"{image.width}x{image.height}"
        raise ImageError(f"{name} is {size} px, expected at least {MIN_SIDE} px a side: use a larger picture.")
    frames = _frames(image, name)
    if frames > 1:
        raise ImageError(f"{name} holds {frames} frames or pages, expected one: save one of them as PNG and edit that.")


def _frames(image: Image.Image, name: str) -> int:
    """The number of frames; 1 for MPO, a phone's JPEG whose other frames are depth or brightness maps."""
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
