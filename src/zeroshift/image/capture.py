"""What a camera wrote into a photograph: when, by what, with which settings, where."""

from PIL import ExifTags, Image

_PICTURE = (
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.ImageDescription,
)
_OF_THE_FILE = {
    ExifTags.Base.MakerNote,  # places in the old file
    ExifTags.Base.UserComment,  # where a recipe stands
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    ExifTags.Base.ColorSpace,
    ExifTags.Base.ExifInteroperabilityOffset,
}
"""tags that are not true of another file; nor are orientation and thumbnail, which stand elsewhere"""


def capture_data(image: Image.Image) -> bytes:
    """EXIF block of what the camera wrote, places included; empty where there is none or it is damaged."""
    kept = Image.Exif()
    try:
        exif = image.getexif()
        kept.update({tag: exif[tag] for tag in _PICTURE if tag in exif})
        settings, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
        if of_capture := {tag: value for tag, value in settings.items() if tag not in _OF_THE_FILE}:
            kept.get_ifd(ExifTags.IFD.Exif).update(of_capture)
        if place:
            kept.get_ifd(ExifTags.IFD.GPSInfo).update(place)
        return kept.tobytes() if kept or of_capture or place else b""
    except Exception:  # Pillow raises almost any type on a damaged EXIF block; the picture is sound without it
        return b""
