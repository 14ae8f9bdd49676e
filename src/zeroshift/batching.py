"""Which pictures and which of their edits run together, and how many at most."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from zeroshift.captioning import Captioner
from zeroshift.conditioning.direction import Direction
from zeroshift.diffusion.backbone import Backbone, Unsupported
from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.edits import EditSpec
from zeroshift.image import Fit, Picture, as_photo
from zeroshift.image.regions import Region
from zeroshift.inversions import InversionStore
from zeroshift.methods.base import Method, source_key
from zeroshift.recipe import MOST_ROWS
from zeroshift.request import Request
from zeroshift.results import FramedPhoto, Where, framed
from zeroshift.translate import Progress, translate

if TYPE_CHECKING:
    from zeroshift.editor import Editor

BATCH = 16
"""pictures that run together at most, unless somebody says otherwise"""
WAITING = 4
"""batches' worth of pictures that wait for company at most"""


@dataclass(frozen=True, eq=False)
class Asked:
    """One picture, and all that is asked of it."""

    requests: Sequence[Request]
    seed: int
    frame: FramedPhoto | None
    """None: the model generates the source"""


@dataclass(frozen=True, eq=False)
class Group:
    """What one run does: the same edits of every picture, on one inversion and one walk of the source branch."""

    edits: tuple[int, ...]
    """which of the edits that were asked for, in their order"""
    requests: tuple[Request, ...]
    """the same, resolved"""
    members: list[int] = field(default_factory=list)
    """the pictures by their place in what was asked for"""
    seeds: list[int] = field(default_factory=list)
    """of every picture"""
    frames: list[FramedPhoto] = field(default_factory=list)
    """every picture; none where the model generates the source"""


def grouped(asked: Iterable[Asked], most: int = BATCH) -> Iterator[Group]:
    """Take pictures together as they come: those of one framed size and of the same edits on the same source.

    A group is there as soon as it is full, so that no more than a few batches are held at a time. Edits of one picture
    that cannot share its source (other prompts, another inversion) fall into several groups.

    Args:
        asked: pictures one after another; read no further than is needed.
        most: pictures of one group at most, 1 to 64.

    Raises:
        ValueError: ``most`` is something else.
    """
    if not 1 <= most <= MOST_ROWS:
        raise ValueError(f"A batch has 1 to {MOST_ROWS} pictures, not {most}.")
    waiting: dict[tuple[object, ...], Group] = {}
    for k, one in enumerate(asked):
        for edits in sharing(one.requests, photograph=one.frame is not None):
            requests = tuple(one.requests[n] for n in edits)
            size = None if one.frame is None else (one.frame.framing.frame_size, one.frame.fit)
            key = (size, edits, requests)
            group = waiting.setdefault(key, Group(edits, requests))
            group.members.append(k)
            group.seeds.append(one.seed)
            group.frames.extend([one.frame] if one.frame is not None else [])
            if len(group.members) == most:
                yield waiting.pop(key)
        if sum(len(group.members) for group in waiting.values()) > WAITING * most:
            yield waiting.pop(max(waiting, key=lambda key: len(waiting[key].members)))
    yield from waiting.values()


def sharing(requests: Sequence[Request], *, photograph: bool) -> list[tuple[int, ...]]:
    """Edits of one picture, by index, in groups that share the work on its source, in the order of each one's first."""
    found: list[tuple[tuple[object, ...], list[int]]] = []
    for n, request in enumerate(requests):
        key = source_key(request.method, request.task, photograph)
        same = next((members for other, members in found if other == key), None)
        if same is None:
            found.append((key, [n]))
        else:
            same.append(n)
    return [tuple(members) for _, members in found]


def look(
    editor: "Editor",
    pictures: Iterable[Picture],
    *,
    fit: Fit | None = None,
    region: str | Region | None = None,
    caption: bool = False,
    batch: int = BATCH,
) -> Iterator[FramedPhoto]:
    """Open pictures and bring them, or a region of each, to the model's frame; with ``caption`` say what they show.

    Only as many are open as are captioned together, ``batch`` at most.

    Raises:
        Unsupported: captions are asked for, and the model has no captioner.
        ValueError: a picture or the region is unusable; the sentence says why.
    """
    if caption and editor.captioner is None:
        raise Unsupported(
            f"The model {editor.backbone.identity.name} has no captioner, so it cannot tell what a picture shows; "
            "give the `source`, or load the model with a `captioner`."
        )
    where, fit = where_of(region), fit or ("aspect" if region else editor.default_fit)
    return looked_at(editor.backbone, editor.captioner if caption else None, pictures, fit, where, batch)


