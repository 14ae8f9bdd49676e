"""Pictures on the way: every step's estimate of the finished ones, written while a run goes on."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.cli.output import check_folder, relative
from zeroshift.cli.wrong import Wrong
from zeroshift.image import save_image
from zeroshift.methods import Method
from zeroshift.request import describe

if TYPE_CHECKING:
    from zeroshift.batching import Group
    from zeroshift.editor import Editor
    from zeroshift.results import FramedPhoto
    from zeroshift.translate import Progress


@dataclass(frozen=True)
class Previews:
    """What is written, and where."""

    folder: Path
    every: int
    """how many steps from one picture to the next"""
    names: Sequence[str]
    """of the results: those of one photograph side by side"""
    edits: int
    """of one photograph"""
    photographs: Sequence[Path]
    """none where the source is generated"""

    def path(self, name: str, step: int, steps: int) -> Path:
        """The file of one result after ``step`` of ``steps`` steps; the numbers sort as they count."""
        return self.folder / f"{name}-{step:0{len(str(steps))}d}.png"

    def check(self, method: Method, apart: Sequence[Path | None]) -> None:
        """See that files can be written, none of them one of ``apart``: what is read, and the results.

        Raises:
            Wrong: one is.
            ValueError: the folder cannot be written into.
        """
        check_folder(self.folder)
        steps = method.steps - (method.inversion.first(method.steps) if self.photographs else 0)
        others = {os.path.realpath(path) for path in apart if path is not None}
        for name in self.names:
            for step in range(self.every, steps + 1, self.every):
                if os.path.realpath(path := self.path(name, step, steps)) in others:
                    raise Wrong(f"The preview {path} would have the name of another file; choose another folder.")

    def written(self, editor: "Editor", group: "Group", steps: "Iterator[Progress]") -> "Iterator[Progress]":
        """Go through the run of a group, writing what is asked for on the way.

        Raises:
            ValueError: a file cannot be written.
        """
        for step in steps:
            if step.latents is not None and not step.results and step.done % self.every == 0:
                self._write(editor, group, step)
            yield step

    def _write(self, editor: "Editor", group: "Group", step: "Progress") -> None:
        pictures = iter(editor.preview(step))  # requests x pictures
        for edit, request in zip(group.edits, group.requests, strict=True):
            facts = {**describe(editor.backbone, request), "command": "preview", "step": step.done}
            for row, member in enumerate(group.members):
                path = self.path(self.names[member * self.edits + edit], step.done, step.total)
                place = {"seed": group.seeds[row], "rows": len(group.members), "row": row}
                origin = self._origin(group.frames[row], member, path) if group.frames else {}
                save_image(next(pictures), path, recipe={**facts, **place, **origin})

    def _origin(self, frame: "FramedPhoto", member: int, path: Path) -> dict[str, object]:
        return {"source_sha256": frame.photo.sha256, "source_path": relative(self.photographs[member], path)}
