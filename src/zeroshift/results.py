"""Pictures in the model's frame, and results in the pictures'."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from PIL import Image
from torch import Tensor

from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.image import Fit, Framing, Photo, frame
from zeroshift.image.tensors import to_pictures, to_tensor
from zeroshift.sampling import Step

Natives = list[tuple[list[Image.Image], list[Image.Image] | list[None]]]
"""by request: edited pictures at the model's own size, and the source branch's"""


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

    def told(self, caption: str | None) -> "Result":
        """Return it with the caption that said what the picture shows, if one did, in its recipe."""
        return self if caption is None else replace(self, recipe={**self.recipe, "caption": caption})


@dataclass(frozen=True, eq=False)
class Framed:
    """Pictures of one size in the model's frame."""

    pictures: Tensor
    """as the model sees them, (B, 3, H, W) in [-1, 1]"""
    framings: tuple[Framing, ...]
    """the way back of each"""


def batches(backbone: Backbone, sources: Sequence[Photo], fit: Fit) -> list[list[int]]:
    """Return the pictures, by index, in groups of one framed size, in the order of each group's first.

    Raises:
        ValueError: a picture cannot be framed.
    """
    size, multiple = backbone.size, backbone.multiple
    return _alike([frame(s.image, fit, size=size, multiple=multiple)[1].frame_size for s in sources])


def of_one_task(together: Sequence[Sequence[int]], tasks: Sequence[Task]) -> list[list[int]]:
    """Return groups of pictures, by index, that ``batches`` made, each split into those of one task."""
    return [[members[k] for k in part] for members in together for part in _alike([tasks[k] for k in members])]


def _alike(keys: Sequence[Hashable]) -> list[list[int]]:
    """Return the positions of equal keys, in the order of each one's first."""
    groups: dict[Hashable, list[int]] = {}
    for k, key in enumerate(keys):
        groups.setdefault(key, []).append(k)
    return list(groups.values())


def framed(backbone: Backbone, sources: Sequence[Photo], fit: Fit) -> Framed:
    """Bring pictures to the model's frame.

    Raises:
        ValueError: they frame to different sizes (see ``batches``), or one cannot be framed.
    """
    pairs = [frame(s.image, fit, size=backbone.size, multiple=backbone.multiple) for s in sources]
    if len({picture.size for picture, _ in pairs}) > 1:
        raise ValueError("These pictures frame to different sizes; edit them in groups of one size.")
    return Framed(to_tensor([picture for picture, _ in pairs]), tuple(framing for _, framing in pairs))


def decode(backbone: Backbone, step: Step, reconstruct: bool) -> Natives:
    """Return each request's edited pictures, and beside them the source branch's if wanted and walked."""
    count = len(step.targets[0])
    source: list[Image.Image] | list[None] = [None] * count
    if reconstruct and step.source is not None:
        source = to_pictures(backbone.decode(step.source))
    return [(to_pictures(backbone.decode(target)), source) for target in step.targets]


def put_back(
    natives: Natives,
    sources: Sequence[Photo],
    framings: Sequence[Framing],
    recipes: Sequence[dict[str, object]],
    origins: Sequence[dict[str, object]],
) -> tuple[tuple[Result, ...], ...]:
    """Return every picture's results, one per request: ``recipes`` are the requests', ``origins`` the pictures'."""
    table = []
    for row, (source, framing, origin) in enumerate(zip(sources, framings, origins, strict=True)):
        results = []
        for (edited, reconstructed), recipe in zip(natives, recipes, strict=True):
            image = source.with_alpha(framing.restore(edited[row], source.image))
            results.append(Result(image, edited[row], reconstructed[row], {**recipe, **origin}))
        table.append(tuple(results))
    return tuple(table)
