"""A picture of any size to the size a model works at, and the way back."""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from PIL import Image

from zeroshift.image.errors import ImageError

Fit = Literal["crop", "pad", "stretch", "aspect"]
"""crop: the centred square; pad: all of it in a square; stretch: squeezed to a square; aspect: proportions kept"""
FITS: tuple[Fit, ...] = get_args(Fit)

MOST_SIZE = 1024
"""side in pixels that may be asked for: a stranger's recipe asks for no more memory than this"""
Size = tuple[int, int]  # width, height
Box = tuple[int, int, int, int]  # left, top, right, bottom

_FEATHER = 16  # a pasted square fades over this fraction of its side
_RIM = 32  # a blended part leaves this fraction of its side to the original, where the two colours are compared
_BLENDED = 3  # and fades in over so many rims
_MATCHED = 4  # over this fraction of its side colours that are far off at its borders lose their say


@dataclass(frozen=True)
class Within:
    """A square in the place of a box."""

    share: float = 1.0
    """its side, of the box's shorter one; above 0 to 1"""
    lift: float = 0.0
    """how far its middle is above the box's, of the same side"""
    again: "Within | None" = None
    """the square in this one's place in which an edit is tried once more where it is not clear"""


WHOLE_BOX = Within()


@dataclass(frozen=True)
class Framing:
    """Which part of a picture the model saw, and where in the model's frame that part lies. All in pixels."""

    source_size: Size
    frame_size: Size
    box: Box
    """the part of the source that was framed"""
    inner: Box
    """where it lies in the frame; all of the frame unless padded"""

    def restore(self, edited: Image.Image, original: Image.Image) -> Image.Image:
        """The original with the framed part replaced by the edit; pixels outside that part are untouched.

        The edit fades into the original along the borders of the part that lie inside the picture.

        Args:
            edited: the model's picture, of ``frame_size``.
            original: the picture that was framed, of ``source_size`` and of the same mode.

        Raises:
            ImageError: a picture has another size.
        """
        self._check(edited, original)
        return self.faded(self.put(edited, original), original)

    def faded(self, edited: Image.Image, original: Image.Image) -> Image.Image:
        """The original with the framed part of ``edited``, of the same size, which fades in along its borders."""
        weights, restored = Image.new("L", self.source_size), original.copy()
        weights.paste(_feather(self.box, self.source_size), self.box[:2])
        restored.paste(edited, mask=weights)
        return restored

    def blend(self, edited: Image.Image, original: Image.Image) -> Image.Image:
        """What ``restore`` gives, of RGB pictures, with the edit's colours matched to the original's at the borders.

        For a part that somebody chose: round it lies the same thing, and its colours go on.

        Raises:
            ImageError: a picture has another size.
        """
        self._check(edited, original)
        return self.matched(self.put(edited, original), original)

    def matched(self, edited: Image.Image, original: Image.Image) -> Image.Image:
        """The original with the framed part of ``edited``, of the same size, its colours matched at the borders."""
        from zeroshift.image.blending import blended  # OpenCV takes a while, and most need it not

        left, top, right, bottom = self.box
        width, height = self.source_size
        pixels, laid, known = np.asarray(original), np.asarray(edited), np.zeros((height, width), dtype=bool)
        known[top:bottom, left:right] = True
        rim = max(1, min(_extent(self.box)) // _RIM)
        inside = np.zeros_like(known)
        rows = slice(top + rim * (top > 0), bottom - rim * (bottom < height))
        inside[rows, left + rim * (left > 0) : right - rim * (right < width)] = True
        return Image.fromarray(blended(pixels, laid, inside, _BLENDED * rim, known, reach=self.reach))

    @property
    def reach(self) -> int:
        """Pixels of the picture over which colours that are far off at the borders of the part lose their say."""
        return max(1, min(_extent(self.box)) // _MATCHED)

    def view(self, picture: Image.Image) -> Image.Image:
        """What the model sees of a picture of ``source_size``, at ``frame_size``."""
        return _pad(picture.resize(_extent(self.inner), Image.Resampling.LANCZOS, box=self.box), self)

    def put(self, seen: Image.Image, onto: Image.Image) -> Image.Image:
        """A picture of ``source_size`` with ``seen``, of ``frame_size`` and of the same mode, at its place."""
        whole = onto.copy()
        whole.paste(self._patch(seen), self.box[:2])
        return whole

    def of_size(self, size: Size) -> "Framing":
        """The same part of a copy of the source that has another size; of at least a pixel a side."""
        across, down = (new / old for new, old in zip(size, self.source_size, strict=True))
        left, top, right, bottom = self.box
        left, top = min(round(left * across), size[0] - 1), min(round(top * down), size[1] - 1)
        box = (left, top, max(left + 1, round(right * across)), max(top + 1, round(bottom * down)))
        return replace(self, source_size=size, box=box)

    def _patch(self, seen: Image.Image) -> Image.Image:
        return seen.crop(self.inner).resize(_extent(self.box), Image.Resampling.LANCZOS)

    def _check(self, edited: Image.Image, original: Image.Image) -> None:
        for picture, size in ((edited, self.frame_size), (original, self.source_size)):
            if picture.size != size:
                raise ImageError(f"A picture of {picture.size} px cannot be put back, expected {size} px.")


def frame(
    image: Image.Image, fit: Fit, *, size: int, multiple: int, region: Box | None = None
) -> tuple[Image.Image, Framing]:
    """The picture at the model's size, and the way back.

    Args:
        image: an 8-bit picture of any mode, such as colours or an alpha.
        fit: how the picture meets the frame, see ``Fit``. ``pad`` repeats the edge pixels.
        size: the model's square side in pixels; ``aspect`` gives 0.6 to 1.5 times size² pixels.
        multiple: every side of the frame is a multiple of this.
        region: the part of the picture to frame instead of all of it; it lies inside the picture.

    Raises:
        ImageError: there is no such fit, or ``size`` is no multiple of ``multiple``.
    """
    framing = _within(image.size, region or (0, 0, *image.size), fit, size, multiple)
    return framing.view(image), framing


def _within(source: Size, region: Box, fit: Fit, size: int, multiple: int) -> Framing:
    """The framing of ``region`` alone, as part of the picture of size ``source`` that it lies in."""
    own = _plan(_extent(region), fit, size, multiple)
    left, top = region[:2]
    box = (own.box[0] + left, own.box[1] + top, own.box[2] + left, own.box[3] + top)
    return Framing(source, own.frame_size, box, own.inner)


def _plan(source: Size, fit: Fit, size: int, multiple: int) -> Framing:
    if size < multiple or size % multiple:
        raise ImageError(f"The size {size} does not suit this model: use a multiple of {multiple}.")
    whole, square = (0, 0, *source), (size, size)
    match fit:
        case "crop":
            return Framing(source, square, middle(source), (0, 0, *square))
        case "pad":
            scale = size / max(source)
            scaled = (max(1, round(source[0] * scale)), max(1, round(source[1] * scale)))
            return Framing(source, square, whole, _centred(square, scaled))
        case "stretch":
            return Framing(source, square, whole, (0, 0, *square))
        case "aspect":
            scaled = _aspect(source, size, multiple)
            return Framing(source, scaled, whole, (0, 0, *scaled))
        case _:
            raise ImageError(f"There is no fit {fit!r}: use one of {', '.join(FITS)}.")


def no_larger(size: Size, most: int) -> Size:
    """The size of a copy whose longer side has ``most`` pixels; of what is no larger, its own."""
    scale = most / max(size)
    return size if scale >= 1 else (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def middle(size: Size) -> Box:
    """The largest square in the middle of a picture of ``size``."""
    return _centred(size, (min(size), min(size)))


def _aspect(source: Size, size: int, multiple: int) -> Size:
    """The size of about size² pixels nearest to the source's proportions, both sides multiples."""
    scale = size / math.sqrt(source[0] * source[1])
    longest = size * size // multiple**2  # in multiples: a very long picture is squeezed, not given more pixels
    width, height = (min(longest, max(1, round(side * scale / multiple))) * multiple for side in source)
    return width, height


def _centred(outer: Size, inner: Size) -> Box:
    left, top = (outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2
    return left, top, left + inner[0], top + inner[1]


def _extent(box: Box) -> Size:
    return box[2] - box[0], box[3] - box[1]


def _pad(picture: Image.Image, framing: Framing) -> Image.Image:
    if picture.size == framing.frame_size:
        return picture
    left, top, right, bottom = framing.inner
    width, height = framing.frame_size
    pixels = np.asarray(picture)  # (h, w) or (h, w, channels)
    sides = ((top, height - bottom), (left, width - right), (0, 0))
    return Image.fromarray(np.pad(pixels, sides[: pixels.ndim], mode="edge"))


def _feather(box: Box, size: Size) -> Image.Image:
    """The weight of the edit over ``box`` as L: 255, falling to 0 at borders inside a picture of ``size``."""
    left, top, right, bottom = box
    width = max(1, min(_extent(box)) // _FEATHER)
    across = _ramp(right - left, width, rises=left > 0, falls=right < size[0])
    down = _ramp(bottom - top, width, rises=top > 0, falls=bottom < size[1])
    weights = np.minimum(down[:, None], across[None, :])  # (h, w)
    return Image.fromarray(np.rint(255 * weights).astype(np.uint8))


def _ramp(length: int, width: int, *, rises: bool, falls: bool) -> np.ndarray:
    near = np.minimum(1.0, (np.arange(length) + 0.5) / width)
    weights = near if rises else np.ones(length)
    return np.minimum(weights, near[::-1]) if falls else weights
