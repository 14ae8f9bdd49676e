"""The saved inversion that an edit starts from."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.cli.output import warn
from zeroshift.cli.shared import Loudness

if TYPE_CHECKING:
    from zeroshift.diffusion.trajectory import Trajectory
    from zeroshift.editor import Editor
    from zeroshift.running.grouping import Group


def saved(
    path: Path | None, editor: "Editor", wanted: "Iterator[Group]", loud: Loudness
) -> "tuple[Trajectory | None, Iterator[Group]]":
    """The saved inversion, if one was given, and the runs, each looked at whether it may start from that.

    Raises:
        ValueError: it cannot be read; or later, it is of another picture or other options.
    """
    if path is None:
        return None, wanted
    from zeroshift.diffusion.trajectory import load_trajectory

    trajectory, facts = load_trajectory(path, editor.backbone)

    def checked() -> "Iterator[Group]":
        from zeroshift.asked.request import inversion_facts
        from zeroshift.diffusion.agreement import check_facts, check_tensors

        for group in wanted:
            needed = inversion_facts(editor.backbone, group.frames, group.requests[0], seeds=group.seeds)
            warn(check_facts(path, facts, needed), loud)
            size = group.frames[0].pixels.size
            check_tensors(path, trajectory, editor.backbone, size, len(group.frames))  # names the file
            yield group

    return trajectory, checked()
