"""Photographs as a model sees them: in its frame, and encoded."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor

from zeroshift.captioning import Seen
from zeroshift.diffusion.backbone import Backbone
from zeroshift.frames import Choice
from zeroshift.image import Fit, Framing, Photo, frame
from zeroshift.image.framing import Box, no_larger
from zeroshift.image.masks import mask_picture
from zeroshift.image.registration import Mask
from zeroshift.image.tensors import to_tensor

Where: TypeAlias = Callable[[Image.Image], Box | None]
"""which part of a picture is edited; None is all of it"""


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


def smaller(frame: FramedPhoto, most: int) -> FramedPhoto:
    """The same part of a smaller copy of the photograph, whose longer side has ``most`` pixels; a small one itself."""
    photo, size = frame.photo, no_larger(frame.photo.image.size, most)
    if size == photo.image.size:
        return frame
    image, alpha = photo.image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2), photo.alpha
    copy = replace(photo, image=image, alpha=None if alpha is None else alpha.resize(size, Image.Resampling.BOX))
    mask = frame.mask
    if mask is not None:  # what is thin stays
        mask = np.asarray(mask_picture(mask).resize(size, Image.Resampling.BOX)) > 0
    return replace(frame, photo=copy, framing=frame.framing.of_size(size), mask=mask)


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
