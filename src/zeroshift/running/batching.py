"""Many pictures and many edits: asked one after another, and taken together where one run does them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import TypeAlias

from zeroshift.asked.edits import EditSpec
from zeroshift.asked.request import Request
from zeroshift.asked.together import check_together, seeds_in_vain
from zeroshift.conditioning.direction import Direction
from zeroshift.doubts import doubt
from zeroshift.framed import FramedPhoto
from zeroshift.masks.masking import Failed
from zeroshift.memory.need import need
from zeroshift.memory.room import Room
from zeroshift.methods.base import Method
from zeroshift.model import Model
from zeroshift.options.errors import given
from zeroshift.recipe import MOST_ROWS
from zeroshift.running.grouping import BATCH, Asked, Group, grouped
from zeroshift.running.looking import check_sure
from zeroshift.words import DoubtfulWords

Senseless: TypeAlias = dict[tuple[int, int], Exception]
"""why single edits make no sense, by the picture's place and the edit's"""


def groups(
    editor: Model,
    frames: Iterable[FramedPhoto] | None,
    specs: Sequence[EditSpec],
    *,
    direction: Direction | None = None,
    method: Method | None = None,
    seeds: Sequence[int] | None = None,
    batch: int | None = None,
    failed: Failed | None = None,
    senseless: Senseless | None = None,
) -> Iterator[Group]:
    """Take together what one run does: pictures of one framed size, and edits that share the work on the source.

    Args:
        frames: pictures as ``look`` gives them, read as far as the next group needs; None where the model is to
            generate the source.
        specs: edits of every picture; their ``fit`` and ``region`` are for ``look``.
        direction: an edit direction to use instead of one made from the words.
        method: what to edit by, in place of the specs' methods and options.
        seeds: a seed for each picture, in place of the specs'.
        batch: how many pictures run together at most, 1 to 64; by default as many as memory has room for, up to 16.
        failed: what ``look`` noted failed pictures in, so that members count all that were given to it; a picture of
            which no edit makes sense is noted, too, and left out.
        senseless: where single edits of a picture are noted and left out that make no sense of it, such as from a dog
            to a dog; without it, all of its edits are.

    Raises:
        ValueError: an option or a word is unusable, or one direction is given for several targets.
    """
    return grouped(asked_of(editor, frames, specs, direction, method, seeds, failed, senseless), room_of(editor, batch))


def room_of(editor: Model, batch: int | None) -> Room:
    """Room for ``batch`` pictures; None: for as many as the free memory holds, 16 at most.

    Raises:
        ValueError: it is out of range.
    """
    if batch is not None:
        if type(batch) is not int or not 1 <= batch <= MOST_ROWS:
            raise ValueError(f"A batch has 1 to {MOST_ROWS} pictures, not {given(batch)}.")
        return Room(batch)

    def of_picture(requests: tuple[Request, ...], size: tuple[int, int]) -> int:
        return need(editor.backbone, [request.method for request in requests], size, editor.vgg)

    return Room(BATCH, editor.backbone.device, of_picture)


def caption_for(editor: Model, spec: EditSpec, frame: FramedPhoto | None) -> str | None:
    """What a picture shows, as far as an edit needs it: one of the whole picture is none of what is in it.

    Raises:
        ValueError: the captioner is not sure of what the edit needs; what it does not know of the target
            is said, too, since a source would not help that.
    """
    if frame is not None and frame.seen is not None and not frame.seen.sure and frame.seen.scene:
        if spec.changes_all(editor.vocabulary):
            return frame.seen.scene
    try:
        check_sure(frame, given=spec.region not in (None, "auto"))
    except ValueError as error:
        unknown = editor.unknown([spec.target])
        raise ValueError(f"{error} {editor.about_unknown(unknown)}") if unknown else error from None
    return None if frame is None else frame.caption


def asked_of(
    editor: Model,
    frames: Iterable[FramedPhoto] | None,
    specs: Sequence[EditSpec],
    direction: Direction | None,
    method: Method | None,
    seeds: Sequence[int] | None,
    failed: Failed | None,
    senseless: Senseless | None,
) -> Iterator[Asked]:
    """Say for one picture after another what is asked of it; see ``groups``.

    Raises:
        ValueError: an option or a word is unusable.
    """
    if any(spec.mask != specs[0].mask for spec in specs):
        raise ValueError("Edits of the same framed pictures share their `mask`; edit once for each.")
    check_together(specs, directed=direction is not None)
    if frames is not None and seeds is None:
        for sentence in seeds_in_vain(specs):
            doubt(sentence)
    along = [spec.made_direction(editor.backbone, direction) for spec in specs]
    places = (k for k in count() if failed is None or k not in failed)
    for frame in [None] if frames is None else frames:
        place, requests, faults = next(places), dict[int, Request](), dict[tuple[int, int], Exception]()
        for n, (spec, toward) in enumerate(zip(specs, along, strict=True)):
            try:
                caption = caption_for(editor, spec, frame)
                requests[n] = spec.resolve(editor, caption, toward, method=method, photograph=frame is not None)
            except ValueError as error:
                if failed is None or isinstance(error, DoubtfulWords):
                    raise
                faults[place, n] = error
        if failed is not None and faults and (senseless is None or not requests):
            failed[place] = next(iter(faults.values()))
            continue
        if senseless is not None:
            senseless.update(faults)
        drawn = [specs[n].seed if seeds is None else seeds[place] for n in requests]
        yield Asked(place, list(requests), list(requests.values()), drawn, frame)
