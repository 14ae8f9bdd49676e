"""Pictures from many prompts, as many together as memory has room for."""

from collections.abc import Generator, Iterator, Sequence

from zeroshift.memory.need import need_to_generate
from zeroshift.memory.room import Room, Shortage, is_shortage
from zeroshift.model import Model
from zeroshift.running.from_noise import generate
from zeroshift.running.grouping import BATCH
from zeroshift.running.groups import fewer, saves
from zeroshift.running.walking import Progress


def generate_all(
    editor: Model,
    prompts: Sequence[str],
    *,
    seeds: Sequence[int],
    steps: int,
    guidance_scale: float,
    restore: bool = True,
) -> Iterator[tuple[range, Progress]]:
    """Sample one picture per prompt and seed; yield every step with the places of its prompts among all.

    As many run together as have room in the free memory, 16 at most. Where it runs out all the same halves are run, and
    for one picture memory is saved from then on, if the model was loaded so. The last step of a run has its results,
    which the model's restorer redraws where it knows them, unless ``restore`` is off.

    Raises:
        Shortage: memory is too small for one picture.
        ValueError: a prompt is empty, or a number is out of range.
    """
    size = (editor.backbone.size, editor.backbone.size)
    room = Room(
        BATCH, editor.backbone.device, lambda _requests, _size: need_to_generate(editor.backbone, guidance_scale)
    )
    if room.is_short((), size):
        saves(editor, room)
    first, restorer = 0, editor.restorer if restore else None
    while first < len(prompts):
        most = room.together((), size) if len(prompts) > 1 else 1
        part = range(first, min(first + most, len(prompts)))
        given = [prompts[k] for k in part], [seeds[k] for k in part]
        run = generate(
            editor.backbone, given[0], seeds=given[1], steps=steps, guidance_scale=guidance_scale, restorer=restorer
        )
        fits = yield from _tried(part, run)
        if fits:
            first = part.stop
        elif len(part) > 1:
            fewer(room, len(part))
        elif not saves(editor, room):
            raise Shortage("Memory is too small for one picture; take `memory` low or a lower `precision`.")


def _tried(part: range, run: Iterator[Progress]) -> Generator[tuple[range, Progress], None, bool]:
    """Take all steps of a run; whether memory was large enough."""
    try:
        for step in run:
            yield part, step
    except (RuntimeError, MemoryError) as error:
        if is_shortage(error):
            return False
        raise
    return True
