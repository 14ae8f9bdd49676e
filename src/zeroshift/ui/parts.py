"""The components of a page with the editor behind it, and what they show of an edit."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import gradio as gr

from zeroshift.asked.edits import EditSpec
from zeroshift.cli.written import command_line
from zeroshift.editor import Editor
from zeroshift.inversions import InversionMemory
from zeroshift.options.errors import OptionError
from zeroshift.ui import telling
from zeroshift.ui.asking import intensity_of
from zeroshift.ui.copies import python_of
from zeroshift.ui.desk import Desk, Host, Made
from zeroshift.ui.kept import Kept
from zeroshift.ui.layout import Ask, Beside, Show
from zeroshift.ui.students import Offered, is_students
from zeroshift.ui.visits import Stops
from zeroshift.ui.work import MASK, Stopped, Working, edited, in_turn, parting

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
    files: Kept = field(default_factory=Kept)
    """where the files of the page lie"""

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

    def keep(self, desk: Desk, on: Desk, made: Made) -> None:
        """What a run of a desk's copy ``on`` made comes to the desk; where files are too many, older edits go."""
        on.own.append(made)
        desk.made.append(made)
        self.files.has_room()

    def refused(self, desk: Desk, error: object) -> Update:
        """Why an edit does not begin: below the edit that is there, which nothing has hidden, or else on the stage."""
        if desk.shown is not None:
            return {self.show.status: telling.kept(desk.shown, telling.alarm(error))}
        return self.failed(desk, error)

    def failed(self, desk: Desk, error: object) -> Update:
        """What went wrong in a run: below the edit that was there before it and is shown again, or else on the stage.

        Its card is marked in the history all the while.
        """
        show = self.show
        if desk.shown is not None:
            return self.back(desk, desk.shown, telling.alarm(error))
        return {
            show.stage: gr.HTML(telling.failed(error), visible=True),
            show.slider: gr.ImageSlider(visible=False),
            show.status: "",
            show.actions: gr.Column(visible=False),
        }

    def back(self, desk: Desk, made: Made, told: str) -> Update:
        """The edit that was there before a run that came to nothing, and ``told``, HTML, why it is that one."""
        status = telling.kept(made, told, *telling.let_go(desk))
        return {**self.shows(desk, made), self.show.strength: intensity_of(made.spec), self.show.status: status}

    def shows(self, desk: Desk, made: Made) -> Update:
        """A finished edit, on the slider."""
        desk.shown = made
        show, beside = self.show, self.beside
        masked = made.mask is not None
        return {
            show.stage: gr.HTML(visible=False),
            show.slider: gr.ImageSlider(
                (str(made.before), str(made.after)), visible=True, slider_position=parting(made.before, made.after)
            ),
            show.status: telling.done(made, *telling.let_go(desk)),
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


def mask_file(made: Made) -> str:
    """The file of a painted mask."""
    return str(made.before.parent / MASK)
