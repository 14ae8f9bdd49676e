"""Identify a picture file from its header, by Pillow's readers but with this package's own size limit."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from PIL import Image, ImageFile

from zeroshift.files import read_regular, regular
from zeroshift.image.errors import ImageError

READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
"""the formats tried; a closed list, since some of Pillow's other readers start programs (EPS) or hold no pixels"""

_PREFIX = 16  # bytes that Pillow's readers look at to recognise their format


@runtime_checkable
class Readable(Protocol):
    """A file object opened in binary mode."""

    def read(self) -> bytes: ...


Source: TypeAlias = str | PathLike[str] | bytes | Readable
"""a picture file: its path, its bytes, or a file object, read from where it stands"""


def read_bytes(source: Source) -> tuple[bytes, str]:
    """Bytes of a picture file, and what errors call it: its path, or "The picture" where it has none.

    Raises:
        ImageError: it does not exist, is a folder, a pipe or a device, is empty, or cannot be read.
    """
    if isinstance(source, (str, PathLike)):
        data, name = _of_path(Path(source)), str(source)
    else:
        data, name = _of_object(source), "The picture"
    if not data:
        raise ImageError(f"{name} is an empty file, expected a picture: fetch or export it again.")
    return data, name


def check_there(path: Path) -> None:
    """Refuse what cannot be read as a file, without reading it.

    Raises:
        ImageError: it does not exist, is a folder, a pipe or a device, or may not be read.
    """
    with _said(path):
        regular(path).open("rb").close()


def _of_path(path: Path) -> bytes:
    with _said(path):
        return read_regular(path)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Say in a sentence why ``path`` cannot be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist: check the path of the picture.") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path} is a folder, expected a picture file: name the pictures in it.") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}): check the path and its permissions.") from error


def _of_object(source: object) -> bytes:
    data = source.read() if isinstance(source, Readable) else source
    if not isinstance(data, bytes):
        raise ImageError(
            f"The picture is given as {type(data).__name__}, expected a path, the bytes of a file, or a file object "
            "opened in binary mode."
        )
    return data


def open_header(data: bytes, name: str, formats: Sequence[str] = READABLE) -> ImageFile.ImageFile:
    """The undecoded picture in ``data``, in one of ``formats``; ``name`` is what errors call it.

    This stands in for ``Image.open``, whose size limit is a process-wide setting that warns instead of refusing.

    Raises:
        ImageError: the bytes are no picture of a readable format, or its header is damaged.
    """
    Image.init()
    for kind in (kind for kind in formats if kind in Image.OPEN):  # not every Pillow has AVIF
        factory, accepts = Image.OPEN[kind]
        if accepts is None or accepts(data[:_PREFIX]) is not True:
            continue
        try:
            return factory(io.BytesIO(data), "")
        except Exception as error:  # Pillow's readers raise almost any type on damaged bytes
            raise damaged(name, kind) from error
    raise ImageError(f"{name} is not a picture that can be read: expected one of {', '.join(formats)}.")


def damaged(name: str, kind: str | None) -> ImageError:
    """The error of a file that begins as a picture and does not go on as one."""
    return ImageError(f"{name} is a damaged or truncated {kind} file: fetch or export the picture again.")
