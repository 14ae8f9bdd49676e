"""The recipe of an edit as canonical JSON in a picture's metadata: a PNG text chunk, or EXIF's UserComment."""

import json
from collections.abc import Mapping

from PIL import ExifTags, Image, PngImagePlugin

from zeroshift.image.errors import ImageError
from zeroshift.image.reader import Source, open_header, read_bytes

CHUNK = "zeroshift"
"""the keyword of the PNG text chunk"""

_ASCII = b"ASCII\0\0\0"  # EXIF's mark of the character code that a UserComment opens with


def canonical_json(recipe: Mapping[str, object]) -> str:
    """The one spelling of a recipe: ASCII, sorted keys, no spaces. NaN and infinity are refused (ValueError)."""
    return json.dumps(dict(recipe), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def png_chunk(recipe: Mapping[str, object]) -> PngImagePlugin.PngInfo:
    """The text chunk that holds the recipe."""
    info = PngImagePlugin.PngInfo()
    info.add_text(CHUNK, canonical_json(recipe))
    return info


def exif_block(recipe: Mapping[str, object], capture: bytes = b"") -> bytes:
    """An EXIF block whose UserComment holds the recipe, beside what the block ``capture`` has."""
    exif = Image.Exif()
    exif.load(capture)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _ASCII + canonical_json(recipe).encode("ascii")
    return exif.tobytes()


def read_recipe(source: Source) -> dict[str, object]:
    """Recipe in a picture that ``save_image`` or ``encode_image`` wrote: its path, its bytes, or a file object.

    Raises:
        ImageError: the file is no readable picture, or carries no valid recipe.
    """
    data, name = read_bytes(source)
    text = _stored_text(open_header(data, name), name)
    if text is None:
        raise ImageError(f"{name} carries no recipe: expected a picture that zeroshift wrote, with its metadata kept.")
    try:
        recipe = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(name) from error
    if not isinstance(recipe, dict):
        raise _invalid(name)
    return recipe


def _stored_text(image: Image.Image, name: str) -> str | bytes | None:
    if CHUNK in image.info:
        return str(image.info[CHUNK])
    try:
        comment = image.getexif().get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    except Exception as error:  # Pillow raises almost any type on a damaged EXIF block
        raise _invalid(name) from error
    if not isinstance(comment, bytes) or not comment.startswith(_ASCII):
        return None
    return comment.removeprefix(_ASCII)


def _invalid(name: str) -> ImageError:
    return ImageError(f"{name} carries metadata that is no valid recipe: use the file as zeroshift wrote it.")
