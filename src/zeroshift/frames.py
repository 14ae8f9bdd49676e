"""Which part of a photograph is edited where nobody says so in numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from PIL import Image

from zeroshift.diffusion.backbone import Unsupported
from zeroshift.image import Fit, Photo
from zeroshift.image.framing import WHOLE_BOX, Box, Size, Within, middle
from zeroshift.image.regions import MIN_REGION, Region
from zeroshift.image.registration import Mask

Told: TypeAlias = Literal["auto", "none"]
"""auto: where the subject is; none: all of the picture, as its fit frames it"""
ROOM = 1.3
"""side of the square around a mask, of the mask's longer side"""
ALIKE = 0.75
"""overlap of two squares, of their union, from which on a found one is no better than the middle one"""
WHOLE = 2
"""how many times a small model's size a whole picture's frame is: at its own size nothing in it can be recognised"""


class SubjectFinder(Protocol):
    """Finds what pictures are about. The same picture has the same answer every time."""

    @property
    def subject(self) -> str:
        """What it finds, as sentences call it: "head"."""

    def find(self, picture: Image.Image) -> Box | None:
        """The part of an 8-bit picture, in its pixels, that a model should see of it; None where nothing is found."""


@runtime_checkable
class FindsAll(SubjectFinder, Protocol):
    """A finder that tells of several subjects."""

    def every(self, picture: Image.Image) -> list[Box]:
        """The part around each subject, the surest first: that of ``find``, if there is one."""


@dataclass(frozen=True)
class Choice:
    """What of a picture is framed, and how."""

    fit: Fit
    box: Box | None = None
    """None is all of it"""
    said: str | None = None
    """in words, as in "the head at 120,40,300,300", where nobody said it before"""
    size: int | None = None
    """side in pixels of the square whose pixels the frame has; None is the model's own"""
    subject: Box | None = None
    """where the subject is in a picture of which all is framed, if it was found"""


Choose: TypeAlias = Callable[[Photo], Choice]
Allowed: TypeAlias = Callable[[Photo], Mask]
"""where a photograph may change, if somebody said so; raises ImageError where that cannot be"""


@dataclass(frozen=True)
class Frames:
    """What is known of the frames of a model."""

    name: str
    """the model's"""
    size: int
    """side in pixels of the usual one"""
    multiple: int
    """of which every side is one"""
    usual: Fit
    finder: SubjectFinder | None


def choosing(
    frames: Frames,
    fit: Fit | None,
    region: str | Region | None,
    *,
    whole: bool = False,
    size: int | None = None,
    allowed: Allowed | None = None,
    within: Within = WHOLE_BOX,
) -> Choose:
    """What chooses the part of every picture that is edited.

    Args:
        fit: how the part meets the model's frame; None is the usual way.
        region: the part as numbers, "auto" or "none"; None is "auto" where there is a finder and no ``fit`` is
            asked for, else "none".
        whole: whether what is asked for changes the whole picture, so that None is all of it in its proportions.
        size: side in pixels of the square whose pixels the frame has; None is the model's own, or of all of a picture
            up to ``WHOLE`` times that.
        allowed: where a photograph may change, if a mask says so: the part around it goes before one that is found.
        within: what is taken of a part that is found.

    Raises:
        Unsupported: the subject shall be found, and the model has no finder.
        ImageError: it is no region.
    """
    choose, own = _chooser(frames, fit, region, whole, allowed, within), frames.size
    return choose if size is None else lambda photo: replace(choose(photo), size=None if size == own else size)


