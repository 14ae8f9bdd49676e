"""Which part of a photograph is edited where nobody says so in numbers."""

from collections.abc import Callable
from dataclasses import dataclass
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


Choose: TypeAlias = Callable[[Image.Image], Choice]


def chooser(editor: "Editor", fit: Fit | None, region: str | Region | None, *, whole: bool = False) -> Choose:
    """What chooses the part of every picture that is edited.

    Args:
        fit: how the part meets the model's frame; None is the usual way.
        region: the part as numbers, "auto" or "none"; None is "auto" where the model has a finder and no ``fit`` is
            asked for, else "none".
        whole: whether what is asked for changes the whole picture, so that None is all of it in its proportions.

    Raises:
        Unsupported: the subject shall be found, and the model has no finder.
        ImageError: it is no region.
    """
    finder, usual = editor.finder, fit or editor.default_fit
    if region == "auto" and finder is None:
        raise Unsupported(
            f"The model {editor.backbone.identity.name} has no finder of subjects, so it cannot choose the `region`; "
            "give it as X,Y,W,H, or load the model with a `finder`."
        )
    if region == "none" or (region is None and (fit is not None or finder is None)):
        return lambda picture: Choice(usual)
    if region is None and whole:
        return lambda picture: Choice("aspect", said="the whole picture")
    if region is None or region == "auto":
        assert finder is not None
        return lambda picture: found(finder, picture, fit or "aspect", usual, editor.backbone.size)
    wanted = Region.parse(region) if isinstance(region, str) else region
    return lambda picture: Choice(fit or "aspect", wanted.box(picture.size))


def found(finder: SubjectFinder, picture: Image.Image, fit: Fit, usual: Fit, size: int) -> Choice:
    """The part around the subject with ``fit``; all of the picture with ``usual`` where that is as good.

    A square picture of no more than about ``size`` pixels a side is taken as it is: it was framed before.
    """
    if picture.width == picture.height <= size * 5 / 4:
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
