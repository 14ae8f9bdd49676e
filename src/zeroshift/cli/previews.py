"""Pictures on the way: every step's estimate of the finished ones, written while a run goes on."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.asked.request import describe
from zeroshift.cli.editing import Photograph
from zeroshift.cli.output import check_folder, relative
from zeroshift.cli.wrong import Wrong
from zeroshift.image import save_image
from zeroshift.methods import Method

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.framed import FramedPhoto
    from zeroshift.running.grouping import Group
    from zeroshift.running.walking import Progress


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
    photographs: Sequence[Photograph]
    """none where the source is generated"""

    def path(self, name: str, step: int, steps: int) -> Path:
        """The file of one result after ``step`` of ``steps`` steps; the numbers sort as they count."""
        return self.folder / f"{name}-{step:0{len(str(steps))}d}.png"

    def settled(self, method: Method, apart: Sequence[Path | None], overwrite: bool) -> "Previews":
        """The same after a look at its folder: names of which a file is there get a number unless ``overwrite``.

        Args:
            apart: what is read, and the results.

        Raises:
            Wrong: one of the files is one of ``apart``.
            ValueError: the folder cannot be written into, or a file of it cannot be replaced.
        """
        check_folder(self.folder)
        steps = method.steps - (method.inversion.first(method.steps) if self.photographs else 0)
        files = [[self.path(name, n, steps) for n in range(self.every, steps + 1, self.every)] for name in self.names]
        others = {os.path.realpath(path) for path in apart if path is not None}
        if met := next((path for one in files for path in one if os.path.realpath(path) in others), None):
            raise Wrong(f"The preview {met} would have the name of another file; choose another folder.")
        if overwrite:
            return self
        return replace(self, names=[self._free(name, steps) for name in self.names])

    def _free(self, name: str, steps: int) -> str:
        found, n = name, 1
        while any(os.path.lexists(self.path(found, k, steps)) for k in range(self.every, steps + 1, self.every)):
            n += 1
            found = f"{name}-{n}"
        return found

    def write(self, editor: "Editor", group: "Group", step: "Progress") -> None:
        """Write what is asked for of a step in the run of a group.

        Raises:
            ValueError: a file cannot be written.
        """
        if step.latents is not None and step.done % self.every == 0:
            self._write(editor, group, step)

    def _write(self, editor: "Editor", group: "Group", step: "Progress") -> None:
        pictures = iter(editor.preview(step))  # requests x pictures
        for edit, request in zip(group.edits, group.requests, strict=True):
            facts = {**describe(editor.backbone, request, editor.segmenter), "command": "preview", "step": step.done}
            for row, member in enumerate(group.members):
                path = self.path(self.names[member * self.edits + edit], step.done, step.total)
                place = {"seed": group.seeds[row], "rows": len(group.members), "row": row}
                origin = self._origin(group.frames[row], member, path) if group.frames else {}
                save_image(next(pictures), path, recipe={**facts, **place, **origin})

    def _origin(self, frame: "FramedPhoto", member: int, path: Path) -> dict[str, object]:
        path_of = {"source_path": relative(self.photographs[member].path, path)}
        return {"source_sha256": frame.photo.sha256, **({} if self.photographs[member].data else path_of)}
