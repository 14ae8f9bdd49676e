"""Doing what was taken together, in smaller parts where memory runs out."""

from collections.abc import Generator, Iterable, Iterator

from zeroshift.diffusion.trajectory import Trajectory
from zeroshift.doubts import doubt
from zeroshift.inversions import InversionMemory, InversionStore
from zeroshift.masks.masking import Failed
from zeroshift.memory.room import Room, Shortage, is_shortage
from zeroshift.model import Model
from zeroshift.running.from_noise import translate_generated
from zeroshift.running.grouping import Group
from zeroshift.running.second import with_second_tries
from zeroshift.running.translate import translate
from zeroshift.running.walking import Progress
from zeroshift.verdicts import with_verdicts


def run_groups(
    editor: Model,
    groups: Iterable[Group],
    *,
    trajectory: Trajectory | None = None,
    inversions: InversionStore | None = None,
    failed: Failed | None = None,
) -> Iterator[tuple[Group, Progress]]:
    """Do what ``groups`` gives, one after another, and yield every step; the last of a group has its results.

    Where memory is too small for a group, its halves are run, and later groups are no larger; for one picture memory is
    saved from then on, if the model was loaded so. With ``failed`` the pictures of a group that fails otherwise are run
    one by one; those that fail alone are noted there.

    Raises:
        Shortage: memory is too small for one picture, and there is no ``failed``.
        ValueError: a group cannot be done, and there is no ``failed``.
    """
    for group in (part for whole in groups for part in whole.parts(whole.room.most)):
        fault = yield from _tried(editor, group, trajectory, inversions)
        if fault is None:
            continue
        if isinstance(fault, Shortage) and len(group.members) > 1:
            parts = smaller(group)
        elif isinstance(fault, Shortage) and saves(editor, group.room):
            parts = group.parts(1)
        elif failed is None:
            raise fault
        elif len(group.members) == 1:
            failed[group.members[0]] = fault
            continue
        else:
            parts = group.parts(1)
        yield from run_groups(editor, parts, trajectory=trajectory, inversions=inversions, failed=failed)


def _tried(
    editor: Model, group: Group, trajectory: Trajectory | None, inversions: InversionStore | None
) -> Generator[tuple[Group, Progress], None, ValueError | None]:
    """Run a group; what went wrong is returned without the frames of the run, which hold its memory."""
    try:
        for step in run_group(editor, group, trajectory=trajectory, inversions=inversions):
            yield group, step
    except (ValueError, RuntimeError, MemoryError) as error:
        if is_shortage(error):
            return shortage_of(group)
        if isinstance(error, ValueError):
            return error
        raise
    return None


def smaller(group: Group) -> Iterator[Group]:
    """The halves of a group that memory was too small for; later groups are no larger. That is told once.

    Raises:
        Shortage: it has one picture alone.
    """
    count = len(group.members)
    if count < 2:
        raise shortage_of(group)
    fewer(group.room, count)
    return group.parts((count + 1) // 2)


def fewer(room: Room, count: int) -> None:
    """Note that there was no room for ``count`` pictures, and say so once for each number."""
    if room.ran_out(count):
        doubt(f"Memory is too small for {count} pictures together; they are run in halves, and the next ones likewise.")


def saves(editor: Model, room: Room) -> bool:
    """Let the model take less memory from now on, and say so; whether it was allowed and does not yet."""
    if not editor.backbone.save_memory():
        return False
    room.forget()
    doubt("Memory is short; from here on it is saved (`memory` low), which takes more time.")
    return True


def shortage_of(group: Group) -> Shortage:
    """What is said of a group of one picture that memory is too small for."""
    size = f" of {' x '.join(map(str, group.frames[0].pixels.size))} pixels" if group.frames else ""
    return Shortage(
        f"Memory is too small for one picture{size}; take `memory` low, a lower `precision` or a smaller picture."
    )


def run_group(
    editor: Model,
    group: Group,
    *,
    reconstruct: bool = False,
    trajectory: Trajectory | None = None,
    inversions: InversionStore | None = None,
) -> Iterator[Progress]:
    """Do what ``groups`` took together; see ``Editor.run``."""
    if group.frames and group.room.is_short(group.requests, group.frames[0].pixels.size):
        saves(editor, group.room)
    if not group.frames:
        generated = translate_generated(editor.backbone, group.requests, seeds=group.seeds, vgg=editor.vgg)
        return with_verdicts(editor.judge, generated, group.requests, ())
    if inversions is None and trajectory is None and any(request.tries for request in group.requests):
        inversions = InversionMemory()  # second tries may share them
    steps = translate(
        editor.backbone,
        group.frames,
        group.requests,
        seeds=group.seeds,
        reconstruct=reconstruct,
        trajectory=trajectory,
        inversions=inversions,
        vgg=editor.vgg,
        segmenter=editor.segmenter,
        restorer=editor.restorer,
    )
    judged = with_verdicts(editor.judge, steps, group.requests, group.frames)
    # who gives an inversion wants an edit by that
    return judged if trajectory is not None else with_second_tries(editor, judged, group, inversions)
