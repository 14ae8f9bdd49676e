"""Pictures on their way in and out: shaped as is asked, written as is asked."""

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from PIL import Image

from zeroshift.image import Photo, encode_image, flatten
from zeroshift.image.framing import no_larger
from zeroshift.results import Result
from zeroshift.service.limits import MOST_UNFINISHED
from zeroshift.service.refusals import wrong

OutputFormat: TypeAlias = Literal["png", "jpeg", "webp"]
Background: TypeAlias = Literal["transparent", "opaque", "auto"]
Size: TypeAlias = tuple[int, int]
SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)
LEAST, MOST = 16, 4096
"""sides of a picture whose size is asked for"""
ALIKE = 0.01
"""of a side: proportions that differ by less are the same"""


@dataclass(frozen=True)
class Output:
    """How a picture is written."""

    format: OutputFormat = "png"
    quality: int | None = None
    """0 to 100, of JPEG and WebP; None is the best"""
    background: Background = "auto"
    """transparent and auto keep the alpha that a photograph has; opaque lays it over white"""
    size: Size | None = None
    """None is the photograph's"""

    @property
    def media_type(self) -> str:
        """As a header has it."""
        return f"image/{self.format}"

    @property
    def keeps_alpha(self) -> bool:
        """Whether the alpha that a photograph has is written; else it lies over white."""
        return self.background != "opaque" and self.format != "jpeg"

    def finished(self, image: Image.Image) -> Image.Image:
        """A picture in the size and with the background that are asked for."""
        image = flatten(image) if self.background == "opaque" else image
        return image if self.size in (None, image.size) else image.resize(self.size, Image.Resampling.LANCZOS)

    @property
    def smaller(self) -> "Output":
        """The same for unfinished pictures, which are no larger than ``MOST_UNFINISHED``."""
        return replace(self, size=None if self.size is None else no_larger(self.size, MOST_UNFINISHED))

    def written(self, result: Result) -> bytes:
        """The file of a result, with its recipe."""
        return encode_image(self.finished(result.image), self.format, result.recipe, quality=self.quality)

    def written_partial(self, picture: Callable[[], Image.Image]) -> bytes:
        """The file of an unfinished picture, which is made now."""
        image = self.smaller.finished(picture())
        return encode_image(image, self.format, {"command": "preview"}, quality=self.quality)

    def check(self, photo: Photo) -> None:
        """Refuse a transparent background that there is none of, or that the format cannot hold.

        Raises:
            Refusal: so it is.
        """
        if self.background != "transparent":
            return
        if self.format == "jpeg":
            raise wrong("A JPEG has no transparent background; take png or webp as `output_format`.", "background")
        if photo.alpha is None:
            sentence = "The picture has no transparent background, and an edit makes none; leave `background` out."
            raise wrong(sentence, "background")


def quality_of(format: OutputFormat, compression: int) -> int | None:
    """The quality of a file by OpenAI's compression, 0 to 100; None where nothing is to be lost, or can be."""
    return None if compression == 100 or format == "png" else compression


def size_of(text: str) -> Size | None:
    """What "1024x1024" asks for; None for "auto".

    Raises:
        Refusal: it is neither, or too small or large.
    """
    if text == "auto":
        return None
    found = SIZE.fullmatch(text)
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not all(LEAST <= side <= MOST for side in size):
        raise wrong(f'`size` is "auto" or WIDTHxHEIGHT with sides of {LEAST} to {MOST} pixels, not "{text}".', "size")
    return size


def shaped(photo: Photo, size: Size | None) -> tuple[Photo, bool]:
    """The middle of a photograph in the proportions of ``size``, and whether anything was cut off."""
    width, height = photo.image.size
    if size is None or abs(width * size[1] / (height * size[0]) - 1) <= ALIKE:
        return photo, False
    scale = min(width / size[0], height / size[1])
    inside = (min(width, round(size[0] * scale)), min(height, round(size[1] * scale)))
    if min(inside) < LEAST:
        sentence = f"Of the picture {inside[0]}x{inside[1]} pixels have the proportions of `size`, and {LEAST} a side "
        raise wrong(f"{sentence}are the least; ask for auto, or other proportions.", "size")
    left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
    box = (left, top, left + inside[0], top + inside[1])
    alpha = None if photo.alpha is None else photo.alpha.crop(box)
    whole = photo.image.crop(box)
    return replace(Photo.of(whole if alpha is None else merged(whole, alpha)), capture=photo.capture), True


def merged(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    """Colours and alpha in one picture."""
    return Image.merge("RGBA", (*colours.split(), alpha))


def base64_of(data: bytes) -> str:
    """Bytes as JSON holds them."""
    return base64.b64encode(data).decode("ascii")


@dataclass(frozen=True)
class Made:
    """A result that was written."""

    file: bytes
    media_type: str
    facts: dict[str, Any]
    """all that is said of it, without the picture"""

    @staticmethod
    def of(result: Result, said: Sequence[str], output: Output) -> "Made":
        """Write a result.

        Raises:
            ImageError: the format cannot hold it.
        """
        width, height = result.image.size
        verdict = None
        if result.verdict is not None:
            judged = result.verdict
            verdict = {"change": judged.change, "lacking": judged.lacking or None, "advice": judged.advice}
        facts = {
            "media_type": output.media_type,
            "width": width,
            "height": height,
            "part": result.part,
            "verdict": verdict,
            "warnings": list(said),
            "recipe": result.recipe,
        }
        return Made(output.written(result), output.media_type, facts)

    @property
    def body(self) -> dict[str, Any]:
        """The same as JSON with the picture in it."""
        return {"b64_json": base64_of(self.file), **self.facts}
