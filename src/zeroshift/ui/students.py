"""A student among the methods of the page: an edit in one pass."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from shlex import join

from zeroshift.asked.data import GivenMask
from zeroshift.asked.edits import EditSpec
from zeroshift.cli.written import where_words
from zeroshift.distillation.asked import asked_of, spec_of
from zeroshift.distillation.editing import StudentEditor
from zeroshift.distillation.opening import open_editor
from zeroshift.image.masks import ALPHA
from zeroshift.recipe import STUDENT, EditRecipe
from zeroshift.ui.desk import Desk, Made
from zeroshift.ui.pictures import Stage
from zeroshift.ui.work import Stopped, Working, kept_of

ABOUT = "A small network that learned {} and makes its edit in one pass; it has no options."


@dataclass(frozen=True, eq=False)
class Offered:
    """A student that the page was started with."""

    editor: StudentEditor
    place: str
    """folder or hub id that it was opened from"""

    @property
    def about(self) -> str:
        """One sentence about it."""
        ways = [" to ".join(way) for way in self.editor.student.directions]
        return ABOUT.format(" and ".join(ways))

    def edited(self, desk: Desk, spec: EditSpec) -> Iterator[Working | Stopped | Made]:
        """Edit the photograph of a desk; the last of what is yielded is ``Made``.

        Raises:
            ValueError: the picture or a word is unusable, or something is asked for that it cannot do.
        """
        photo, where, name = desk.photo, desk.where, desk.name
        assert photo is not None
        begun, asked = time.perf_counter(), asked_of(self.editor.student, spec)
        frame = self.editor.framed(photo, asked, ALPHA if spec.mask == ALPHA else where.painted)
        yield Working("look", picture=Stage.of(self.editor.student.network, frame).picture)
        result = self.editor.edit_framed(frame, asked)
        yield kept_of(desk, photo, name, where, spec, result, time.perf_counter() - begun)

    def asked_again(self, recipe: EditRecipe) -> EditSpec:
        """The edit that a recipe describes.

        Raises:
            ValueError: another student made it.
        """
        if recipe.model.sha256 != self.editor.student.sha256:
            raise ValueError(f"{recipe.model.name}, another student than this page's, made that picture.")
        return spec_of(recipe)

    def line(self, spec: EditSpec, image: str) -> str:
        """What somebody would type to have the same."""
        asked = asked_of(self.editor.student, spec)
        words = ["zeroshift", "edit", image, "--student", self.place, "--target", asked.target]
        words += ["--source", asked.source] if asked.source else []
        words += ["--strength", f"{asked.intensity:g}"] if asked.intensity != 1 else []
        return join([*words, *where_words(spec)])

    def python(self, spec: EditSpec, image: str) -> str:
        """Lines of Python that do the same."""
        asked = asked_of(self.editor.student, spec)
        given = {name: value for name, value in dict(asked).items() if value not in (None, 1.0)}
        beside = ', mask="mask.png"' if isinstance(spec.mask, GivenMask) else ""
        return (
            "from zeroshift import save_image\n"
            "from zeroshift.distillation.editing import StudentSpec\n"
            "from zeroshift.distillation.opening import open_editor\n\n"
            f"editor = open_editor({self.place!r})\n"
            f"spec = StudentSpec({', '.join(f'{name}={value!r}' for name, value in given.items())})\n"
            f"result = editor.edit({image!r}, spec{beside})\n"
            f'save_image(result.image, "edited.png", recipe=result.recipe)\n'
        )


def offered(place: str, model: str | None = None) -> Offered:
    """Open a student for the page; where the model that it changes is not here, ``model``, the page's own, is tried.

    Raises:
        ValueError: there is none, or its files are damaged.
    """
    return Offered(open_editor(place, beside=model), place)


def is_students(spec: EditSpec) -> bool:
    """Whether a student is asked."""
    return spec.method == STUDENT