def look_at(
    editor: "Editor", pictures: Iterable[Picture], spec: EditSpec, *, batch: int = BATCH
) -> Iterator[FramedPhoto]:
    """Open and frame pictures as ``spec`` asks, and say what they show if it names no source; see ``look``."""
    return look(editor, pictures, fit=spec.fit, region=spec.region, caption=spec.source is None, batch=batch)


def where_of(region: str | Region | None) -> Where | None:
    """What says which part of a picture is edited; None for all of it.

    Raises:
        ValueError: it is no region.
    """
    if region is None:
        return None
    wanted = Region.parse(region) if isinstance(region, str) else region
    return lambda picture: wanted.box(picture.size)


def groups(
    editor: "Editor",
    frames: Iterable[FramedPhoto] | None,
    specs: Sequence[EditSpec],
    *,
    direction: Direction | None = None,
    method: Method | None = None,
    seeds: Sequence[int] | None = None,
    batch: int = BATCH,
) -> Iterator[Group]:
    """Take together what one run does: pictures of one framed size, and edits that share the work on the source.

    Args:
        frames: pictures as ``look`` gives them, read as far as the next group needs; None where the model is to
            generate the source.
        specs: edits of every picture; their ``fit`` and ``region`` are for ``look``.
        direction: an edit direction to use instead of one made from the words.
        method: what to edit by, in place of the specs' methods and options.
        seeds: a seed for each picture, in place of the specs'.
        batch: how many pictures run together at most.

    Raises:
        ValueError: an option or a word is unusable, or the specs differ in their seeds.
    """
    return grouped(asked_of(editor, frames, specs, direction=direction, method=method, seeds=seeds), batch)


def run_group(
    editor: "Editor",
    group: Group,
    *,
    reconstruct: bool = False,
    trajectory: Trajectory | None = None,
    inversions: InversionStore | None = None,
) -> Iterator[Progress]:
    """Do what ``groups`` took together; see ``Editor.run``."""
    if not group.frames:
        return editor.run_generated(group.requests, seeds=group.seeds)
    return translate(
        editor.backbone,
        group.frames,
        group.requests,
        seeds=group.seeds,
        reconstruct=reconstruct,
        trajectory=trajectory,
        inversions=inversions,
        vgg=editor.vgg,
    )


def looked_at(
    backbone: Backbone,
    captioner: Captioner | None,
    pictures: Iterable[Picture],
    fit: Fit,
    where: Where | None,
    batch: int,
) -> Iterator[FramedPhoto]:
    """Open and frame pictures one after another, captioned ``batch`` at a time if there is a ``captioner``.

    Raises:
        ValueError: a picture is unusable.
    """
    if captioner is None:
        for picture in pictures:
            yield from framed(backbone, [as_photo(picture)], fit, where)
        return
    coming = iter(pictures)
    while chunk := list(islice(coming, batch)):
        frames = framed(backbone, map(as_photo, chunk), fit, where)
        captions = captioner.captions([frame.pixels for frame in frames])
        yield from (replace(frame, caption=text) for frame, text in zip(frames, captions, strict=True))


def asked_of(
    editor: "Editor",
    frames: Iterable[FramedPhoto] | None,
    specs: Sequence[EditSpec],
    *,
    direction: Direction | None,
    method: Method | None,
    seeds: Sequence[int] | None,
) -> Iterator[Asked]:
    """Say for one picture after another what is asked of it; see ``groups``.

    Raises:
        ValueError: an option or a word is unusable, or the specs differ in their seeds.
    """
    if len({spec.seed for spec in specs}) > 1:
        raise ValueError("Edits of the same pictures share their noise; give them one seed, or edit once for each.")
    along = [spec.made_direction(editor.backbone, direction) for spec in specs]
    for k, frame in enumerate([None] if frames is None else frames):
        caption = None if frame is None else frame.caption
        requests = [
            spec.resolve(editor, caption, toward, method=method) for spec, toward in zip(specs, along, strict=True)
        ]
        yield Asked(requests, specs[0].seed if seeds is None else seeds[k], frame)
