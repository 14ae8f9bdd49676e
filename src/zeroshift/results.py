"""What becomes of edits, in the pictures that they were made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from zeroshift.diffusion.backbone import Backbone
from zeroshift.framed import FramedPhoto
from zeroshift.image import Photo
from zeroshift.image.blending import blended, eased, fade
from zeroshift.image.detail import detailed
from zeroshift.image.drift import Drift, drift_of
from zeroshift.image.masks import mask_picture
from zeroshift.image.registration import Floats, Mask, motion_of
from zeroshift.image.save import save_image
from zeroshift.image.tensors import to_pictures
from zeroshift.recipe import EditRecipe
from zeroshift.running.sampling import Step

Natives = list[tuple[list[Image.Image], list[Image.Image] | list[None]]]
"""by request: edited pictures at the model's own size, and the source branch's"""
EASE = 1 / 5
"""of the shorter side of what is edited: how far an edit fades in where its mask goes on beyond the part"""


@dataclass(frozen=True, eq=False)
class Place:
    """Where a photograph is edited, and how that ends."""

    mask: Mask
    """(H, W), in the photograph"""
    soft: int
    """over how many of its pixels the edit fades in"""
    shows: bool
    """whether the photograph's alpha would hide the edit, as where it is the mask, so that it is opaque there"""
    shown: Mask | None = None
    """where the result shows its subject, (H, W), which keeps its colours; None where nobody looked at the result"""
    absent: Mask | None = None
    """where it shows none of it, (H, W): the photograph's surroundings go on there; None where nobody can tell"""
    before: Mask | None = None
    """where the photograph shows its subject, (H, W), without anything around it; None where nobody can tell"""
    body: Mask | None = None
    """what of the photograph's subject stays beyond the edited part, (H, W); None where nobody looked there"""


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
class Verdict:
    """What became of an edit."""

    change: float
    """mean difference in grey levels, 0 to 255, of the twentieth of the frame that changed most"""
    lacking: str = ""
    """what the result was to show and does not, as in "a dog (cat 0.93)"; empty where that cannot be told"""
    advice: str | None = None
    """one sentence that says what is wrong and what to try; None where nothing is known to be wrong"""
    clarity: float | None = None
    """how clearly the target can be seen: below 0 not; None where nobody can tell"""


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
    verdict: Verdict | None = None
    """whether something changed, and whether the target can be seen; None where nobody looked"""
    warnings: tuple[str, ...] = ()
    """what is doubtful about the words: those that the model does not know, or that a prompt is too long for"""
    before: Image.Image | None = None
    """what was edited: the photograph without its alpha, or the source that the model generated"""
    mask: Image.Image | None = None
    """mode L, white where the photograph was edited: in the mask, or without one in the part that the model saw"""
    note: str | None = None
    """what is to be known of how it was made: that it is a second try"""

    def save(self, path: str | Path) -> None:
        """Write the picture in the format of the extension, with its recipe in the metadata.

        Raises:
            ImageError: the extension is unknown, or the file cannot be written.
        """
        save_image(self.image, path, recipe=self.recipe)

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

    With a mask it is the photograph outside of that, pixel by pixel, alpha as well, which does not hide the edit.
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
    inside, share = eased_in(place, seen, round(min(right - left, bottom - top) * EASE))
    body = ~seen if place.body is None else place.body
    original, edit = np.asarray(photo.image), np.asarray(restored)
    # where nobody looked at the result, what is far off at the border is no more believed than without a mask
    reach = framing.reach if place.shown is None else None
    pixels = blended(
        original,
        edit,
        inside,
        place.soft,
        seen,
        share,
        kept=place.shown,
        absent=place.absent,
        gone=place.before,
        body=body,
        rim=max(2, ceil((right - left) / edited.width)),  # masks are as fine as what the model saw
        reach=reach,
    )
    image = Image.fromarray(pixels)
    shows = revealed(photo, image, inside, place.soft, share) if place.shows else photo.with_alpha(image)
    return shows, mask_picture(inside)


def eased_in(place: Place, seen: Mask, width: int) -> tuple[Mask, Floats]:
    """Where a photograph changes, and how much of the edit there is at most, both (H, W).

    Args:
        place: what is known of that.
        seen: the part that is edited, (H, W).
        width: pixels over which an edit fades in where the same thing goes on beyond it.
    """
    if place.body is None:
        return place.mask & seen, eased(place.mask, seen, width)
    goes_on = place.body
    if place.shown is not None:  # what the result shows at the part's end is not to end there
        shown = cv2.dilate((place.shown & seen).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        goes_on = goes_on | (shown & ~seen)
    inside = place.mask & ~place.body
    return inside, eased(inside | goes_on, ~goes_on, width)


def revealed(photo: Photo, image: Image.Image, inside: Mask, soft: int, share: Floats) -> Image.Image:
    """An edit with the photograph's alpha, but opaque where it was made: RGBA, or RGB if all of it is opaque.

    Args:
        inside: where that is, (H, W).
        soft: pixels over which it fades in from what stays transparent; nothing fades beside what is seen.
        share: how much of the edit there is at most, (H, W), 0 to 1.
    """
    if photo.alpha is None:
        return image
    own = np.asarray(photo.alpha)
    made = np.rint(255 * share * fade(inside | (own >= 128), soft)).astype(np.uint8)
    alpha = np.where(inside, np.maximum(own, made), own)
    return image if alpha.min() == 255 else Image.merge("RGBA", (*image.split(), Image.fromarray(alpha)))
