"""What a camera wrote: kept on request, without what is not true of the new file."""

import io

import pytest
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from zeroshift.image import encode_image, load_image, read_recipe

DATE, TIME, LENS = "2025:06:01 12:30:00", IFDRational(1, 250), "35mm F1.8"


@pytest.fixture
def photograph() -> bytes:
    """A JPEG that lies on its side, with a place, a thumbnail's note, a comment and a camera's own notes."""
    exif = Image.Exif()
    exif.update({ExifTags.Base.Make: "Maker", ExifTags.Base.DateTime: DATE, ExifTags.Base.Orientation: 6})
    own = {"DateTimeOriginal": DATE, "ExposureTime": TIME, "LensModel": LENS, "MakerNote": b"x" * 99}
    settings = {ExifTags.Base[name]: value for name, value in own.items()}
    exif.get_ifd(ExifTags.IFD.Exif).update({**settings, ExifTags.Base.UserComment: b"ASCII\0\0\0mine"})
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 12.0)})
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "JPEG", exif=exif.tobytes())
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_capture_data_are_kept_on_request(photograph, kind):
    photo = load_image(photograph)
    assert photo.image.size == (30, 40)  # upright
    data = encode_image(photo.image, kind, {"a": 1}, capture=photo.capture)
    assert read_recipe(data) == {"a": 1}
    with Image.open(io.BytesIO(data)) as written:
        exif = written.getexif()
        settings, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert (exif[ExifTags.Base.Make], settings[ExifTags.Base.DateTimeOriginal]) == ("Maker", DATE)
    assert (settings[ExifTags.Base.ExposureTime], settings[ExifTags.Base.LensModel]) == (TIME, LENS)
    assert place[2] == (52.0, 31.0, 12.0)
    assert ExifTags.Base.Orientation not in exif and ExifTags.Base.MakerNote not in settings
    assert (ExifTags.Base.UserComment in settings) == (kind != "PNG")


def test_by_default_nothing_is_kept(photograph):
    photo = load_image(photograph)
    with Image.open(io.BytesIO(encode_image(photo.image, "PNG", {}))) as written:
        assert not written.getexif()


def test_a_picture_without_or_with_damaged_exif_has_none(photograph):
    file = io.BytesIO()
    Image.new("RGB", (40, 30)).save(file, "PNG")
    assert load_image(file.getvalue()).capture == b""
    at = photograph.index(b"Exif\0\0") + 6
    assert load_image(photograph[:at] + b"\0\0\0\0" + photograph[at + 4 :]).capture == b""
