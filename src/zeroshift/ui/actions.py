"""What happens on the page: photographs come, results are shown and come back."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from zeroshift.asked.again import asked_again
from zeroshift.asked.edits import EditSpec
from zeroshift.asked.together import seeds_in_vain
from zeroshift.cli.written import command_line
from zeroshift.distillation.asked import SAME
from zeroshift.editor import Editor
from zeroshift.image import ImageError, Photo, load_image, size_of
from zeroshift.inversions import InversionMemory
from zeroshift.options.errors import OptionError
from zeroshift.recipe import STUDENT, EditRecipe
from zeroshift.ui import photographs, telling
from zeroshift.ui.asking import laid_out, where_of
from zeroshift.ui.copies import python_of
from zeroshift.ui.desk import Desk, Host, Made, Stops, Where, file_name
from zeroshift.ui.layout import Ask, Beside, Show
from zeroshift.ui.look import MOST_FILE
from zeroshift.ui.students import Offered, is_students
from zeroshift.ui.work import MASK, Stopped, Working, edited, in_turn, sliding

Update = dict[Any, Any]
"""what becomes of components"""
NO_PHOTO = "There is no photograph yet; drop one on the page, or take an example."


@dataclass(frozen=True, eq=False)
class Page:
    """The components of a page, and the editor behind it."""

    editor: Editor
    model: str | None
    """what the editor was loaded from; None is the shipped model"""
    kept: InversionMemory
    stops: Stops
    host: Host
    ask: Ask
    show: Show
    beside: Beside
    desk: gr.State
    version: gr.State
    """a number that rises when the options are to be drawn anew"""
    student: Offered | None = None
    """a small network that stands among the methods"""

    @property
    def every(self) -> list[Any]:
        """All components that an action may change."""
        sides = (self.ask, self.show, self.beside)
        return [self.desk, self.version, *(part for side in sides for part in vars(side).values())]

    @property
    def same(self) -> Update:
        """Nothing changes: Gradio takes no empty answer, and empties the page where there is none."""
        return {self.version: gr.skip()}

    def run(self, desk: Desk, spec: EditSpec, stop: Event) -> Iterator[Working | Stopped | Made]:
        """Edit the photograph of a desk, by the student if that is the method; it waits for its turn, and tells.

        Raises:
            ValueError: the picture, a word or an option is unusable; the sentence says why.
        """
        assert desk.photo is not None
        if self.student is not None and is_students(spec):
            run = self.student.edited(desk, spec)
        else:
            spec.check(vgg=None if self.editor.vgg else False)
            run = edited(self.editor, desk, spec, kept=self.kept, stop=stop)
        return in_turn(self.host.turns, desk.photo, stop, run)

    def failed(self, error: object) -> Update:
        """What went wrong, on the stage."""
        show = self.show
        return {
            show.stage: gr.HTML(telling.failed(error), visible=True),
            show.slider: gr.ImageSlider(visible=False),
            show.status: "",
            show.actions: gr.Column(visible=False),
        }

    def shows(self, desk: Desk, made: Made) -> Update:
        """A finished edit, on the slider."""
        desk.shown = made
        show, beside = self.show, self.beside
        masked = made.where.painted is not None
        return {
            show.stage: gr.HTML(visible=False),
            show.slider: gr.ImageSlider((str(made.before), str(made.after)), visible=True),
            show.status: telling.done(made),
            show.actions: gr.Column(visible=True),
            show.download: gr.DownloadButton(value=str(made.file)),
            show.mask: gr.DownloadButton(value=mask_file(made) if masked else None, visible=masked),
            show.line_text: self.line_of(made),
            show.python_text: self.python_of(made),
            beside.history: telling.cards(desk.made, made),
            beside.drift: telling.drift(made.drift),
        }

    def line_of(self, made: Made) -> str:
        """The command line of an edit, or why there is none."""
        if self.student is not None and is_students(made.spec):
            return self.student.line(made.spec, made.name)
        try:
            return command_line(made.spec, made.name)
        except OptionError as error:
            return f"# {error}"

    def python_of(self, made: Made) -> str:
        """An edit as a few lines of Python."""
        if self.student is not None and is_students(made.spec):
            return self.student.python(made.spec, made.name)
        return python_of(made.spec, made.name, self.model)


@dataclass(frozen=True, eq=False)
class Bringing:
    """Photographs come and go, with what is seen in them."""

    page: Page

    def bring(self, desk: Desk, version: int, event: gr.EventData) -> Update:
        """A file was dropped, pasted or chosen: a photograph, or a result, which brings back what it was made with."""
        page, name = self.page, file_name(str(event._data["name"]))
        try:
            file = uploaded(str(event._data["path"]))
        except ImageError as error:
            return self.refused(desk, error)
        try:
            size_of(file, page.host.megapixels, page.host.formats)
            recipe = photographs.recipe_in(file)
            if recipe is not None:
                return self.restored(desk, self.result(desk, file, name, recipe), version)
            return self.laid(desk, load_image(file), name)
        except (ValueError, OSError) as error:
            return self.refused(desk, wrong_with(error, file, name))

    def refused(self, desk: Desk, error: object) -> Update:
        """A file that was brought is no good; what lies on the desk stays."""
        return {**self.page.failed(error), self.page.ask.photo: photographs.shown(desk)}

    def result(self, desk: Desk, file: Path, name: str, recipe: EditRecipe) -> Made:
        """A result's file with all that it was made with.

        Raises:
            ValueError: it cannot be asked for here.
        """
        page = self.page
        if recipe.method != STUDENT:
            return photographs.result_brought(desk, file, name, recipe, asked_again(recipe, page.editor))
        if page.student is None:
            raise ValueError("A student made that picture, and this page was opened without one; give it --student.")
        return photographs.result_brought(desk, file, name, recipe, page.student.asked_again(recipe))

    def example(self, desk: Desk, event: gr.EventData) -> Update:
        """An example was chosen."""
        name = str(event._data["name"])
        if name not in photographs.CREDITS:
            return self.page.same
        return self.laid(desk, load_image(photographs.EXAMPLES / name), name)

    def laid(self, desk: Desk, photo: Photo, name: str) -> Update:
        """A photograph is laid on the desk; settings stay, but where it changes is another matter."""
        page, awaited = self.page, photo.sha256 == desk.awaits
        desk.photo, desk.name, desk.awaits = photo, name, ""
        if awaited and desk.shown is not None:
            desk.where = where_of(desk.shown.spec, photo, desk.where.mask)
            sliding(desk.shown.before.parent, photo.image, load_image(desk.shown.file).image)
            desk.shown = replace(desk.shown, photo=photo, name=name, where=desk.where)
            desk.made = [desk.shown if one.key == desk.shown.key else one for one in desk.made]
            return {**page.shows(desk, desk.shown), **self.seen(desk)}
        desk.where, desk.shown = Where(), None
        show = page.show
        return {
            **self.seen(desk),
            show.stage: gr.HTML(telling.EMPTY, visible=True),
            show.slider: gr.ImageSlider(visible=False),
            show.status: "",
            show.actions: gr.Column(visible=False),
            show.strength: 1,
        }

    def seen(self, desk: Desk) -> Update:
        """What is seen in the photograph, and which part of it is looked at."""
        ask = self.page.ask
        if desk.photo is None:
            return {ask.photo: photographs.shown(desk), ask.seen: ""}
        seen, part, found = photographs.look_at_photo(self.page.editor, desk)
        return {ask.photo: photographs.shown(desk, found), ask.seen: telling.seen(seen, part)}

    def place(self, desk: Desk, event: gr.EventData) -> Update:
        """A box or a mask was drawn, or another way was chosen to say where."""
        if desk.photo is None:
            return self.page.same
        try:
            desk.where = photographs.placed(desk, event._data)
            return self.seen(desk)
        except ValueError as error:
            desk.where = Where()
            return {**self.seen(desk), self.page.ask.seen: telling.doubts([str(error)])}

    def clear(self, desk: Desk) -> Update:
        """The photograph is taken away."""
        desk.photo, desk.where, desk.shown = None, Where(), None
        show = self.page.show
        return {
            **self.seen(desk),
            show.stage: gr.HTML(telling.EMPTY, visible=True),
            show.slider: gr.ImageSlider(visible=False),
            show.status: "",
            show.actions: gr.Column(visible=False),
        }

    def again(self, desk: Desk) -> Update:
        """The result becomes the photograph."""
        if desk.shown is None:
            return self.page.same
        return {**self.laid(desk, load_image(desk.shown.file), desk.shown.file.name), self.page.ask.target: ""}

    def picked(self, desk: Desk, version: int, event: gr.EventData) -> Update:
        """An earlier edit was chosen."""
        try:
            return self.restored(desk, desk.of(int(event._data["key"])), version)
        except ValueError as error:
            return {self.page.show.status: telling.doubts([str(error)])}

    def restored(self, desk: Desk, made: Made, version: int) -> Update:
        """An edit with all that it was made with."""
        page, ask = self.page, self.page.ask
        fields, desk.options, framing = laid_out(made.spec)
        desk.framing = {name: value for name, value in framing.items() if name not in made.where.said}
        desk.where, desk.name, desk.photo = made.where, made.name, made.photo
        updates = {**page.shows(desk, made), **self.seen(desk)}
        if made.photo is None:
            updates[ask.seen] = telling.doubts([telling.away(made.name)])
        return {
            **updates,
            ask.target: fields.target,
            ask.source: fields.source,
            ask.prompt: fields.prompt,
            ask.method: fields.method,
            ask.fast: fields.fast,
            ask.seed: fields.seed,
            page.show.strength: fields.strength,
            page.version: version + 1,
        }

    def chip(self, event: gr.EventData) -> str:
        """A word was chosen."""
        return str(event._data["word"])

    def words(self, target: str, source: str, prompt: str) -> str:
        """What is doubtful about the words."""
        return telling.doubts(self.page.editor.doubts([target, source, prompt]))

    def reset(self, desk: Desk, version: int) -> int:
        """All options are as the model recommends them."""
        desk.options, desk.framing = {}, {}
        return version + 1

    def seeds(self, desk: Desk, method: str, seed: int) -> str:
        """What is said where a method draws nothing at random."""
        if method == STUDENT:
            return telling.doubts([SAME]) if seed else ""
        specs = [EditSpec(target="dog", method=method, options=desk.options, seed=n) for n in (0, 1)]
        try:
            return telling.doubts(seeds_in_vain(specs)) if seed else ""
        except ValueError as error:
            return telling.doubts([str(error)])


def uploaded(path: str) -> Path:
    """The file that a browser says it has brought.

    Raises:
        ImageError: it lies elsewhere than in the folder of what was brought.
    """
    file = Path(path).resolve()
    if not file.is_relative_to(Path(get_upload_folder()).resolve()):
        raise ImageError(f"That file did not arrive here; a photograph has {MOST_FILE} at most.")
    return file


def wrong_with(error: Exception, file: Path, name: str) -> str:
    """What is wrong with a file that was brought, called by its name and not by where the server keeps it."""
    if isinstance(error, OSError):
        return f"{name} cannot be kept here ({error.strerror}): see whether the disk is full."
    return str(error).replace(str(file), name)


def other_seed() -> int:
    """Another seed."""
    return secrets.randbelow(10_000)


def mask_file(made: Made) -> str:
    """The file of a painted mask."""
    return str(made.before.parent / MASK)
