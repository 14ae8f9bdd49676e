"""Edits by students, which take one pass each: nothing is gained by taking them together."""

from collections.abc import Iterator
from dataclasses import dataclass

from zeroshift.asked.edits import EditSpec
from zeroshift.distillation.asked import asked_of
from zeroshift.distillation.editing import StudentEditor, StudentSpec
from zeroshift.image import Photo
from zeroshift.image.masks import ALPHA, Alpha
from zeroshift.service.runs import Row, said_of
from zeroshift.service.tickets import Done, Ticket

NO_PARTIAL = "`partial_images` has no effect: a student makes its picture in one pass."


@dataclass(frozen=True, eq=False)
class StudentEdit:
    """One edit of several photographs by a student."""

    editor: StudentEditor
    spec: EditSpec
    asked: StudentSpec
    rows: tuple[Row, ...]
    """whatever their seeds"""
    device: str = "cpu"
    unfinished: bool = False
    """it shows none"""

    @property
    def size(self) -> int:
        """How many pictures it makes."""
        return len(self.rows)

    @property
    def key(self) -> object:
        """Its own."""
        return self

    def run(self, ticket: Ticket) -> Iterator[None]:
        """Edit one photograph after another, and yield after each."""
        found = []
        try:
            for row in self.rows:
                if ticket.over:
                    return
                mask: Photo | Alpha | None = ALPHA if self.spec.mask == ALPHA else row.mask
                found.append(self.editor.edit(row.photo, self.asked, mask))
                yield
        except ValueError as error:
            ticket.fail(error)
        else:
            ticket.end(Done(tuple(found), tuple(dict.fromkeys(said_of(found)))))


def student_edit(editor: StudentEditor, spec: EditSpec, rows: tuple[Row, ...]) -> StudentEdit:
    """The edit, if the student can make it.

    Raises:
        OptionError: something is asked for that it cannot do; paths begin at ``spec``.
    """
    return StudentEdit(editor, spec, asked_of(editor.student, spec), rows)
