"""Pixels of any kind to 8-bit sRGB and alpha, and back to one picture."""

import io

import numpy as np
from PIL import Image, ImageCms

from zeroshift.image.errors import ImageError

_RANGES = {"I": (255.0, 65535.0), "F": (1.0, 255.0, 65535.0)}
"""values that mean white in 32-bit pictures, whose files do not say: the smallest that holds all pixels is taken"""


def to_rgb(image: Image.Image, name: str) -> tuple[Image.Image, Image.Image | None]:
    """The colours as 8-bit sRGB and the alpha as L, or None where the picture has none.

    An embedded ICC profile is applied where the colour engine accepts it. Colours under alpha stay as they are stored.

    Raises:
        ImageError: 32-bit values have no plain range.
    """
    profile = image.info.get("icc_profile")
    colours, alpha = _split_alpha(_eight_bit(image, name))
    if colours.mode not in ("L", "RGB", "CMYK"):
        colours = colours.convert("RGB")
    if profile:
        colours = _to_srgb(colours, profile)
    return without_metadata(colours.convert("RGB")), alpha


def of_array(values: np.ndarray) -> Image.Image:
    """Picture of uint8 values of (H, W), (H, W, 3) or (H, W, 4): grey, RGB, RGBA.

    Raises:
        ImageError: the array has another type or shape.
    """
    if values.dtype != np.uint8 or values.ndim not in (2, 3) or values.shape[2:] not in ((), (3,), (4,)):
        raise ImageError(
            f"The array is {values.dtype} of shape {values.shape}, expected uint8 of (height, width, 3): "
            f"{_how_to_mend(values)}."
        )
    return Image.fromarray(np.ascontiguousarray(values))


def _how_to_mend(values: np.ndarray) -> str:
    if values.ndim == 3 and values.shape[0] in (3, 4) and values.shape[2] not in (3, 4):
        return "put colours last with array.transpose(1, 2, 0)"
    if values.ndim not in (2, 3) or values.shape[2:] not in ((), (3,), (4,)):
        return "give one picture, its height and width first, its 3 colours (4 with alpha, none if it is grey) last"
    if values.dtype.kind == "f":
        return "bring colours from 0 to 1 there with (255 * array).round().astype('uint8')"
    if values.dtype.kind == "b":
        return "bring False and True to 0 and 255 with 255 * array.astype('uint8')"
    return "bring colours to whole numbers from 0 to 255, then use array.astype('uint8')"


def flatten(image: Image.Image) -> Image.Image:
    """The picture as RGB, laid over white where it has alpha."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    above = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(above, mask=above.getchannel("A"))
    return white


def before_after(before: Image.Image, after: Image.Image, *, gap: int = 8) -> Image.Image:
    """Both pictures side by side as RGB, ``gap`` white pixels apart, the second scaled to the first's height."""
    width = max(1, round(after.width * before.height / after.height))
    right = flatten(after).resize((width, before.height), Image.Resampling.LANCZOS)
    both = Image.new("RGB", (before.width + gap + width, before.height), "white")
    both.paste(flatten(before), (0, 0))
    both.paste(right, (before.width + gap, 0))
    return both


def without_metadata(image: Image.Image) -> Image.Image:
    """A copy whose ``info`` is empty: Pillow writes what it finds there (profile, comment) into new files."""
    plain = image.copy()
    plain.info = {}
    return plain


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """16-bit and 32-bit grey as L (LA if one value means transparent); other pictures as they are."""
    if not image.mode.startswith("I") and image.mode != "F":
        return image
    values = np.asarray(image)
    white = 65535.0 if image.mode.startswith("I;16") else _white(values, image.mode, name)
    scaled = np.asarray(values, dtype=np.float32) * np.float32(255 / white)
    grey = Image.fromarray(np.rint(scaled).astype(np.uint8))
    if "transparency" not in image.info:
        return grey
    opaque = np.where(values == image.info["transparency"], 0, 255).astype(np.uint8)
    return Image.merge("LA", (grey, Image.fromarray(opaque)))


def _white(values: np.ndarray, mode: str, name: str) -> float:
    low, high = float(values.min()), float(values.max())  # NaN fails every comparison below
    for white in _RANGES[mode]:
        if low >= 0 and high <= white:
            return white
    expected = " or ".join(f"0 to {white:.0f}" for white in _RANGES[mode])
    raise ImageError(f"{name} has pixel values from {low:g} to {high:g}, expected {expected}: rescale it first.")


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if not image.has_transparency_data:
        return image, None
    grey = image.mode in ("1", "L", "LA")
    both = image.convert("LA" if grey else "RGBA")
    return both.convert("L" if grey else "RGB"), both.getchannel("A")


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The picture in sRGB; unchanged if the profile is broken or belongs to another colour mode."""
    srgb = ImageCms.createProfile("sRGB")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted if converted is not None else image
