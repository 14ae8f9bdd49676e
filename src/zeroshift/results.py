"""Pictures in the model's frame, and results in the pictures'."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor

from zeroshift.captioning import Seen
from zeroshift.diffusion.backbone import Backbone
from zeroshift.frames import Choice
from zeroshift.image import Fit, Framing, Photo, frame
from zeroshift.image.blending import blended, eased
from zeroshift.image.detail import detailed
from zeroshift.image.drift import Drift, drift_of
from zeroshift.image.framing import Box
from zeroshift.image.masks import mask_picture
from zeroshift.image.registration import Mask, motion_of
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.recipe import EditRecipe
from zeroshift.running.sampling import Step

if TYPE_CHECKING:
    from zeroshift.verdicts import Verdict

Natives = list[tuple[list[Image.Image], list[Image.Image] | list[None]]]
"""by request: edited pictures at the model's own size, and the source branch's"""
EASE = 1 / 5
"""of the shorter side of what is edited: how far an edit fades in where its mask goes on beyond the part"""
Where: TypeAlias = Callable[[Image.Image], Box | None]
"""which part of a picture is edited; None is all of it"""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a photograph is edited, and how that ends."""

    mask: Mask
    """(H, W), in the photograph"""
    soft: int
    """over how many of its pixels the edit fades in"""
    shows: bool
    """whether the photograph's alpha is the mask, so that it would hide the edit"""
    shown: Mask | None = None
    """where the result shows its subject, (H, W), which keeps its colours; None where nobody looked at the result"""


@dataclass(frozen=True, eq=False)
class Detail:
    """What of photographs' own detail is given back to edits."""

    plain: Sequence[Image.Image]
    """the photographs encoded and decoded, at the model's size"""
    share: float

    def of(self, row: int) -> "Detail":
        """That of one picture."""
        return Detail(self.plain[row : row + 1], self.share)


@dataclass(frozen=True)
class Result:
    """An edited picture."""

    image: Image.Image
    """the edit, of the source picture's size, with its alpha"""
    native: Image.Image
    """the edit at the model's own size"""
    reconstruction: Image.Image | None
    """the source branch at the model's own size, if it was asked for and walked; the source of a generated edit"""
    recipe: dict[str, object]
    """everything that is needed to make it again"""
    part: str | None = None
    """which part of the photograph was chosen, as in "the head at 120,40,300,300", where nobody asked for one"""
    verdict: "Verdict | None" = None
    """whether something changed, and whether the target can be seen; None where nobody looked"""
    warnings: tuple[str, ...] = ()
    """what is doubtful about the words: those that the model does not know, or that a prompt is too long for"""
    before: Image.Image | None = None
    """what was edited: the photograph without its alpha, or the source that the model generated"""
    mask: Image.Image | None = None
    """mode L, white where the photograph was edited: in the mask, or without one in the part that the model saw"""
    note: str | None = None
    """what is to be known of how it was made: that it is a second try"""

    @cached_property
    def drift(self) -> Drift:
        """How the edit differs from what was edited, inside and outside of ``mask``; computed when first asked for.

        Raises:
            ValueError: nothing was edited; the picture was generated.
        """
        return self.drift_as(self.image)

    def drift_as(self, written: Image.Image) -> Drift:
        """The same of the edit as it was ``written``, as to a JPEG, which changes every pixel a little.

        Raises:
            ValueError: nothing was edited; the picture was generated.
        """
        if self.before is None:
            raise ValueError("This picture was generated, so there is nothing that it could have drifted from.")
        before, after = (np.asarray(picture.convert("RGB")) for picture in (self.before, written))
        inside = np.ones(before.shape[:2], np.bool_) if self.mask is None else np.asarray(self.mask) > 0
        return drift_of(before, after, inside, motion_of(before, after))


@dataclass(frozen=True, eq=False)
class FramedPhoto:
    """A photograph in the model's frame."""

    photo: Photo
    pixels: Image.Image
    """what of it the model sees, at the model's size"""
    framing: Framing
    """the way back"""
    fit: Fit
    caption: str | None = None
    """what it shows, where the model's captioner was asked"""
    seen: Seen | None = None
    """the same with the captioner's probabilities"""
    region: Box | None = None
    """the part of the photograph that was framed, where that is not all of it"""
    part: str | None = None
    """the same in words, where it was chosen and not asked for"""
    size: int | None = None
    """side of the square whose pixels the frame has, where that is not the model's own"""
    subject: Box | None = None
    """where the subject is in a photograph of which all was framed, if it was found"""
    mask: Mask | None = None
    """where the photograph may change, (H, W), if a mask was given"""
    mask_sha256: str | None = None
    """of its picture; None where it is the photograph's own alpha"""

    @property
    def whole(self) -> bool:
        """Whether all of the photograph was framed in its own proportions."""
        return self.fit == "aspect" and self.region is None

    def about(self, seen: Image.Image) -> Image.Image:
        """What a picture of the model's frame shows of the subject: all of it, where that is not said."""
        if self.subject is None:
            return seen
        across, down = (seen / whole for seen, whole in zip(seen.size, self.photo.image.size, strict=True))
        left, top, right, bottom = self.subject
        return seen.crop((round(left * across), round(top * down), round(right * across), round(bottom * down)))