def _chooser(
    frames: Frames,
    fit: Fit | None,
    region: str | Region | None,
    whole: bool,
    allowed: Allowed | None,
    within: Within,
) -> Choose:
    finder, usual, size = frames.finder, fit or frames.usual, frames.size
    if region == "auto" and finder is None:
        raise Unsupported(
            f"The model {frames.name} has no finder of subjects, so it cannot choose the `region`; "
            "give it as X,Y,W,H, or load the model with a `finder`."
        )
    if region == "none" or (region is None and (fit is not None or finder is None)):
        return lambda photo: Choice(usual)
    if region is None or region == "auto":
        assert finder is not None
        if allowed is not None:
            return lambda photo: around(allowed(photo), fit or "aspect", usual, size)
        if region is None and whole:
            return lambda photo: all_of(finder, photo.image, size, frames.multiple)
        return lambda photo: found(finder, photo.image, fit or "aspect", usual, size, within)
    wanted = Region.parse(region) if isinstance(region, str) else region
    return lambda photo: Choice(fit or "aspect", wanted.box(photo.image.size))


def around(mask: Mask, fit: Fit, usual: Fit, size: int) -> Choice:
    """The part around a mask (H, W), a square where the picture has room for one, with all of it ``fit``.

    All of a square picture of no more than about ``size`` pixels a side.
    """
    height, width = mask.shape
    if width == height <= size * 5 / 4:
        return Choice(usual)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    side = max(ROOM * max(right - left, bottom - top), size)
    box = square(((left + right) / 2, (top + bottom) / 2), side, (width, height))
    box = (min(box[0], left), min(box[1], top), max(box[2], right), max(box[3], bottom))
    return Choice(fit, box, f"the part around the mask, {Region.of(box)}")


def all_of(finder: SubjectFinder, picture: Image.Image, size: int, multiple: int) -> Choice:
    """All of a picture in its proportions, with up to ``WHOLE`` times ``size``: no more than it has itself."""
    side = min(WHOLE * size, math.isqrt(picture.width * picture.height) // multiple * multiple)
    subject = None if framed_before(picture, size) else finder.find(picture)
    return Choice("aspect", said="the whole picture", size=side if side > size else None, subject=subject)


def framed_before(picture: Image.Image, size: int) -> bool:
    """Whether a picture is a square of no more than about ``size`` pixels a side, which somebody cut out."""
    return picture.width == picture.height <= size * 5 / 4


def found(
    finder: SubjectFinder, picture: Image.Image, fit: Fit, usual: Fit, size: int, within: Within = WHOLE_BOX
) -> Choice:
    """The part around the subject, or what is taken ``within`` it, with ``fit``.

    The middle of the picture with ``usual`` where nothing is found, or where all of the part is taken and is as good.

    A square picture of no more than about ``size`` pixels a side is taken as it is: it was framed before.
    """
    if framed_before(picture, size):
        return Choice(usual)
    boxes = finder.every(picture) if isinstance(finder, FindsAll) else [box for box in [finder.find(picture)] if box]
    if not boxes:
        taken = "the middle" if usual != "crop" else f"the middle, {Region.of(middle(picture.size))}"
        return Choice(usual, said=f"{taken}, since no {finder.subject} was found; `region` says where it is")
    box, *others = boxes
    more = f", and leaves another one at {Region.of(others[0])}" if others else ""
    if within.share == 1 and overlap(box, middle(picture.size)) >= ALIKE:
        return Choice(usual, said=f"the middle, where the {finder.subject} is{more}")
    part = nearer(box, within, picture.size)
    return Choice(fit, part, f"the {finder.subject} at {Region.of(part)}{more}")


def nearer(box: Box, within: Within, size: Size) -> Box:
    """What is taken of a box in a picture of ``size``."""
    if within.share == 1:
        return box
    left, top, right, bottom = box
    side = min(right - left, bottom - top)
    return square(((left + right) / 2, (top + bottom) / 2 - within.lift * side), within.share * side, size)


def overlap(a: Box, b: Box) -> float:
    """The area that two boxes share, of that which they cover together."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    return shared / (_area(a) + _area(b) - shared)


def square(center: tuple[float, float], side: float, size: Size) -> Box:
    """The square of ``side``, 16 px or more, around ``center``, moved and reduced so that it lies in the picture."""
    length = min(max(MIN_REGION, round(side)), *size)
    left, top = (min(max(0, round(at - length / 2)), whole - length) for at, whole in zip(center, size, strict=True))
    return left, top, left + length, top + length


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
