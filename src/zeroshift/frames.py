"""Which part of a photograph is edited where nobody says so in numbers."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from PIL import Image

from zeroshift.diffusion.backbone import Unsupported
from zeroshift.image import Fit
from zeroshift.image.framing import Box, Size, middle
from zeroshift.image.regions import MIN_REGION, Region

if TYPE_CHECKING:
    from zeroshift.editor import Editor

Told: TypeAlias = Literal["auto", "none"]
"""auto: where the subject is; none: all of the picture, as its fit frames it"""
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


Choose: TypeAlias = Callable[[Image.Image], Choice]


def chooser(
    editor: "Editor", fit: Fit | None, region: str | Region | None, *, whole: bool = False, size: int | None = None
) -> Choose:
    """What chooses the part of every picture that is edited.

    Args:
        fit: how the part meets the model's frame; None is the usual way.
        region: the part as numbers, "auto" or "none"; None is "auto" where the model has a finder and no ``fit`` is
            asked for, else "none".
        whole: whether what is asked for changes the whole picture, so that None is all of it in its proportions.
        size: side in pixels of the square whose pixels the frame has; None is the model's own, or of all of a picture
            up to ``WHOLE`` times that.

    Raises:
        Unsupported: the subject shall be found, and the model has no finder.
        ImageError: it is no region.
    """
    choose = _chooser(editor, fit, region, whole)
    own = editor.backbone.size
    return choose if size is None else lambda picture: replace(choose(picture), size=None if size == own else size)


def _chooser(editor: "Editor", fit: Fit | None, region: str | Region | None, whole: bool) -> Choose:
    finder, usual = editor.finder, fit or editor.default_fit
    if region == "auto" and finder is None:
        raise Unsupported(
            f"The model {editor.backbone.identity.name} has no finder of subjects, so it cannot choose the `region`; "
            "give it as X,Y,W,H, or load the model with a `finder`."
        )
    if region == "none" or (region is None and (fit is not None or finder is None)):
        return lambda picture: Choice(usual)
    if region is None or region == "auto":
        assert finder is not None
        if region is None and whole:
            return lambda picture: all_of(finder, picture, editor.backbone.size, editor.backbone.multiple)
        return lambda picture: found(finder, picture, fit or "aspect", usual, editor.backbone.size)
    wanted = Region.parse(region) if isinstance(region, str) else region
    return lambda picture: Choice(fit or "aspect", wanted.box(picture.size))


def all_of(finder: SubjectFinder, picture: Image.Image, size: int, multiple: int) -> Choice:
    """All of a picture in its proportions, with up to ``WHOLE`` times ``size``: no more than it has itself."""
    side = min(WHOLE * size, math.isqrt(picture.width * picture.height) // multiple * multiple)
    subject = None if framed_before(picture, size) else finder.find(picture)
    return Choice("aspect", said="the whole picture", size=side if side > size else None, subject=subject)


def framed_before(picture: Image.Image, size: int) -> bool:
    """Whether a picture is a square of no more than about ``size`` pixels a side, which somebody cut out."""
    return picture.width == picture.height <= size * 5 / 4


def found(finder: SubjectFinder, picture: Image.Image, fit: Fit, usual: Fit, size: int) -> Choice:
    """The part around the subject with ``fit``; all of the picture with ``usual`` where that is as good.

    A square picture of no more than about ``size`` pixels a side is taken as it is: it was framed before.
    """
    if framed_before(picture, size):
        return Choice(usual)
    box = finder.find(picture)
    if box is None:
        return Choice(usual, said=f"the middle, since no {finder.subject} was found")
    if overlap(box, middle(picture.size)) >= ALIKE:
        return Choice(usual, said=f"the middle, where the {finder.subject} is")
    return Choice(fit, box, f"the {finder.subject} at {Region.of(box)}")


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
