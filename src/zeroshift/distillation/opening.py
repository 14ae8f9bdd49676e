"""A student ready to edit, with the shipped model's finder of heads."""

from pathlib import Path

import torch

from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.distillation.base import AnotherBase
from zeroshift.distillation.editing import StudentEditor
from zeroshift.distillation.students import open_student
from zeroshift.loading import own_finder


def open_editor(
    student: str | Path,
    threads: int | None = None,
    *,
    model: str | Path | None = None,
    beside: str | Path | None = None,
) -> StudentEditor:
    """Open a student.

    Args:
        threads: of the CPU for this process.
        model: the one that a one-step student changes, if it is not where the student says.
        beside: another model at hand; it is tried where the student's own is not here.

    Raises:
        ValueError: there is none, or its files are damaged.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        opened = open_student(student, model=model)
    except AnotherBase:
        if beside is None:
            raise
        opened = open_student(student, model=beside)
    return StudentEditor(opened, own_finder(SHIPPED))
