"""The mask ``grown``: an edit that was free inside of its part is cut out along the photograph's outline and its own.

A mask that binds every step leaves a dog the room that the cat had: its ears stand where the cat's did. So the edit is
made without one. Then the words look at the result, as they did at the photograph: where either shows its subject, the
photograph changes. What the edit made of the background there is matched to the photograph's colours, its subject is
not.
"""

from collections.abc import Sequence
from dataclasses import replace

from PIL import Image
from torch import Tensor

from zeroshift.asked.request import Request
from zeroshift.conditioning.task import Task
from zeroshift.diffusion.backbone import Backbone
from zeroshift.framed import FramedPhoto
from zeroshift.masks.locating import where_words_look
from zeroshift.masks.masking import cut, in_photograph
from zeroshift.results import Natives, Place


def grown(
    places: Sequence[Sequence[Place | None]],
    frames: Sequence[FramedPhoto],
    requests: Sequence[Request],
    backbone: Backbone,
    targets: Sequence[Tensor],
    natives: Natives,
    seeds: Sequence[int],
) -> list[list[Place | None]]:
    """Where each request edited each photograph, once results are there; what does not grow stays.

    Args:
        places: where each request looked before the edit, by request and photograph.
        targets: every request's edited latents, (B, C, h, w).
        natives: the same decoded.
    """
    found = []
    for request, where, latents, (pictures, _) in zip(requests, places, targets, natives, strict=True):
        if not request.grown:
            found.append([*where])
            continue
        sure = where_words_look(backbone, latents, backwards(request.task), seeds)
        rows = zip(where, frames, pictures, sure[:, None], strict=True)
        found.append([_joined(place, frame, picture, one) for place, frame, picture, one in rows])
    return found


def backwards(task: Task) -> Task:
    """The edit from the target to the source, in the same words."""
    words = None if task.words is None else (task.words[1], task.words[0])
    return Task(task.target, task.source, task.target_prompt, task.source_prompt, words)


def _joined(place: Place | None, frame: FramedPhoto, picture: Image.Image, sure: Tensor) -> Place | None:
    """A place with what a result shows, by how surely that is where, (1, 1, h, w); one of a given mask stays."""
    if place is None or frame.mask is not None:
        return place
    shown = cut(replace(frame, pixels=picture), sure)
    more = in_photograph(frame.framing, shown, place.soft)
    return replace(place, mask=place.mask | more, shown=in_photograph(frame.framing, shown, 0))
