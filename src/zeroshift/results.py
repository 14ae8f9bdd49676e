"""Pictures in the model's frame, and results in the pictures'."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image
from torch import Tensor

from zeroshift.diffusion.backbone import Backbone
from zeroshift.frames import Choice
from zeroshift.image import Fit, Framing, Photo, frame
from zeroshift.image.framing import Box
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.recipe import EditRecipe
from zeroshift.sampling import Step

Natives = list[tuple[list[Image.Image], list[Image.Image] | list[None]]]
"""by request: edited pictures at the model's own size, and the source branch's"""
Where: TypeAlias = Callable[[Image.Image], Box | None]
"""which part of a picture is edited; None is all of it"""


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
    warnings: tuple[str, ...] = ()
    """what may not be as it was meant: words that the model does not know, or that a prompt is too long for"""


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
    region: Box | None = None
    """the part of the photograph that was framed, where that is not all of it"""
    part: str | None = None
    """the same in words, where it was chosen and not asked for"""


def framed(backbone: Backbone, photos: Iterable[Photo], fit: Fit, region: Where | None = None) -> list[FramedPhoto]:
    """Bring photographs to the model's frame, or the ``region`` of each that is asked for.

    Raises:
        ValueError: one cannot be framed, or the region does not lie in it.
    """
    where = region or (lambda _: None)
    return [framed_as(backbone, photo, Choice(fit, where(photo.image))) for photo in photos]


def framed_as(backbone: Backbone, photo: Photo, choice: Choice) -> FramedPhoto:
    """Bring a photograph to the model's frame, or the part of it that was chosen.

    Raises:
        ValueError: it cannot be framed, or the part does not lie in it.
    """
    size, multiple = backbone.size, backbone.multiple
    pixels, framing = frame(photo.image, choice.fit, size=size, multiple=multiple, region=choice.box)
    return FramedPhoto(photo, pixels, framing, choice.fit, region=choice.box, part=choice.said)


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
) -> tuple[tuple[Result, ...], ...]:
    """Every picture's results, one per request: ``recipes`` are the requests', ``origins`` the pictures'."""
    table = []
    for row, (source, origin) in enumerate(zip(frames, origins, strict=True)):
        results = []
        for (edited, reconstructed), recipe in zip(natives, recipes, strict=True):
            image = source.photo.with_alpha(source.framing.restore(edited[row], source.photo.image))
            results.append(Result(image, edited[row], reconstructed[row], recipe_of(recipe, origin), source.part))
        table.append(tuple(results))
    return tuple(table)
