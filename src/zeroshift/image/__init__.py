"""Pictures in and out: load, frame for the model, put back, save with the recipe in the file's metadata."""

from zeroshift.image.errors import ImageError
from zeroshift.image.folders import Found, find_pictures
from zeroshift.image.framing import FITS, Fit, Framing, frame
from zeroshift.image.load import Photo, Picture, as_photo, check_files, load_image, size_of, unreadable
from zeroshift.image.pixels import before_after, flatten
from zeroshift.image.recipe import canonical_json, read_recipe
from zeroshift.image.save import Format, check_output, encode_image, save_image

__all__ = [
    "FITS",
    "Fit",
    "Format",
    "Found",
    "Framing",
    "ImageError",
    "Photo",
    "Picture",
    "as_photo",
    "before_after",
    "canonical_json",
    "check_files",
    "check_output",
    "encode_image",
    "find_pictures",
    "flatten",
    "frame",
    "load_image",
    "read_recipe",
    "save_image",
    "size_of",
    "unreadable",
]
