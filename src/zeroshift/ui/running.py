"""One edit on the page: fresh, or the shown one at another intensity."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from zeroshift.asked.edits import EditSpec
from zeroshift.captioning import Varying, Vocabulary
from zeroshift.image import read_recipe
from zeroshift.ui import telling
from zeroshift.ui.asking import Fields, asked_for, at_intensity, intensity_of
from zeroshift.ui.desk import Desk, Made
from zeroshift.ui.parts import NO_PHOTO, Page, Update
from zeroshift.ui.pictures import inline
from zeroshift.ui.work import LOOK, WAIT, Stopped, Working


def as_made(made: Made, vocabulary: Vocabulary) -> EditSpec:
    """The shown edit, of the kind of its target that was taken where the target as such did not look good enough."""
    kinds = vocabulary.kinds(made.spec.target) if isinstance(vocabulary, Varying) else ()
    shown = read_recipe(made.file).get("target") if kinds else None
    return made.spec.model_copy(update={"target": shown}) if shown in kinds else made.spec


@dataclass(frozen=True, eq=False)
class Running:
    """One edit."""

    page: Page

    def edit(self, request: gr.Request, desk: Desk, *given: Any) -> Iterator[Update]:
        """Edit the photograph, and show every few steps what becomes of it."""
        if desk.photo is None:
            yield self.page.refused(desk, NO_PHOTO)
            return
        try:
            spec = asked_for(desk, Fields(*given), desk.photo)
        except ValueError as error:
            yield self.page.refused(desk, error)
            return
        yield from self.run(request, desk, desk.with_photo(desk.photo, desk.name, desk.where), spec, fresh=True)

    def stronger(self, request: gr.Request, intensity: float, desk: Desk) -> Iterator[Update]:
        """The shown edit at another intensity, on the inversion that is there."""
        page, made = self.page, desk.shown
        if made is None:
            yield page.same
            return
        photo, where = made.photo, made.where  # from files, which may go meanwhile
        if photo is None:
            yield {page.show.status: telling.done(made, telling.away(made.name))}
            return
        try:
            spec = at_intensity(as_made(made, page.editor.vocabulary), intensity)
        except ValueError as error:
            yield {page.show.status: telling.done(made, str(error))}
            return
        there = desk.made_before(spec, photo)
        if there is not None:
            yield page.shows(desk, there)
            return
        yield from self.run(request, desk, desk.with_photo(photo, made.name, where), spec, fresh=False)

    def run(self, request: gr.Request, desk: Desk, on: Desk, spec: EditSpec, *, fresh: bool) -> Iterator[Update]:
        """Run an edit of what lies ``on`` a desk's copy; the page has one at a time.

        One that is not ``fresh`` leaves the slider where it is until the new picture is there.
        """
        page, session = self.page, str(request.session_hash)
        stop = page.stops.begin_alone(session)
        if stop is None:
            yield page.same if fresh or desk.shown is None else self.later(desk.shown)
            return
        picture = ""
        try:
            with desk.running(on):
                for at in page.run(on, spec, stop):
                    picture = inline(at.picture) if isinstance(at, Working) and at.picture is not None else picture
                    yield self.told_of(desk, on, at, picture, fresh=fresh)
        except Exception as error:
            yield {**page.failed(desk, telling.wrong(error)), **self.over}
        finally:
            page.stops.end(session, stop)

    def later(self, shown: Made) -> Update:
        """Another intensity has to be asked for again when the edit that runs is done; the slider goes back."""
        show = self.page.show
        return {show.strength: intensity_of(shown.spec), show.status: telling.done(shown, telling.RUNNING)}

    def told_of(self, desk: Desk, on: Desk, at: Working | Stopped | Made, picture: str, *, fresh: bool) -> Update:
        """A state of a run: on the stage, or beside it where another photograph was laid on the desk meanwhile."""
        page = self.page
        if isinstance(at, Made):
            page.keep(desk, on, at)
        if not desk.shows(on.photo):
            return self.aside(desk, on, at)
        if isinstance(at, Made):
            return {**page.shows(desk, at), **self.over, page.desk: desk}
        if isinstance(at, Stopped):
            return {**self.halted(desk, at), **self.over}
        return self.on_stage(at, picture) if fresh else {page.show.status: telling.progress(at), **self.going}

    def on_stage(self, at: Working, picture: str) -> Update:
        """How far a fresh edit is, with the last picture of it."""
        show = self.page.show
        hidden = {show.slider: gr.ImageSlider(visible=False), show.actions: gr.Column(visible=False)}
        first = {**self.going, **hidden, show.status: ""} if at.stage in (WAIT, LOOK) else {}
        return {show.stage: gr.HTML(telling.working(at, picture), visible=True), **first}

    def aside(self, desk: Desk, on: Desk, at: Working | Stopped | Made) -> Update:
        """A state of the edit of a photograph that does not lie on the desk any more."""
        page = self.page
        cards = {page.beside.history: telling.cards(desk.made, desk.shown)} if isinstance(at, Made) else {}
        buttons = self.going if isinstance(at, Working) else self.over
        status = {page.show.status: telling.beside(at, on.name)} if desk.shown is None else {}
        return {**cards, **buttons, **status}

    @property
    def going(self) -> Update:
        """The buttons while an edit runs."""
        return {self.page.ask.edit: gr.Button(visible=False), self.page.ask.stop: gr.Button(visible=True)}

    @property
    def over(self) -> Update:
        """The buttons when it has ended."""
        return {self.page.ask.edit: gr.Button(visible=True), self.page.ask.stop: gr.Button(visible=False)}

    def halted(self, desk: Desk, at: Stopped) -> Update:
        """What is shown after a stop: that it was, with the edit that is there already."""
        page = self.page
        if desk.shown is not None:
            return page.back(desk, desk.shown, telling.halted(at.seconds))
        return {page.show.stage: gr.HTML(telling.stopped(at.seconds), visible=True), page.show.status: ""}

    def stop(self, request: gr.Request) -> None:
        """Stop what runs on this page, within one step."""
        self.page.stops.stop(str(request.session_hash))
