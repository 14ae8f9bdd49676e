"""Photographs and masks that wait in files: the history of a page keeps none of them decoded."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkstemp
from weakref import WeakValueDictionary

from zeroshift.image import ImageError, Photo, encode_image, load_image

FOLDER = "photographs"
"""of a desk's folder, each photograph under its hash"""
_DECODED: "WeakValueDictionary[str, Photo]" = WeakValueDictionary()
"""those that somebody holds, by their hash: none is decoded twice"""


@dataclass(frozen=True)
class Filed:
    """A picture in a file."""

    file: Path
    sha256: str
    """of the picture as it was brought, whatever the file's own is"""
    said: Mapping[str, object] = field(default_factory=dict, compare=False)
    """fields of the ``Photo`` that the file does not have"""

    @property
    def photo(self) -> Photo | None:
        """The picture, decoded unless somebody holds it; None where its file is gone."""
        there = _DECODED.get(self.sha256)
        if there is None:
            try:
                photo = load_image(self.file)
            except ImageError:
                return None
            there = held(replace(photo, sha256=self.sha256, **self.said))  # type: ignore[arg-type]
        return there


def held(photo: Photo) -> Photo:
    """The same, found again while somebody holds it."""
    _DECODED[photo.sha256] = photo
    return photo


def filed(photo: Photo, desk: Path) -> Filed:
    """A photograph as a file among those of a desk: a copy of its own, or its pixels where that has gone."""
    file = desk / FOLDER / photo.sha256
    held(photo)
    if file.exists():
        return Filed(file, photo.sha256)
    file.parent.mkdir(exist_ok=True)
    own = own_bytes(photo)
    opened, begun = mkstemp(dir=file.parent)  # of its own: two runs of a page may file the same photograph
    try:
        with os.fdopen(opened, "wb") as written:
            written.write(encode_image(photo.with_alpha(photo.image), "PNG", {}) if own is None else own)
        Path(begun).replace(file)  # whole, or not there
    finally:
        Path(begun).unlink(missing_ok=True)
    return Filed(file, photo.sha256, {} if own is not None else {"capture": photo.capture})


def own_bytes(photo: Photo) -> bytes | None:
    """The file that a photograph was read from; None where it is not there any more as it was."""
    try:
        own = Path(photo.file).read_bytes()
    except OSError:
        return None
    return own if hashlib.sha256(own).hexdigest() == photo.sha256 else None
