"""Pictures on the way: every step's estimate of the finished ones, written while a run goes on."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.cli.output import check_folder, relative
from zeroshift.cli.wrong import Wrong
from zeroshift.image import Photo, save_image
from zeroshift.methods import Method
from zeroshift.request import Request, describe

if TYPE_CHECKING:
    from zeroshift.editor import Editor
    from zeroshift.translate import Progress


@dataclass(frozen=True)
class Previews:
    """What is written, and where."""

    folder: Path
    every: int
    """how many steps from one picture to the next"""
    names: Sequence[str]
    """of the results: those of one photograph side by side"""
    photographs: Sequence[Path]
    """none where the source is generated"""
    seed: int

    def path(self, name: str, step: int, steps: int) -> Path:
        """Return the file of one result after ``step`` of ``steps`` steps; the numbers sort as they count."""
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

    def written(
        self, editor: "Editor", requests: Sequence[Request], sources: Mapping[int, Photo], steps: "Iterator[Progress]"
    ) -> "Iterator[Progress]":
        """Go through the run of ``sources``, by their index, writing what is asked for on the way.

        Raises:
            ValueError: a file cannot be written.
        """
        for step in steps:
            if step.latents is not None and not step.results and step.done % self.every == 0:
                self._write(editor, requests, sources, step)
            yield step

    def _write(
        self, editor: "Editor", requests: Sequence[Request], sources: Mapping[int, Photo], step: "Progress"
    ) -> None:
        pictures = iter(editor.preview(step))  # requests x pictures
        rows = list(sources) or [0]
        for n, request in enumerate(requests):
            facts = {**describe(editor.backbone, request), "command": "preview", "step": step.done, "seed": self.seed}
            for row, member in enumerate(rows):
                path = self.path(self.names[member * len(requests) + n], step.done, step.total)
                place = {"rows": len(rows), "row": row, **self._origin(sources, member, path)}
                save_image(next(pictures), path, recipe={**facts, **place})

    def _origin(self, sources: Mapping[int, Photo], member: int, path: Path) -> dict[str, object]:
        if not sources:
            return {}
        return {"source_sha256": sources[member].sha256, "source_path": relative(self.photographs[member], path)}
