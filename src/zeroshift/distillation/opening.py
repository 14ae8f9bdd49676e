"""A student ready to edit, with the shipped model's finder of heads."""

from pathlib import Path

import torch

from zeroshift.backbones.checkpoint import SHIPPED
from zeroshift.distillation.editing import StudentEditor
from zeroshift.distillation.students import open_student
from zeroshift.loading import own_finder


def open_editor(student: str | Path, threads: int | None = None) -> StudentEditor:
    """Open a student; ``threads`` are the CPU's for this process.

    Raises:
        ValueError: there is none, or its files are damaged.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    return StudentEditor(open_student(student), own_finder(SHIPPED))
