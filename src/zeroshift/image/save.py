"""Write an edited picture with its recipe: whole or not at all, and the same bytes for the same inputs."""

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from PIL import Image

from zeroshift.files import check_replaceable, temporary_beside, why_unwritable, write_atomically
from zeroshift.image.errors import ImageError
from zeroshift.image.pixels import flatten, without_metadata
from zeroshift.image.recipe import exif_block, png_chunk

Format: TypeAlias = Literal["PNG", "JPEG", "WEBP"]
FORMATS: dict[str, Format] = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
"""the format that each extension stands for"""

_LONGEST_SIDE = {"PNG": 2**31 - 1, "JPEG": 65500, "WEBP": 16383}  # pixels that the format or its library can hold
_JPEG_EXIF = 65533  # bytes of EXIF that one JPEG marker can hold


def check_output(path: str | Path) -> None:
    """Create the missing parent folders and try to write there, so that a long edit does not fail at its end.

    Raises:
        ImageError: the extension is none of .png, .jpg, .jpeg and .webp, or no file can be written there: the folder
            is read-only, or what has that name is a read-only file, a folder, a pipe or a link that leads nowhere.
    """
    path = Path(path)
    _format_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise ImageError(f"{path} is a folder, expected a file to write: add a file name.")
        check_replaceable(path)
        temporary = temporary_beside(Path(os.path.realpath(path)))
        temporary.touch(exist_ok=False)
        temporary.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def save_image(image: Image.Image, path: str | Path, *, recipe: Mapping[str, object], capture: bytes = b"") -> None:
    """Write a picture in the format of the extension, with the recipe in its metadata, ``capture``, and nothing else.

    The bytes are those of ``encode_image``; the file appears under its name only when complete.

    Raises:
        TypeError: an argument is of another type.
        ImageError: the extension is unknown, the picture or the recipe does not fit the format, or the folder cannot
            be written.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"The `path` of a picture is text or a Path, not {type(path).__name__}.")
    path = Path(path)
    write_picture(encode_image(image, _format_of(path), recipe, capture=capture), path)


def write_picture(data: bytes, path: Path) -> None:
    """Write the bytes of a picture file, which appears under its name only when complete.

    Raises:
        ImageError: the folder cannot be written.
    """
    try:
        write_atomically(path, data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _format_of(path: Path) -> Format:
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        expected = ", ".join(FORMATS)
        raise ImageError(f"{path} has no extension that a picture can be written as: use one of {expected}.")
    return kind


def encode_image(
    image: Image.Image,
    format: Format | str,
    recipe: Mapping[str, object],
    *,
    capture: bytes = b"",
    quality: int | None = None,
) -> bytes:
    """Bytes of a picture file with the recipe in its metadata, the EXIF block ``capture``, and nothing else.

    ``format`` is PNG, JPEG or WEBP in upper or lower case, or a media type such as image/png. JPEG has quality 95 and
    4:4:4 colours, alpha laid over white; PNG and WebP are lossless and keep alpha. The same inputs give the same bytes
    with the same Pillow. A ``quality`` of 0 to 100 gives smaller JPEG and WebP files, the WebP a lossy one below 100;
    a PNG loses nothing with any.

    Raises:
        TypeError: the picture is none of Pillow's, or the recipe no mapping.
        ImageError: the format is another one, or the picture or the recipe does not fit it.
    """
    if not isinstance(image, Image.Image) or not isinstance(recipe, Mapping):
        raise TypeError(
            f"A Pillow picture and a recipe, names with their values, are written, not {type(image).__name__} and "
            f"{type(recipe).__name__}."
        )
    kind = format.upper().removeprefix("IMAGE/")
    if kind not in _LONGEST_SIDE:
        raise ImageError(f"There is no format {format} to write: use one of {', '.join(_LONGEST_SIDE)}.")
    longest = _LONGEST_SIDE[kind]
    if max(image.size) > longest:
        raise ImageError(f"{kind} holds at most {longest} px a side, the picture has {max(image.size)}: write a PNG.")
    file = io.BytesIO()
    match kind:
        case "PNG":
            without_metadata(image).save(file, kind, pnginfo=png_chunk(recipe), exif=capture)
        case "WEBP":
            exif = exif_block(recipe, capture)
            lossless = quality in (None, 100)
            plain = without_metadata(image)
            plain.save(file, kind, lossless=lossless, exact=True, exif=exif, quality=80 if quality is None else quality)
        case "JPEG":
            exif = _jpeg_exif(recipe, capture)
            level = 95 if quality is None else quality
            without_metadata(flatten(image)).save(file, kind, quality=level, subsampling=0, exif=exif)
    return file.getvalue()


def _jpeg_exif(recipe: Mapping[str, object], capture: bytes) -> bytes:
    exif = exif_block(recipe, capture)
    if len(exif) > _JPEG_EXIF:
        raise ImageError(
            f"The recipe takes {len(exif)} bytes and a JPEG holds at most {_JPEG_EXIF}: write a PNG or a WebP."
        )
    return exif


def _unwritable(path: Path, error: OSError) -> ImageError:
    return ImageError(
        f"{path} cannot be written ({why_unwritable(error)}): choose a folder with space that you may write in."
    )
