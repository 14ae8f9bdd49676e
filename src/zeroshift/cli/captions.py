"""What is seen in photographs, and which of their edits run together."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zeroshift.cli.job import Job
from zeroshift.cli.shared import Loudness
from zeroshift.conditioning.task import Task
from zeroshift.image import Fit, Photo
from zeroshift.request import Request

if TYPE_CHECKING:
    from zeroshift.editor import Editor


def looked_at(
    editor: "Editor", images: Sequence[Path], pictures: Sequence[Photo], fit: Fit | None, loud: Loudness
) -> list[str]:
    """Return every picture's caption, saying on stderr what was seen.

    Raises:
        Unsupported: the model has no captioner.
    """
    captions = editor.captions(pictures, fit=fit)
    if not loud.silent:
        for image, caption in zip(images, captions, strict=True):
            print(f"{image}: sees {caption}", file=sys.stderr)
    return captions


def split(whole: Job, rows: Sequence[Sequence[Request]]) -> list[Job]:
    """Return the jobs that do every picture's edits, of which ``rows`` has one row per picture."""
    jobs, count = [], len(rows[0])
    for members, edits in together(rows):
        jobs.append(
            replace(
                whole,
                images=[whole.images[k] for k in members if whole.images],
                pictures=[whole.pictures[k] for k in members if whole.pictures],
                captions=[whole.captions[k] for k in members if whole.captions],
                files=[whole.files[k * count + n] for k in members for n in edits],
                requests=[rows[members[0]][n] for n in edits],
            )
        )
    return jobs


def together(rows: Sequence[Sequence[Request]]) -> list[tuple[list[int], list[int]]]:
    """Return which pictures, and which of their edits, run together: those of the same words and one source."""
    groups: dict[tuple[tuple[int, Task], ...], list[int]] = {}
    for k, row in enumerate(rows):
        prompts: dict[str, list[tuple[int, Task]]] = {}
        for n, edit in enumerate(row):
            prompts.setdefault(edit.task.source_prompt, []).append((n, edit.task))
        for part in prompts.values():
            groups.setdefault(tuple(part), []).append(k)
    return [(members, [n for n, _ in part]) for part, members in groups.items()]