def framed(backbone: Backbone, photos: Iterable[Photo], fit: Fit, region: Where | None = None) -> list[FramedPhoto]:
    """Bring photographs to the model's frame, or the ``region`` of each that is asked for.

    Raises:
        ValueError: one cannot be framed, or the region does not lie in it.
    """
    where = region or (lambda _: None)
    return [framed_as(backbone, photo, Choice(fit, where(photo.image))) for photo in photos]


class Sized(Protocol):
    """What is known of a model's frames: their side, and of what every side is a multiple, in pixels."""

    size: int
    multiple: int


def framed_as(backbone: Backbone | Sized, photo: Photo, choice: Choice) -> FramedPhoto:
    """Bring a photograph to the model's frame, or the part of it that was chosen.

    Raises:
        ValueError: it cannot be framed, or the part does not lie in it.
    """
    size, multiple = choice.size or backbone.size, backbone.multiple
    pixels, framing = frame(photo.image, choice.fit, size=size, multiple=multiple, region=choice.box)
    part, subject = choice.said, choice.subject
    return FramedPhoto(
        photo, pixels, framing, choice.fit, region=choice.box, part=part, size=choice.size, subject=subject
    )


@dataclass(frozen=True, eq=False)
class Encoded:
    """Photographs as the model sees them, which are encoded where that is first asked for, and then once."""

    backbone: Backbone
    pictures: Tensor
    """(B, 3, H, W) in [-1, 1]"""

    @cached_property
    def x0(self) -> Tensor:
        """Their latents, (B, C, h, w)."""
        return self.backbone.encode(self.pictures)


def stacked(frames: Sequence[FramedPhoto]) -> Tensor:
    """What the model sees of photographs, (B, 3, H, W) in [-1, 1].

    Raises:
        ValueError: they frame to different sizes.
    """
    if len({frame.pixels.size for frame in frames}) > 1:
        raise ValueError("These pictures frame to different sizes; edit them in groups of one size.")
    return to_tensor([frame.pixels for frame in frames])


def decode(backbone: Backbone, step: Step, reconstruct: bool) -> Natives:
    """Each request's edited pictures, and beside them the source branch's if wanted and walked."""
    count = len(step.targets[0])
    source: list[Image.Image] | list[None] = [None] * count
    if reconstruct and step.source is not None:
        source = to_pictures(backbone.decode(step.source))
    return [(to_pictures(backbone.decode(target)), source) for target in step.targets]


def recipe_of(facts: Mapping[str, object], origin: Mapping[str, object]) -> dict[str, object]:
    """The recipe of one edit of one picture, as it is written."""
    return EditRecipe.model_validate({**facts, **origin}).written()


def put_back(
    natives: Natives,
    frames: Sequence[FramedPhoto],
    recipes: Sequence[dict[str, object]],
    origins: Sequence[dict[str, object]],
    places: Sequence[Sequence[Place | None]],
    details: Sequence[Detail | None],
) -> tuple[tuple[Result, ...], ...]:
    """Every picture's results, one per request: ``recipes`` are the requests', ``origins`` the pictures'.

    ``places`` has for every request where each picture was edited, ``details`` what is given back to them.
    """
    table = []
    for row, (source, origin) in enumerate(zip(frames, origins, strict=True)):
        results = []
        for (edited, reconstructed), recipe, place, detail in zip(natives, recipes, places, details, strict=True):
            image, mask = whole(edited[row], source, place[row], None if detail is None else detail.of(row))
            told, part, before = recipe_of(recipe, origin), source.part, source.photo.image
            native, reconstruction = edited[row], reconstructed[row]
            results.append(Result(image, native, reconstruction, told, part=part, before=before, mask=mask))
        table.append(tuple(results))
    return tuple(table)


def whole(
    edited: Image.Image, frame: FramedPhoto, place: Place | None, detail: Detail | None
) -> tuple[Image.Image, Image.Image]:
    """The photograph with what the model made of it, and where, mode L.

    With a mask it is the photograph outside of that, pixel by pixel, and its own alpha does not hide the edit.
    """
    photo, framing = frame.photo, frame.framing
    seen = np.zeros(framing.source_size[::-1], np.bool_)
    left, top, right, bottom = framing.box
    seen[top:bottom, left:right] = True
    laid = framing.put(edited, photo.image)
    if detail is not None:
        laid = detailed(edited, detail.plain[0], photo.image, framing, detail.share)
    if place is None:
        ended = framing.faded if frame.region is None else framing.matched
        return photo.with_alpha(ended(laid, photo.image)), mask_picture(seen)
    restored = framing.faded(laid, photo.image)
    share = eased(place.mask, seen, round(min(right - left, bottom - top) * EASE))
    inside = place.mask & seen
    original, edit = np.asarray(photo.image), np.asarray(restored)
    pixels = blended(original, edit, inside, place.soft, seen, share, kept=place.shown)
    image, mask = Image.fromarray(pixels), mask_picture(inside)
    return (image if place.shows else photo.with_alpha(image)), mask
